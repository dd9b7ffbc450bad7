"""report.html in a headless browser."""

import json

import numpy as np
import pytest
import soundfile
from fixtures_chromium import browsing
from fixtures_patience import PATIENCE_S
from fixtures_scores import scored_trials

import evaluate
from radd.score_files import write_trials


@pytest.fixture(scope="module")
def browser():
    with browsing() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    speakers = [f"s{i % 30}" for i in range(400)]
    scored = scored_trials(rng.normal(2, 2, 200), rng.normal(-2, 2, 200), speakers, prefix="<b>")
    write_trials(folder / "fair <1>.csv", scored)
    sound = folder / "audio"
    sound.mkdir()
    worst = int(np.argmin(scored.bonafide()))
    soundfile.write(sound / f"<b>{worst}.wav", rng.normal(0, 0.1, 8000), 16_000)
    arguments = [
        "metrics",
        "--scores",
        str(folder / "fair <1>.csv"),
        "--out",
        str(folder),
        "--bootstrap",
        "50",
        "--audio",
        str(sound),
    ]
    assert evaluate.main(arguments) == 0
    return folder


@pytest.fixture
def page(browser, report):
    def open_page(width=1200, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(1000 * PATIENCE_S)
        page.troubles = []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("console", lambda message: page.troubles.append(message.text))
        page.on(
            "request",
            lambda request: request.url.startswith("http") and page.troubles.append(request.url),
        )
        page.goto((report / "report.html").as_uri())
        return page

    return open_page


def test_the_page_shows_what_metrics_json_says(page, report):
    metrics = json.loads((report / "metrics.json").read_text())
    shown = page()
    text = shown.inner_text("body")
    assert f"{metrics['eer_percent']:.2f} %" in text and f"{metrics['cllr_bits']:.4f}" in text
    assert "fair <1>" in text and shown.locator("b:has-text('<b>')").count() == 0
    assert shown.locator("audio").count() == 1
    assert shown.locator("svg").count() == 4
    assert shown.troubles == []


def test_moving_the_threshold_counts_anew(page, report):
    shown = page()
    slider = shown.locator("#threshold")
    slider.evaluate("bar => { bar.value = 0; bar.dispatchEvent(new Event('input')); }")
    assert shown.inner_text("#caught") == "0" and shown.inner_text("#believed") == "200"
    slider.evaluate("bar => { bar.value = 400; bar.dispatchEvent(new Event('input')); }")
    assert shown.inner_text("#caught") == "200" and shown.inner_text("#recall") == "100.00 %"
    shown.locator("button").first.click()
    at = json.loads((report / "metrics.json").read_text())["at_threshold"]
    assert int(shown.inner_text("#caught")) == at["spoof_called_spoof"]
    assert shown.troubles == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(page, scheme):
    shown = page(width=360, scheme=scheme)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360
    paper, ink = (
        shown.evaluate(f"getComputedStyle(document.body).{name}")
        for name in ("backgroundColor", "color")
    )

    def brightness(colour):
        return sum(int(part) for part in colour[4:-1].split(","))

    assert (brightness(paper) > brightness(ink)) == (scheme == "light")
