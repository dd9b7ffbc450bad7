"""Enrolments in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN = 12  # speakers whose change is told, those with the largest first


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """What an enrolment changed, one line each."""
    lines = [f"left out: {text}" for text in report.get("left_out", ())]
    return lines + (_own_voice(report) if "recognises" in report else _line(report))


def listed(row: dict[str, Any]) -> str:
    """An enrolment in one line."""
    counts = ", ".join(
        f"{one['clips']} {one['label']} of {one['speakers']} speakers, {one['kept']} with audio"
        for one in row["recordings"]
    )
    bundles = ", ".join(one["bundle"] for one in row["measured"]) or "no bundle"
    effect = "" if row["in_effect"] else "; not in effect, a newer line is"
    return (
        f"{row['id']}  {row['kind']}  {row['began_utc']:%Y-%m-%d %H:%M}  {row['admin'] or '-'}  "
        f"{counts}; measured with {bundles}{effect}"
    )


def _line(report: Mapping[str, Any]) -> list[str]:
    before, after = report["before"], report["after"]
    lines = [
        f"{report['real']} recordings of {report['people']} people, {report['fakes']} fakes",
        f"offset {report['offset_llr']:+.2f} nats, scale {report['scale']:.2f}"
        + (", and the pair of people and fakes counts" if report["pair_weight"] else ""),
        "on these recordings, before and after:",
        f"  people called fake     {_of(before, after, 'real_called_fake', report['real'])}",
        f"  people below 0 nats    {_of(before, after, 'real_below_zero', report['real'])}",
    ]
    if report["fakes"]:
        lines += [
            f"  fakes not called fake  {_of(before, after, 'fakes_missed', report['fakes'])}",
            f"  fakes above 0 nats     {_of(before, after, 'fakes_above_zero', report['fakes'])}",
        ]
    speakers = sorted(
        report["by_speaker"], key=lambda one: -abs(one["after_llr"] - one["before_llr"])
    )
    lines += [
        f"  {one['speaker']} ({one['label']}, {one['clips']}): {one['before_llr']:+.1f} to "
        f"{one['after_llr']:+.1f} nats"
        for one in speakers[:SHOWN]
    ]
    if len(speakers) > SHOWN:
        lines.append(f"  and {len(speakers) - SHOWN} more speakers")
    return lines


def _of(before: dict[str, int], after: dict[str, int], name: str, n: int) -> str:
    return f"{before[name]} to {after[name]} of {n}"


def _own_voice(report: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{report['recordings']} recordings: {report['recognises']} will be recognised, from a "
        f"closeness of {report['begin']:.2f} on",
        f"the closest person of the index comes to {report['closest_person']:.2f}",
    ]
    if report["systems_as_close"]:
        systems = ", ".join(report["systems_as_close"])
        lines.append(f"as close come, and would raise no alert either: {systems}")
    return lines
