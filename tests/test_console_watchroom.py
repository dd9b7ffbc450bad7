"""The console's pages beside fifty streams: seen at a glance, worked through by keyboard."""

import pytest
from fixtures_chromium import barriers
from fixtures_storage import rows, until
from fixtures_watchroom import CALL

from storage import tables
from stream.capture.sources import DEMO

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SEEN = """(selectors) => selectors.filter((selector) => {
    const box = document.querySelector(selector)?.getBoundingClientRect();
    return !box || box.top < 0 || box.bottom > innerHeight || box.right > innerWidth;
})"""


def label_of(url, id):
    """The state of review of a clip, as stored."""
    (row,) = [row for row in rows(url, tables.alerts) if row["id"] == id]
    return row["review"]


def test_a_keyboard_alone_reviews_clip_after_clip_and_takes_the_last_one_back(page, watchroom):
    shown = page(watchroom.url, "review", viewport=LAPTOP)
    shown.locator(".sound audio[src]").wait_for()
    shown.evaluate("document.activeElement.blur()")
    assert shown.evaluate(SEEN, [".sound canvas", ".labels .real", ".labels .fake", ".said"]) == []
    first = shown.locator(".queue [aria-current]").get_attribute("data-id")
    shown.keyboard.press("r")
    shown.keyboard.type("Ada")
    given = []
    for key, label in (("Enter", "real"), ("f", "fake"), ("u", "unsure")):
        id = shown.locator(".queue [aria-current]").get_attribute("data-id")
        shown.keyboard.press(key)
        shown.locator(f".queue [aria-current]:not([data-id='{id}'])").wait_for()
        given.append((id, label))
        until(lambda id=id, label=label: label_of(watchroom.database, id) == label)
    assert given[0][0] == first and len({id for id, _ in given}) == 3
    last = given[-1][0]
    shown.keyboard.press("z")
    shown.locator(f".queue [aria-current][data-id='{last}']").wait_for()
    shown.locator(".said:has-text('taken back')").wait_for()
    assert label_of(watchroom.database, last) == "pending"
    assert shown.troubles == []


def test_a_sample_is_shown_without_the_shade_of_an_alert_and_red_is_a_verdict(page, watchroom):
    shown = page(watchroom.url, "review", viewport=LAPTOP)
    shown.select_option("select[name=kind]", "sample")
    shown.locator(".clip .score.bonafide:has-text('12 %')").wait_for()
    assert shown.locator(".queue .spoof").count() == 0
    pinkness = """() => {
        const canvas = document.querySelector('.sound canvas'), pen = canvas.getContext('2d');
        const { data } = pen.getImageData(canvas.width - 20, 2, 1, 1);
        return data[3];
    }"""
    until(lambda: shown.evaluate("document.querySelector('.sound audio').readyState"))
    assert shown.evaluate(pinkness) == 0
    shown.select_option("select[name=kind]", "alert")
    shown.locator(".clip .score.spoof").wait_for()
    until(lambda: shown.evaluate(pinkness))


def test_fifty_streams_are_seen_at_a_glance_alerts_first_and_one_of_them_large(page, watchroom):
    shown = page(watchroom.url, viewport=LAPTOP)
    shown.locator(".tile").nth(40).wait_for(state="attached")
    assert shown.locator(".tile").count() == 50
    assert shown.evaluate(SEEN, [".alarm-card", ".tile.alarm", ".tile:not(.alarm)"]) == []
    assert shown.locator(".alarm-card").count() == 3 and shown.title().startswith("(3 alerts)")
    assert shown.locator("link[rel=icon]").get_attribute("href") == "alarm.svg"
    assert shown.locator("details:has(.tile)").get_attribute("open") is None
    shown.fill("input[name=search]", "line-22")
    shown.locator(".tile").nth(1).wait_for(state="detached")
    shown.locator(".tile").focus()
    shown.keyboard.press("Enter")
    shown.locator(".stream .facts:has-text('dBFS')").wait_for()
    assert shown.locator(".tile").get_attribute("aria-expanded") == "true"
    shown.keyboard.press("Escape")
    shown.locator(".stream").wait_for(state="detached")
    assert shown.troubles == []


def test_the_tracks_of_a_call_are_told_apart_at_a_glance(page, watchroom):
    shown = page(watchroom.url, viewport=LAPTOP)
    shown.locator(".tile").nth(40).wait_for(state="attached")
    shown.fill("input[name=search]", CALL.lower())
    shown.locator(".tile").nth(2).wait_for(state="detached")
    names = shown.locator(".tile .name")
    assert names.all_text_contents() == [f"outbound · {CALL}", f"inbound · {CALL}"]
    card = shown.locator(f".alarm-card h2:has-text('outbound · {CALL}')")
    assert card.count() == 1
    names.nth(0).click()
    shown.locator(f".stream h2:has-text('outbound · {CALL}')").wait_for()
    assert shown.troubles == []


