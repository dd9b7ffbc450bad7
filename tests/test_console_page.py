"""The console's page in a headless browser, beside a daemon that listens."""

import html
import re

import numpy as np
import pytest
from fixtures_chromium import SCHEMES, barriers
from fixtures_console import BUNDLE, REVIEWER
from fixtures_detect import wait_for
from fixtures_storage import rows, until
from test_console_recordings import FORMS, as_file

from radd.files import load_speech
from storage import tables
from stream.capture.sources import DEMO

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

from console.report_text import limits

PAGES = ("live", "review", "check", "models")


def test_an_alert_that_a_microphone_raises_is_seen_heard_labelled_and_found_in_the_database(
    page, serve, command, virtual_microphone, mariadb_url
):
    command.environ["RADD_STORAGE_URL"] = mariadb_url
    console = serve(RADD_STORAGE_URL=mariadb_url)
    daemon = command.start("--source", "mic", "--json")
    wait_for(daemon, "started")
    live = page(console.url)
    virtual_microphone.play(load_speech(DEMO)[: 14 * 16_000])
    live.locator(".tile.alarm .verdict.spoof").wait_for()
    live.locator(".alarm-card:has-text('since')").wait_for()
    live.click(".tile")
    live.locator(".facts", has_text="dBFS").wait_for()
    facts = live.locator(".facts", has_text=re.compile(r"latency\s*[\d.]+ s"))
    facts.wait_for()
    assert 0 <= float(re.search(r"latency\s+([\d.]+) s", facts.inner_text())[1]) < 60
    daemon.terminate()
    wait_for(daemon, "stopped")
    live.locator(".stream .verdict", has_text="Ended").wait_for()

    live.click("nav a:has-text('Review')")
    live.locator(".queue button").first.wait_for()
    until(lambda: live.evaluate("document.querySelector('.sound audio')?.readyState"))
    assert live.evaluate("document.querySelector('.sound audio').duration") > 5
    live.keyboard.press("f")
    assert "your name" in live.locator("[role=status]", has_text="name").inner_text()
    live.keyboard.type("Ada")
    live.keyboard.press("Enter")
    live.locator("text=Entered the index").wait_for()
    (said,) = rows(mariadb_url, tables.labels)
    assert (said["label"], said["reviewer"]) == ("fake", "Ada")
    assert rows(mariadb_url, tables.alerts)[0]["review"] == "fake"
    live.keyboard.press("z")
    until(lambda: len(rows(mariadb_url, tables.labels)) == 2)
    assert live.troubles == []


def test_recordings_of_every_format_are_checked_and_bad_ones_are_told(page, serve, tmp_path):
    sound = load_speech(DEMO)[: 5 * 16_000]
    files = []
    for kind in [*FORMS, "m4a"]:
        files.append(tmp_path / f"clip.{kind}")
        files[-1].write_bytes(as_file(sound, kind))
    bad = {"empty.wav": b"", "text.mp3": b"no sound", "<b>html.flac": b"fLaC" + bytes(50)}
    for name, data in bad.items():
        files.append(tmp_path / name)
        files[-1].write_bytes(data)
    shown = page(serve().url, "check")
    shown.set_input_files("#file", files)
    until(lambda: shown.locator(".results tbody tr:not([aria-busy])").count() == len(files))
    assert shown.locator(".results td.spoof").count() == len(FORMS) + 1
    assert shown.locator(".results [role=alert]").count() == len(bad)
    shown.goto(f"{shown.url.split('#')[0]}#/models")
    shown.locator("h1:has-text('Models')").wait_for()
    shown.goto(f"{shown.url.split('#')[0]}#/check")
    shown.locator(".results tbody tr").nth(len(files) - 1).wait_for()
    shown.click(".results button:has-text('clip.m4a')")
    shown.locator(".result h2:has-text('clip.m4a')").wait_for()
    with shown.expect_download() as download:
        shown.locator("button:has-text('Save HTML')").first.click()
    report = download.value.path().read_text(encoding="utf-8")
    assert (
        "Second by second" in report
        and "What this does not say" in report
        and "<script" not in report
    )
    with shown.expect_download() as download:
        shown.locator("button:has-text('Save PDF')").first.click()
    assert download.value.path().read_bytes().startswith(b"%PDF")
    assert barriers(shown) == []
    assert not [trouble for trouble in shown.troubles if "422" not in trouble]


def test_the_browsers_own_microphone_is_judged(page, serve):
    shown = page(serve().url, "check")
    shown.click("button:has-text('Use the microphone')")
    shown.locator(
        ".listening .verdict.bonafide, .listening .verdict.suspect, .listening .verdict.spoof"
    ).wait_for()
    shown.click("button:has-text('Stop and judge')")
    shown.locator(".result .facts").wait_for()
    assert "microphone.wav" in shown.locator(".result h2").inner_text()
    assert shown.troubles == []


