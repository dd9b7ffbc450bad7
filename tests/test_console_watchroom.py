"""The console's pages beside fifty streams: seen at a glance, worked through by keyboard."""

import pytest
from fixtures_storage import rows, until

from storage import tables

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
