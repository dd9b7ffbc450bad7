"""What one second of sound costs in the browser beside Python, with the same bundle and the same
scores.

    make space && python bench/browser.py [--seconds 8] [--rounds 5] [--json FILE]

Needs Chromium and playwright. Both judge the start of the demo recording in turns. Time is
processor time, of this process and of the page's process, so that other programs on the machine
count as little as possible. The browser has one thread, as on a host without cross-origin
isolation.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import sys
import threading
import time
from collections import defaultdict
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from evaluation.tables import markdown
from radd.bundle import MANIFEST, load_detector
from radd.encoder import BLOCK_SAMPLES
from radd.files import load_speech
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ
from space.build import BUNDLES, OUT

ROOT = Path(__file__).resolve().parent.parent
PAGE = "words.json"  # an address of the page's origin where nothing else runs
OPEN = """async () => {
    const { openBundle } = await import("./engine/bundle.js");
    const { Detector } = await import("./engine/detector.js");
    const ort = await import("./ort/ort.wasm.min.mjs");
    ort.env.wasm.wasmPaths = new URL("./ort/", location).href;
    ort.env.wasm.numThreads = 1;
    const settings = await (await fetch("settings.json")).json();
    globalThis.detector = new Detector(await openBundle(ort, settings), settings);
}"""
JUDGE = """async ([sound, portion]) => {
    const bytes = Uint8Array.from(atob(sound), (letter) => letter.charCodeAt(0));
    const samples = new Float32Array(bytes.buffer), state = detector.start(), out = [];
    for (let at = 0; at < samples.length; at += portion) {
        out.push(...await detector.push(state, samples.slice(at, at + portion)));
    }
    return out.map((one) => one.llr);
}"""
BLOCK = """async ([sound]) => {
    const bytes = Uint8Array.from(atob(sound), (letter) => letter.charCodeAt(0));
    await detector.encoder.embed(new Float32Array(bytes.buffer).slice(0, 16384));
}"""


class InBrowser:
    """The detector in a page of headless Chromium."""

    def __init__(self, browser: Browser, address: str):
        self._session = browser.new_browser_cdp_session()
        self._page: Page = browser.new_page()
        self._page.goto(address + PAGE)
        began = time.perf_counter()
        self._page.evaluate(OPEN)
        self.open_s = time.perf_counter() - began

    def timed(self, program: str, *values: Any) -> tuple[float, Any]:
        """Processor seconds of the page's process, and what the program returns."""
        before = self._processor_s()
        answer = self._page.evaluate(program, values)
        return self._processor_s() - before, answer

    def _processor_s(self) -> float:
        processes = self._session.send("SystemInfo.getProcessInfo")["processInfo"]
        return sum(one["cpuTime"] for one in processes if one["type"] == "renderer")


class InPython:
    """The same bundle as detect.py runs it, without its cache."""

    def __init__(self, bundle: Path) -> None:
        settings = load(environ={})
        self._detector = load_detector(
            bundle, replace(settings.model, cache_blocks=0), settings.gate
        )

    def judge(self, samples: np.ndarray, portion: int) -> tuple[float, list[float | None]]:
        """Processor seconds, and the LLRs of all hops."""
        began, state, out = time.process_time(), self._detector.start(), []
        for at in range(0, len(samples), portion):
            out += self._detector.push(state, samples[at : at + portion])
        return time.process_time() - began, [one.llr for one in out]

    def encode(self, samples: np.ndarray) -> float:
        """Processor seconds of one encoder block."""
        began = time.process_time()
        self._detector.encoder.embed(samples[:BLOCK_SAMPLES])
        return time.process_time() - began


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=8, help="of sound, default 8")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for other programs")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or not (OUT / "index.html").is_file():
        print("bench/browser.py: needs Chromium and the built page: make space", file=sys.stderr)
        return 2
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(OUT)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = InBrowser(browser, f"http://127.0.0.1:{server.server_port}/")
        figures = measure(page, InPython(source()), arguments.seconds, arguments.rounds)
        print(f"Chromium {browser.version}, {source().name} {version(OUT / 'model')}\n")
        browser.close()
    server.shutdown()
    print(table(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def source() -> Path:
    """The bundle that the page was built with."""
    return next(one for one in BUNDLES if one.is_dir() and version(one) == version(OUT / "model"))


def version(bundle: Path) -> str:
    return str(json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))["version"])


def measure(page: InBrowser, python: InPython, seconds: int, rounds: int) -> dict[str, list[float]]:
    """Processor seconds for a second of sound, in Python and in the browser, median of rounds that
    alternate; and the greatest difference of two scores.
    """
    hops = seconds * SAMPLE_RATE_HZ // HOP_SAMPLES
    samples = load_speech(ROOT / "assets" / "demo.flac")[: hops * HOP_SAMPLES]
    sound = base64.b64encode(samples.astype("<f4").tobytes()).decode()
    heard_s, found, apart = hops * HOP_SAMPLES / SAMPLE_RATE_HZ, defaultdict(list), 0.0
    for _ in range(rounds):
        for name, portion in (("a recording", BLOCK_SAMPLES), ("a microphone", HOP_SAMPLES)):
            own_s, expected = python.judge(samples, portion)
            browser_s, scores = page.timed(JUDGE, sound, portion)
            found[name].append((own_s / heard_s, browser_s / heard_s))
            difference = np.array(expected, float) - np.array(scores, float)
            apart = max(apart, float(np.nanmax(np.abs(difference))))
        found["the encoder's block alone"].append(
            (python.encode(samples), page.timed(BLOCK, sound)[0])
        )
    out = {
        name: [median(column) for column in zip(*pairs, strict=True)]
        for name, pairs in found.items()
    }
    return out | {"greatest difference, nats": [apart], "opening, wall clock": [page.open_s]}


def table(figures: dict[str, list[float]]) -> str:
    rows = [
        (name, f"{1000 * own:.0f}", f"{1000 * other:.0f}", f"{other / own:.1f}")
        for name, (own, other) in ((n, v) for n, v in figures.items() if len(v) == 2)
    ]
    head = ("one second of sound", "Python, ms", "browser, ms", "times Python")
    apart, opened = figures["greatest difference, nats"][0], figures["opening, wall clock"][0]
    return (
        markdown(head, rows)
        + f"\n\nGreatest difference of two scores: {apart:.1e} nats. From the first byte to a "
        f"detector that is ready: {opened:.1f} s of wall clock."
    )


if __name__ == "__main__":
    sys.exit(main())
