"""Output of evaluate.py stream: figures, tables, and everything needed to check them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from evaluation.outcome import StreamOutcome, StreamResult
from evaluation.plots import draw, paint_delays, paint_thresholds
from evaluation.recordings import LongRecording, write_annotations
from evaluation.tables import interval, markdown, number


def write_stream_report(
    folder: Path,
    recordings: list[LongRecording],
    results: list[StreamResult],
    shipped: StreamOutcome,
    outcomes: list[StreamOutcome],
    record: dict[str, int],
) -> str:
    """Write stream.json, thresholds.csv, stream.md, recordings.csv, clips.csv, alerts.csv and the
    figures.

    `record` is added to stream.json. Returns the table for a terminal.
    """
    figures = shipped.figures()
    text = json.dumps(figures | record, indent=2, allow_nan=False)
    (folder / "stream.json").write_text(text + "\n", encoding="utf-8")
    _write_rows(
        folder / "thresholds.csv",
        ["threshold", *figures, "detected_delays_s"],
        [[outcome.threshold, *_cells(outcome), _joined(outcome.delays_s)] for outcome in outcomes],
    )
    _write_alerts(folder, recordings, results)
    write_annotations(folder / "recordings.csv", recordings)
    _write_rows(
        folder / "clips.csv",
        ["file", "clip"],
        [[recording.name, clip] for recording in recordings for clip in recording.clips],
    )
    draw(folder, "thresholds", paint_thresholds(outcomes, shipped))
    draw(folder, "delays", paint_delays(shipped))
    table = _table(shipped, outcomes)
    (folder / "stream.md").write_text(table + "\n", encoding="utf-8")
    return table


def _write_alerts(
    folder: Path, recordings: list[LongRecording], results: list[StreamResult]
) -> None:
    rows = [
        [recording.name, f"{alarm.opened_s:.3f}", f"{alarm.ended_s:.3f}"]
        for recording, one in zip(recordings, results, strict=True)
        for alarm in one.alarms
    ]
    _write_rows(folder / "alerts.csv", ["file", "opened_s", "ended_s"], rows)


def _table(shipped: StreamOutcome, outcomes: list[StreamOutcome]) -> str:
    """Every fourth threshold and the default one, in order."""
    shown = sorted([*outcomes[::4], shipped], key=lambda outcome: outcome.threshold)
    rows = [_row(outcome, "shipped" if outcome is shipped else "") for outcome in shown]
    header = [
        "threshold, nats",
        "false alarms",
        "per hour",
        "95 % interval",
        "missed %",
        "median s",
        "90 % in s",
        "",
    ]
    return markdown(header, rows)


def _row(outcome: StreamOutcome, note: str) -> list[str]:
    figures = outcome.figures()
    return [
        f"{outcome.threshold:.2f}",
        number(outcome.false_alarms),
        number(figures["false_alarms_per_hour"], 2),
        interval(figures["false_alarms_per_hour_ci95"]),
        number(figures["missed_percent"], 1),
        number(figures["median_time_to_detection_s"], 2),
        number(figures["p90_time_to_detection_s"], 2),
        note,
    ]


def _cells(outcome: StreamOutcome) -> list[str]:
    return [
        _joined(value) if isinstance(value, list) else "" if value is None else f"{value:.6g}"
        for value in outcome.figures().values()
    ]


def _joined(values: list[float] | None) -> str:
    return " ".join(f"{value:.6g}" for value in values or [])


def _write_rows(path: Path, header: list[str], rows: list[list]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
