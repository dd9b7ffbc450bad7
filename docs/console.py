"""Makes docs/console-*.png: the console's pages beside a daemon that plays a recording; needs
Chromium and playwright.

python -m docs.console RECORDING
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
WAIT_MS = 120_000


def main(recording: str) -> None:
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as directory:

        def start(*command: str, out: int) -> subprocess.Popen:
            return subprocess.Popen(
                [sys.executable, *command], cwd=directory, env=environ, text=True, stdout=out
            )

        console = start(str(ROOT / "serve.py"), "--port", "0", out=subprocess.PIPE)
        daemon = start(
            str(ROOT / "detect.py"),
            "--source",
            str(Path(recording).absolute()),
            "--realtime",
            out=subprocess.DEVNULL,
        )
        try:
            url = console.stdout.readline().removeprefix("RADD console: ").strip()
            with sync_playwright() as running:
                browser = running.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                shoot(browser, url, recording)
                browser.close()
        finally:
            for process in (daemon, console):
                process.terminate()
                process.wait()


def shoot(browser, url: str, recording: str) -> None:
    def opened(name: str, scheme: str, height: int) -> Page:
        page = browser.new_page(viewport={"width": 1000, "height": height}, color_scheme=scheme)
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{url}#/{name}")
        return page

    live = opened("live", "dark", 500)
    live.locator(".tile.alarm").wait_for()
    live.click(".tile")
    live.locator(".stream.alarm").wait_for()
    live.wait_for_timeout(1_000)
    live.screenshot(path=ROOT / "docs/console-live.png")
    check = opened("check", "light", 860)
    check.set_input_files("#file", recording)
    check.locator(".result .facts").wait_for()
    check.wait_for_timeout(500)
    check.screenshot(path=ROOT / "docs/console-check.png")
    live.locator(".stream:not(.alarm)").wait_for()
    review = opened("review", "light", 800)
    review.locator(".sound audio").wait_for()
    review.wait_for_timeout(2_000)
    review.screenshot(path=ROOT / "docs/console-review.png")
    for picture in (ROOT / "docs").glob("console-*.png"):
        Image.open(picture).quantize(256).save(picture, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
