"""A browser for the tests of the console's pages, a console to look at, and what axe finds."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fixtures_console import ROOT, Serve
from fixtures_patience import PATIENCE_S
from fixtures_watchroom import fill

SCHEMES = "light", "dark"
SMALL = ROOT / "models/student"  # has no index: labels of the tests take no time to enter it


@contextmanager
def browsing(hears: Path | None = None, *arguments: str) -> Iterator:
    """Chromium without a window; its microphone hears a WAV file over and over, if one is given.
    Without Chromium or playwright the test is left out.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium: apt-get install chromium")
    microphone = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={hears}",
    ]
    given = ["--no-sandbox", *arguments, *(microphone if hears else [])]
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=given)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def chromium(speech):
    """A browser whose microphone hears a person reading, over and over."""
    with browsing(speech, "--autoplay-policy=no-user-gesture-required") as browser:
        yield browser


def barriers(page) -> list:
    """What axe finds serious for people who cannot see or point, in light and in dark colours.
    The page is left in light ones.
    """
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        # of all rules, only this one depends on colours
        rules = {} if scheme == "light" else {"runOnly": ["color-contrast"]}
        result = axe.Axe().run(page, options={"resultTypes": ["violations"]} | rules)
        found += [(scheme, one) for one in result.response["violations"]]
    page.emulate_media(color_scheme="light")
    return [
        (scheme, one["id"], one["impact"], [node["html"] for node in one["nodes"]])
        for scheme, one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.fixture
def page(chromium):
    """Opens the page of a console; `troubles` has errors and every request to another place."""
    contexts = []

    def open_page(url: str, name: str = "live", **options):
        contexts.append(chromium.new_context(permissions=["microphone"], **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * PATIENCE_S)
        page.troubles = []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on(
            "console",
            lambda message: message.type == "error" and page.troubles.append(message.text),
        )
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("http", "ws"))
                and not request.url.startswith(url)
                and page.troubles.append(request.url)
            ),
        )
        page.goto(f"{url}/#/{name}")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def watchroom(tmp_path_factory):
    """The address of a console beside fifty streams; `clips` has the ids of twenty to review."""
    directory = tmp_path_factory.mktemp("watchroom")
    url = f"sqlite:///{directory}/radd.db"
    clips = fill(url)
    console = Serve(directory, "--bundle", SMALL, RADD_STORAGE_URL=url)
    console.clips, console.database = clips, url
    yield console
    console.stop()