def test_a_token_is_asked_for_and_a_phone_needs_no_sideways_scrolling(page, serve):
    console = serve(RADD_SERVE_REVIEWER_TOKEN=REVIEWER)
    shown = page(console.url, viewport={"width": 360, "height": 740})
    shown.fill("#token", REVIEWER)
    shown.click("dialog button")
    for name in PAGES:
        shown.goto(f"{console.url}/#/{name}")
        shown.locator(f"nav a[aria-current][href='#/{name}']").wait_for()
        shown.locator("main h1").wait_for()
        assert shown.evaluate("document.documentElement.scrollWidth") <= 360
        assert barriers(shown) == []
    shown.locator("button:has-text('Sign out')").wait_for()
    for scheme in SCHEMES:
        shown.emulate_media(color_scheme=scheme)
        paper, ink = (
            np.sum(
                [
                    int(part)
                    for part in re.findall(
                        r"\d+", shown.evaluate(f"getComputedStyle(document.body).{name}")
                    )
                ]
            )
            for name in ("backgroundColor", "color")
        )
        assert (paper > ink) == (scheme == "light")
    assert [trouble for trouble in shown.troubles if "401" not in trouble] == []


def test_a_result_is_saved_with_the_limits_of_the_model_that_judged_whatever_is_in_use_by_then(
    page, serve
):
    console = serve()
    shown = page(console.url, "check")
    shown.set_input_files("#file", DEMO)
    shown.locator(".result .facts").wait_for()
    console.kill()
    with shown.expect_download() as download:
        shown.click("button:has-text('Save HTML')")
    saved = html.unescape(download.value.path().read_text(encoding="utf-8"))
    for limit in limits((BUNDLE / "card.md").read_text(encoding="utf-8")):
        assert limit in saved
    shown.click("button:has-text('Save PDF')")
    shown.locator("#notice:has-text('does not answer')").wait_for()


def test_a_session_that_ended_is_begun_anew_without_losing_the_page(page, serve):
    shown = page(serve(RADD_SERVE_REVIEWER_TOKEN=REVIEWER).url, "check")

    def enter(token: str = REVIEWER) -> None:
        shown.fill("#token", token)
        shown.click("dialog button")

    enter()
    shown.set_input_files("#file", DEMO)
    shown.locator(".result .facts").wait_for()
    shown.context.clear_cookies()
    save = shown.locator("button:has-text('Save PDF')")
    save.click()
    enter("another-0123456789")
    shown.locator("dialog [role=alert]:has-text('is not valid')").wait_for()
    enter()
    shown.locator("dialog").wait_for(state="detached")
    with shown.expect_download():
        save.click()


def test_a_console_that_dies_leaves_the_daemon_listening(serve, command, tmp_path):
    command.environ["RADD_STORAGE_URL"] = f"sqlite:///{tmp_path}/radd.db"
    console = serve(RADD_STORAGE_URL=command.environ["RADD_STORAGE_URL"])
    daemon = command.start("--source", DEMO, "--realtime", "--duration", "6", "--json")
    wait_for(daemon, "score")
    console.kill()
    assert wait_for(daemon, "stopped")["totals"]["drops"] == 0


def test_an_admin_retrains_promotes_and_rolls_back_and_the_history_tells_who(
    page, serve, models, local
):
    console = serve(
        RADD_MODEL_BUNDLE=str(models / "default"),
        RADD_MODEL_OVERLAY_S="0.1",
        RADD_STORAGE_URL=local.url,
    )
    shown = page(console.url, "models")
    confirm = shown.locator("dialog button.main")

    shown.click("button:has-text('Promote')")
    confirm.click()  # without a name nothing happens: the browser asks for it
    shown.fill("dialog input[name=person]", "Ada")
    assert barriers(shown) == []
    confirm.click()  # nor without having read what speaks against it
    shown.check("dialog input[name=read]")
    confirm.click()
    shown.locator("tr:has-text('r20260101T000000') strong:has-text('in use')").wait_for()
    name = shown.locator("tr:has-text('r20260101T000000') td").nth(2).inner_text()
    shown.locator(f"p:has-text('This console: {name}')").wait_for()
    shown.click("button:has-text('Roll back')")
    shown.keyboard.press("Escape")
    shown.locator("dialog").wait_for(state="detached")
    shown.click("button:has-text('Roll back')")
    confirm.click()
    shown.locator("tr:has-text('default') strong:has-text('in use')").wait_for()
    shown.click("button:has-text('Retrain')")
    confirm.click()
    shown.locator("[role=status]", has_text="of 20").or_(
        shown.locator("[role=status]", has_text="scikit-learn")
    ).wait_for()
    said = [
        (row["action"], row["model"], row["reason"]) for row in rows(local.url, tables.decisions)
    ]
    ada = "Ada in the console"
    assert sorted(said) == [("promote", "r20260101T000000", ada), ("rollback", "default", ada)]
    assert ada in shown.locator("details:has-text('History')").text_content()
    assert shown.troubles == []
