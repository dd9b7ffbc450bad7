"""Makes docs/live-view.svg: the live view as it stood after some seconds of a real run.

python -m docs.screenshot assets/demo.flac 30
"""

import io
import sys
import uuid
from pathlib import Path

from rich.console import Console

from app.settings import load
from radd.bundle import load_detector
from radd.types import SAMPLE_RATE_HZ
from stream.capture.sources import FileSource
from stream.ending import Ending
from stream.event_journal import NoJournal
from stream.live_view import LiveView
from stream.monitor import Monitor
from stream.run_stream import Stream
from stream.runtime import Run, RunSettings

ROOT = Path(__file__).parents[1]


def main(path: str, duration_s: str) -> None:
    settings = load()
    detector = load_detector(ROOT / settings.model.bundle, settings.model, settings.gate)
    source = FileSource(path, realtime=True)
    stream_id = str(uuid.uuid4())
    stream = Stream(
        stream_id, source, Monitor(detector, settings.decision, settings.alerts, stream_id)
    )
    view = LiveView(lambda stream: source.stats(), Console(file=io.StringIO()))
    duration_samples = round(float(duration_s) * SAMPLE_RATE_HZ)
    with Ending() as ending, view:
        chosen = RunSettings(settings.engine, duration_samples)
        Run([stream], detector, NoJournal, view, ending, chosen).listen()
    console = Console(file=io.StringIO(), record=True, width=80)
    console.print(view.draw())
    console.save_svg(str(ROOT / "docs/live-view.svg"), title="python detect.py")


if __name__ == "__main__":
    main(*sys.argv[1:])