def test_an_alert_that_is_acknowledged_or_muted_stays_calm_and_its_clip_is_one_click_away(
    page, watchroom
):
    shown = page(watchroom.url, viewport=LAPTOP)
    cards = shown.locator(".alarm-card")
    cards.nth(2).wait_for()
    cards.nth(0).locator("text=Acknowledge").click()
    cards.nth(1).locator("text=Mute").click()
    shown.locator(".alarm-card.calm").nth(1).wait_for()
    until(lambda: shown.title().startswith("(1 alert)"))
    shown.reload()
    shown.locator(".alarm-card.calm").nth(1).wait_for()
    shown.locator(".alarm-card:not(.calm) a").click()
    shown.locator(".clip .score").wait_for()
    assert shown.title().startswith("(1 alert) Review")


def test_the_streams_of_a_day_are_listed_with_their_alerts(page, watchroom):
    shown = page(watchroom.url, viewport=LAPTOP)
    today = shown.evaluate("new Date(Date.now() - 7200e3).toLocaleDateString('sv')")
    shown.fill("input[name=day]", today)
    shown.locator("tr:has-text('caller-0.wav') a").click()
    shown.locator(".queue button").first.wait_for()
    assert {row.split("\n")[0] for row in shown.locator(".queue .name").all_inner_texts()} == {
        "caller-0.wav"
    }


def test_the_api_is_shown_by_the_console_itself(page, watchroom):
    shown = page(watchroom.url, viewport=PHONE)
    shown.goto(f"{watchroom.url}/docs")
    shown.click("summary:has-text('/v1/predict') >> nth=0")
    shown.locator("code:has-text('file=@call.mp3')").first.wait_for()
    assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert barriers(shown) == [] and shown.troubles == []


@pytest.mark.parametrize(
    ("language", "words"), [("de-AT", "Ein Mensch"), ("es-MX", "Una persona"), ("fr", "A person")]
)
def test_the_pages_speak_the_readers_language(page, watchroom, language, words):
    shown = page(watchroom.url, viewport=LAPTOP, locale=language)
    shown.locator(f".tile:has-text('{words}')").first.wait_for()
    assert shown.evaluate("document.documentElement.lang") == (
        language[:2] if language != "fr" else "en"
    )
    shown.select_option("select[name=language]", "en")
    shown.locator(".tile:has-text('A person')").first.wait_for()
    assert shown.troubles == []


def test_no_page_and_no_state_bars_anybody_or_needs_sideways_scrolling(page, watchroom):
    shown = page(watchroom.url, viewport=PHONE)

    def is_open_to_all(name: str) -> None:
        assert barriers(shown) == [], name
        assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name

    shown.locator(".alarm-card").first.wait_for()
    is_open_to_all("live")
    shown.click(".tile >> nth=0")
    shown.locator("text=Acknowledge").first.click()
    shown.locator(".stream .facts").wait_for()
    is_open_to_all("live, one stream large, an alert acknowledged")
    shown.fill("input[name=search]", "nowhere")
    is_open_to_all("live, nothing found")
    shown.goto(f"{watchroom.url}/#/review")
    shown.locator(".sound audio[src]").wait_for()
    shown.locator(".clip details summary").first.click()
    is_open_to_all("review")
    shown.select_option("select[name=review]", "expired")
    shown.locator(".card.empty").wait_for()
    is_open_to_all("review, no clip")
    shown.goto(f"{watchroom.url}/#/models")
    shown.locator("ul.story, .progress, progress").first.wait_for()
    shown.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    is_open_to_all("models, all details")
    shown.set_input_files("#uploads-files", DEMO)
    shown.locator("dialog input[name=licence]").wait_for()
    is_open_to_all("models, an upload")
    shown.goto(f"{watchroom.url}/#/check")
    shown.locator("h1:has-text('Check')").wait_for()
    is_open_to_all("check")
    assert shown.troubles == []


def test_a_checked_recording_is_kept_with_its_label_and_removed_again(page, watchroom):
    shown = page(watchroom.url, "check", viewport=LAPTOP)
    shown.set_input_files("#file", DEMO)
    shown.click("button:has-text('This is fake')")
    for name, text in (("reviewer", "Ada"), ("source", "the demo"), ("licence", "its own")):
        shown.fill(f"dialog input[name={name}]", text)
    shown.click("dialog button.main")
    shown.click("a:has-text('Open it in Review')")
    shown.locator(".clip h2:has-text('upload by Ada')").wait_for()
    shown.goto(f"{watchroom.url}/#/models")
    row = shown.locator("tr:has-text('demo.flac'):has-text('the demo'):has-text('its own')")
    row.locator("button").click()
    row.locator("button:has-text('Really?')").click()
    row.wait_for(state="detached")
    assert rows(watchroom.database, tables.uploads) == []
    shown.goto(f"{watchroom.url}/#/check")
    shown.locator(".result .facts").wait_for()
    assert shown.troubles == []
