"""The page that judges in the browser: built from the checkout, served with and without the
console's headers, open in headless Chromium.
"""

import threading
import wave
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from fixtures_chromium import browsing
from fixtures_patience import PATIENCE_S

from radd.bundle import load_detector
from radd.files import load_speech
from space import build as space

BUNDLE = next(one for one in space.BUNDLES if one.is_dir())


class SpaceServer(ThreadingHTTPServer):
    """Serves a built page on loopback and counts what is asked for. Below /try/ it sends the
    console's headers, elsewhere none, like a plain static host.
    """

    def __init__(self, built: Path):
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(built)))
        self.asked = Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(SimpleHTTPRequestHandler):
    server: SpaceServer

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/try"))

    def end_headers(self) -> None:
        self.server.asked[self.path] += 1
        for name, value in _headers(self.path).items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *arguments) -> None:
        """Nothing: the tests read `asked`."""


def _headers(path: str) -> dict[str, str]:
    from console.auth import HEADERS
    from console.try_page import HEADERS as OF_TRY

    return HEADERS | OF_TRY if path.startswith("/try/") else {}


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """A freshly built page."""
    pytest.importorskip("fastapi", reason="the console's packages are missing")
    runtime = space.ROOT / "build" / f"{space.PACKAGE}-{space.VERSION}"
    if not all((runtime / name).is_file() for name in space.RUNTIME):
        pytest.skip(f"no {space.PACKAGE} {space.VERSION}: make space")
    out = tmp_path_factory.mktemp("space") / "built"
    space.build(out, BUNDLE)
    return out


@pytest.fixture(scope="module")
def served(built):
    """The page on loopback."""
    server = SpaceServer(built)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def judge_in_python():
    """What the console says of samples at 16 kHz, and the scores of every window."""
    from app.settings import load
    from console.prediction import Predictor
    from radd.hot_swap import HotSwapDetector
    from radd.types import AudioChunk, Score
    from stream.decision import Decider
    from stream.monitor import Monitor

    settings = load(environ={})
    detector = load_detector(BUNDLE, settings.model, settings.gate)

    def judge(samples: np.ndarray):
        monitors = [
            Monitor(detector, settings.decision, settings.alerts, "0" * 32) for _ in range(2)
        ]
        predictor = Predictor(
            HotSwapDetector(detector), lambda _: monitors[0], Decider(settings.decision)
        )
        chunk = AudioChunk(samples, 0)
        events = [*monitors[1].feed(chunk), *monitors[1].flush()]
        scores = [event for event in events if isinstance(event, Score)]
        return predictor.judge([chunk], "").model_dump(), scores

    judge.detector = detector
    return judge


@pytest.fixture(scope="module")
def space_browser(tmp_path_factory):
    """A browser whose microphone hears the demo recording, over and over."""
    sound = tmp_path_factory.mktemp("microphone") / "demo.wav"
    samples = load_speech(space.ROOT / "assets" / "demo.flac")[: 12 * 16_000]
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    with browsing(sound) as browser:
        yield browser


@pytest.fixture(scope="module")
def open_space(space_browser):
    """Opens an address; `troubles` has errors, `sent` what the browser asks for."""
    contexts = []

    def open_page(url: str, is_ready: bool = True, **options):
        contexts.append(space_browser.new_context(permissions=["microphone"], **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * PATIENCE_S)
        page.troubles, page.sent = [], []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("console", lambda said: said.type == "error" and page.troubles.append(said.text))
        contexts[-1].on(
            "request",
            lambda request: request.url.startswith("blob:") or page.sent.append(request.url),
        )
        page.goto(url)
        if is_ready:
            page.locator("body[data-ready]").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def space_page(served, open_space):
    """The page on a plain static host, without cross-origin isolation."""
    page = open_space(served.url())
    yield page
    assert page.troubles == []
