"""How fast the console's pages are in Chromium, beside fifty streams: first paint, bytes, and a
review of clips by keyboard alone.

    python bench/pages.py [--clips 20]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from fixtures_console import Serve
from fixtures_watchroom import fill
from playwright.sync_api import Browser, Page, sync_playwright

PAGES = ("live", "review", "check", "models", "docs")
READY = {
    "live": ".tile canvas",
    "review": ".sound audio[src]",
    "check": ".drop",
    "models": "ul.story",
    "docs": "details code",
}
LAPTOP = {"width": 1280, "height": 800}
MEASURED = """() => new Promise((done) => {
    const files = performance.getEntriesByType('resource');
    const [load] = performance.getEntriesByType('navigation');
    const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
    new PerformanceObserver((list) => done({
        paint, largest: list.getEntries().at(-1).startTime, requests: files.length + 1,
        bytes: files.reduce((sum, one) => sum + one.transferSize, load.transferSize),
        nodes: document.querySelectorAll('*').length,
    })).observe({ type: 'largest-contentful-paint', buffered: true });
})"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/radd.db"
        fill(url, clips=arguments.clips + 1)
        console = Serve(Path(directory), RADD_STORAGE_URL=url)
        try:
            with sync_playwright() as running:
                browser = running.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                pages(browser, console.url)
                review(browser, console.url, arguments.clips)
                browser.close()
        finally:
            console.stop()


def pages(browser: Browser, url: str) -> None:
    names = ("page", "first paint, ms", "largest paint, ms", "ready, ms", "requests", "kB", "nodes")
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for name in PAGES:
        page = browser.new_page(viewport=LAPTOP)
        began = time.perf_counter()
        page.goto(f"{url}/docs/" if name == "docs" else f"{url}/#/{name}")
        page.locator(READY[name]).first.wait_for(state="attached")
        ready = 1000 * (time.perf_counter() - began)
        told = page.evaluate(MEASURED)
        figures = (told["paint"], told["largest"], ready, told["requests"], told["bytes"] / 1000)
        print(f"| {name} | {' | '.join(f'{one:.0f}' for one in (*figures, told['nodes']))} |")
        page.close()


def review(browser: Browser, url: str, clips: int) -> None:
    """Label clips by R and F in turn; a clip takes from one key to the sound of the next clip."""
    page = browser.new_page(viewport=LAPTOP)
    page.goto(f"{url}/#/review")
    page.locator(READY["review"]).wait_for()
    page.keyboard.press("r")
    page.keyboard.type("Ada")
    taken = [_labelled(page, key) for key in ("Enter", *("fr"[i % 2] for i in range(clips - 1)))]
    low, middle, high = np.percentile(taken, (0, 50, 100))
    print(
        f"\n{clips} clips labelled by keyboard alone in {sum(taken):.1f} s: {middle:.2f} s a clip "
        f"(median; {low:.2f} to {high:.2f}), from the key to the sound of the next clip"
    )


def _labelled(page: Page, key: str) -> float:
    before = page.locator(".sound audio").get_attribute("src")
    began = time.perf_counter()
    page.keyboard.press(key)
    page.locator(f".sound audio[src]:not([src='{before}'])").wait_for()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
