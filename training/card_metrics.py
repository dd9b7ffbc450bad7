"""What a card copies from evaluate.py and bench/robustness.py: figures, operating points and small
tables.
"""

from __future__ import annotations

from typing import Any

NUMBERS = {
    "eer_percent": "EER, %",
    "eer_percent_ci95": "its 95 % interval",
    "cllr_bits": "Cllr, bit",
    "min_cllr_bits": "min Cllr, bit",
    "min_dcf": "minDCF (ASVspoof 5)",
    "act_dcf": "actDCF (ASVspoof 5)",
    "n_bonafide": "bona fide clips",
    "n_spoof": "spoof clips",
    "hours_real": "hours of real speech listened to",
    "false_alarms": "false alarms in them",
    "false_alarms_per_hour": "false alarms an hour",
    "false_alarms_per_hour_ci95": "its exact 95 % Poisson interval",
    "n_fakes": "fakes that took over",
    "missed_percent": "missed, %",
    "median_time_to_detection_s": "median time to detection, s",
    "p90_time_to_detection_s": "90th percentile of it, s",
}
COLUMNS = {  # columns of a protocol, by topic
    "language": ("lang", "language", "locale"),
    "sex": ("gender", "sex"),
    "channel": ("codec", "codec_quality", "transmission", "condition", "environment", "orig_rate"),
}
NOT_MEASURED = {
    "language": "Accuracy by language: no run above has it.",
    "sex": "Accuracy by sex: no run above knows it.",
    "channel": "Accuracy by codec or line: no run above tells them apart.",
}
GROUP = {
    "n_bonafide": "real clips",
    "n_spoof": "fake clips",
    "eer_percent": "EER, %",
    "false_alarm_percent": "real called fake, %",
    "missed_percent": "fakes missed, %",
}
HEARD = {  # for each channel condition
    "eer_percent": "EER, %",
    "times_clean": "times clean",
    "cllr_bits": "Cllr, bit",
    "act_dcf": "actDCF (ASVspoof 5)",
}
MOST_ROWS, FEWEST_CLIPS = 10, 8  # smaller groups say more about chance than about the group


def collect(values: dict[str, Any]) -> dict[str, Any]:
    """What a card keeps of metrics.json, stream.json or heard.json; empty for any other file."""
    kept = {key: values[key] for key in NUMBERS if key in values}
    if by_condition := values.get("heard"):
        kept["heard"] = {
            name: {key: figures[key] for key in HEARD if key in figures}
            for name, figures in by_condition.items()
        }
    if values.get("operating_points"):
        kept["operating_points"] = values["operating_points"]
    by_group = {
        column: groups
        for columns in COLUMNS.values()
        for column in columns
        if (groups := _largest(values.get("per_condition", {}).get(column, {})))
    }
    systems = _largest(values.get("per_attack") or {}, by="eer_percent")
    if by_group or systems:
        kept["group_threshold"] = values["at_threshold"]["threshold"]
    return (
        kept
        | ({"by_group": by_group} if by_group else {})
        | ({"worst_systems": systems} if systems else {})
    )


def _largest(groups: dict[str, dict], by: str = "clips") -> dict[str, dict]:
    """At most MOST_ROWS groups with FEWEST_CLIPS clips or more, largest or highest in `by`
    first.
    """

    def clips(group):
        return group.get("n_bonafide", 0) + group.get("n_spoof", 0)

    large = [(name, group) for name, group in groups.items() if clips(group) >= FEWEST_CLIPS]
    large.sort(key=lambda item: clips(item[1]) if by == "clips" else item[1][by] or 0, reverse=True)
    return {
        name: {key: group[key] for key in GROUP if key in group}
        for name, group in large[:MOST_ROWS]
    }


def describe(metrics: dict[str, dict]) -> list[str]:
    """The lines of the card for what `taken` kept, by name of the run, and for what was never
    measured.
    """
    lines = []
    for run, values in metrics.items():
        lines += [f"### {run}", "", "| what | value |", "|---|---|"]
        measured = {
            words: values[key] for key, words in NUMBERS.items() if values.get(key) is not None
        }
        lines += [f"| {words} | {_shown(value)} |" for words, value in measured.items()]
        lines.append("")
        lines += _points(values.get("operating_points"))
        if "group_threshold" in values:
            lines += [
                f"Groups, called fake below an LLR of {values['group_threshold']:.2f}: the "
                "largest ones, and of",
                "the systems those that it tells worst. Few clips are hints, not proofs.",
                "",
            ]
        for column, groups in values.get("by_group", {}).items():
            lines += _table(column, groups, GROUP)
        lines += _table("system", values.get("worst_systems", {}), GROUP)
        lines += _table("heard", values.get("heard", {}), HEARD, 2)
    columns = {column for values in metrics.values() for column in values.get("by_group", {})}
    columns |= {"condition" for values in metrics.values() if "heard" in values}
    unknown = [words for about, words in NOT_MEASURED.items() if not columns & set(COLUMNS[about])]
    return [
        *lines,
        "### Not known",
        "",
        *(f"- {words}" for words in unknown),
        "- Accuracy by age, accent and health of the voice: the corpora do not say them.",
        "",
    ]


def _points(points: list[dict] | None) -> list[str]:
    if not points:
        return []
    return [
        "| called fake from this probability on | real voices called fake, % | fakes missed, % |",
        "|---|---|---|",
        *(
            f"| {p['p_spoof']} | {_cell(p['false_alarm_percent'])} | {_cell(p['missed_percent'])} |"
            for p in points
        ),
        "",
    ]


def _table(
    name: str, groups: dict[str, dict], columns: dict[str, str], digits: int = 1
) -> list[str]:
    shown = [key for key in columns if any(group.get(key) is not None for group in groups.values())]
    rows = [
        [value, *(_cell(group.get(key), digits) for key in shown)]
        for value, group in groups.items()
    ]
    if not rows:
        return []
    rows = [[name, *(columns[key] for key in shown)], ["---"] * (1 + len(shown)), *rows]
    return [*(f"| {' | '.join(row)} |" for row in rows), ""]


def _cell(value: float | int | None, digits: int = 1) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return " to ".join(_shown(v) for v in value) if isinstance(value, list) else str(value)
