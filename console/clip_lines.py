"""Clips and their data as lines of text, for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from radd.terminal import printable

LONGEST_SHOWN = 200  # a terminal line must stay readable whatever the database contains


def line(row: dict[str, Any], quorum: int) -> str:
    """A clip of the list as one line."""
    kind = "sample" if row["state"] == "sample" else "alert "
    peak = "  -  " if row["peak_p_spoof"] is None else f"{row['peak_p_spoof']:5.2f}"
    said = f"  said: {', '.join(row['labels'])}" if row["labels"] else ""
    return (
        f"{row['id']}  {row['informative']:.2f}  {row['began_utc']:%Y-%m-%d %H:%M:%S}  {kind}  "
        f"{row['review']:8}  p_spoof{peak}  {row['length_samples'] / 16_000:5.1f} s  "
        f"{shown(row['source'], 40)}{said}"
    )


def counted(counts: dict[str, int]) -> str:
    """Counts by name, as one line."""
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def shown(value: Any, longest: int = LONGEST_SHOWN) -> str:
    """Any value made safe for a terminal: control characters are escaped, and the end is
    truncated.
    """
    text = "-" if value is None else str(value)
    safe = printable(text[:longest])
    return safe if len(text) <= longest else f"{safe}... ({len(text)} characters)"


def as_json(value: Any) -> str:
    """JSON, with times in ISO 8601 to the millisecond."""
    return json.dumps(value, default=lambda moment: moment.isoformat(timespec="milliseconds"))


def details(found: dict[str, Any], quorum: int) -> Iterator[str]:
    """All data of a clip, line by line."""
    for part in ("alert", "stream", "clip"):
        yield (part)
        for name, value in found[part].items():
            yield (f"  {name:20} {shown(value)}")
    start, scores = found["alert"]["clip_start_samples"], found["trace"]
    yield ("score trace: seconds into the clip, llr (higher = bona fide)")
    for end, llr in scores:
        yield (
            f"  {(end - start) / 16_000:8.3f}  {'not measured' if llr is None else f'{llr:+.2f}'}"
        )
    yield ("nearest references: cosine, label, system, name")
    for one in found["neighbours"]:
        yield (
            f"  {shown(one['similarity'])}  {shown(one['label'])}  {shown(one['system'])}  "
            f"{shown(one['id'])}"
        )
    yield ("gaps of the stream before the end: from, to, cause")
    for gap in found["gaps"]:
        yield (
            f"  {gap['start_samples'] / 16_000:.3f} s  {gap['end_samples'] / 16_000:.3f} s  "
            f"{shown(gap['cause'])}"
        )
    yield (f"labels, quorum {quorum}: {found['alert']['review']}")
    for said in found["labels"]:
        when = f"{said['labelled_utc']:%Y-%m-%d %H:%M:%S}"
        yield (
            f"  {said['number']}  {when}  {said['label']:6}  {shown(said['reviewer'])}  "
            f"{shown(said['reason'])}"
        )
    yield ("index: encoder, blocks learned from it")
    for entry in found["index"]:
        yield (f"  {entry['encoder_id']}  {entry['blocks']}")
