"""report.html: one self-contained page that shows metrics.json, with a movable threshold."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from evaluation.conditions import ChannelCondition
from evaluation.plots import (
    CURVE_POINTS,
    draw,
    paint_det,
    paint_histogram,
    paint_reliability,
    paint_roc,
    score_range,
)
from evaluation.summary import reliability
from radd.metrics import BAYES_THRESHOLD_LLR, ErrorRates, error_rates
from radd.score_files import ScoredTrials

PAGE = Path(__file__).with_name("page.html")
STEPS = 400  # positions of the slider, fine enough for every visible change
WORST = 20
FIRST_ROWS = 15  # further groups are folded, so that the worst stay in view
COLUMNS = {
    "n_bonafide": "real",
    "n_spoof": "fake",
    "false_alarm_percent": "wronged %",
    "missed_percent": "missed %",
}


def write_report(
    folder: Path,
    name: str,
    scored: ScoredTrials,
    summary: dict,
    player: Callable[[str], str | None],
) -> None:
    """Write report.html and its figures as PNG and SVG to `folder`, and the DET curve as det.csv.

    `summary` is the result of summarise() for the same trials; `player` returns the audio of a
    trial as a data URL, or None.
    """
    rates = error_rates(scored.bonafide(), scored.spoof())
    threshold = summary["at_threshold"]["threshold"]
    bins = reliability(scored)
    draw(folder, "scores", paint_histogram(scored.bonafide(), scored.spoof(), threshold))
    calibration = draw(folder, "reliability", paint_reliability(bins))
    data = _operating_points(scored, rates, threshold)
    page = Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(name),
        subtitle=_subtitle(summary),
        notes="".join(f'<p class="card note">{escape(note)}</p>' for note in summary["warnings"]),
        numbers=_numbers(summary),
        operating=_operating(scored, data, summary["at_threshold"]),
        det=draw(folder, "det", paint_det({name: rates})),
        roc=draw(folder, "roc", paint_roc({name: rates})),
        reliability=_reliability(calibration, summary),
        groups=_groups(summary),
        errors=_errors(scored, threshold, player),
        legend=_legend(summary),
        data=json.dumps(data, separators=(",", ":")),
    )
    (folder / "report.html").write_text(page, encoding="utf-8")
    _write_det(folder / "det.csv", rates)


def _write_det(file: Path, rates: ErrorRates) -> None:
    """Both error rates, 0 to 1, along the curve of the figure."""
    chosen = rates.thinned(CURVE_POINTS)
    lines = [
        f"{fa:.6g},{miss:.6g}"
        for fa, miss in zip(rates.p_fa[chosen], rates.p_miss[chosen], strict=True)
    ]
    file.write_text("\n".join(["false_alarm_rate,miss_rate", *lines, ""]), encoding="utf-8")


def _subtitle(summary: dict) -> str:
    unit = summary["bootstrap"]["unit"]
    return (
        f"{summary['n_bonafide']:,} real and {summary['n_spoof']:,} synthetic clips, format "
        f"{summary['format']}. Intervals hold 95 % of {summary['bootstrap']['replicates']:,} "
        f"bootstrap replicates, drawn by {unit} "
        f"({summary['bootstrap']['n_units']:,}).{_run(summary)}"
    )


def _run(summary: dict) -> str:
    """Provenance of the scores and the trial selection, if the record has them."""
    conditions = []
    if "condition" in summary:
        conditions.append(str(ChannelCondition(summary["condition"], summary["seconds"])))
    conditions += [f"only {text}" for text in summary.get("where", [])]
    if "unseen_in" in summary:
        conditions.append(f"only systems that are not named in {', '.join(summary['unseen_in'])}")
    return f" Scored: {escape('; '.join(conditions))}." if conditions else ""


def _numbers(summary: dict) -> str:
    def interval(name, digits):
        ends = summary[f"{name}_ci95"]
        return "" if ends is None else f"{ends[0]:.{digits}f} to {ends[1]:.{digits}f}"

    cards = [
        (f"{summary['eer_percent']:.2f} %", "equal error rate", interval("eer_percent", 2)),
        (f"{summary['min_dcf']:.4f}", "min DCF", interval("min_dcf", 3)),
        (f"{summary['act_dcf']:.4f}", "actual DCF", interval("act_dcf", 3)),
        (f"{summary['cllr_bits']:.4f}", "Cllr, bits", interval("cllr_bits", 3)),
        (f"{summary['min_cllr_bits']:.4f}", "min Cllr, bits", "after ideal calibration"),
    ]
    for year in ("2019", "2021"):
        if summary[f"min_tdcf_{year}"] is not None and summary["format"] in (
            f"asvspoof{year}",
            "csv",
        ):
            cards.append(
                (
                    f"{summary[f'min_tdcf_{year}']:.4f}",
                    f"min t-DCF {year}",
                    "with the ASV scores given",
                )
            )
    return "".join(
        f'<div class="number"><span>{name}</span><b>{value}</b><span>{more}</span></div>'
        for value, name, more in cards
    )


def _operating_points(scored: ScoredTrials, rates: ErrorRates, threshold: float) -> dict:
    """Data of the slider: counts at evenly spaced thresholds, the nearest of which is replaced by
    the reported one.
    """
    low, high = score_range(scored.bonafide(), scored.spoof(), threshold)
    thresholds = np.linspace(low, high, STEPS + 1)
    thresholds[np.argmin(np.abs(thresholds - threshold))] = threshold
    points = [rates.at(value) for value in thresholds]
    return {
        "thresholds": thresholds.tolist(),
        "misses": [miss for miss, _ in points],
        "false_alarms": [alarm for _, alarm in points],
        "n_bonafide": rates.n_bonafide,
        "n_spoof": rates.n_spoof,
    }


def _operating(scored: ScoredTrials, data: dict, at: dict) -> str:
    thresholds = np.array(data["thresholds"])

    def step(value):
        return int(np.argmin(np.abs(thresholds - value)))

    start = step(at["threshold"])
    presets = [(f"as reported ({at['chosen']})", start)]
    if thresholds[0] <= BAYES_THRESHOLD_LLR <= thresholds[-1]:
        presets.append(("Bayes, for true LLRs", step(BAYES_THRESHOLD_LLR)))
    buttons = " ".join(f'<button data-step="{place}">{name}</button>' for name, place in presets)
    rates = "".join(
        f'<div class="number"><span>{name}</span><b '
        f'id="{name.lower()}">{_percent(at[name.lower()])}</b></div>'
        for name in ("Accuracy", "Precision", "Recall", "F1")
    )
    return f"""<section class="card"><h2>Where to draw the line</h2>
<p class="muted">Scores below the threshold are called fake.
Move it and see who is caught and who is wronged.
<span class="spoof key">&#9632; synthetic</span> <span class="bonafide key">&#9632; real</span></p>
{_histogram(scored, data, start)}
<input type="range" id="threshold" min="0" max="{STEPS}" value="{start}" aria-label="threshold">
<p>Threshold <b id="shown">{at["threshold"]:.4g}</b> &nbsp; {buttons}</p>
<div class="figures"><div class="confusion">
<div class="head"></div><div class="head">called fake</div><div class="head">called real</div>
<div class="head">is fake</div>
<div class="right"><b id="caught">{at["spoof_called_spoof"]}</b>caught</div>
<div class="wrong"><b id="passed">{at["spoof_called_bonafide"]}</b>missed</div>
<div class="head">is real</div>
<div class="wrong"><b id="flagged">{at["bonafide_called_spoof"]}</b>wronged</div>
<div class="right"><b id="believed">{at["bonafide_called_bonafide"]}</b>believed</div></div>
<div class="numbers rates">{rates}</div></div>
<p><small>Precision, recall and F1 take spoof as the positive class,
at this list's own share of fakes.</small></p>
</section>"""


def _histogram(scored: ScoredTrials, data: dict, start: int) -> str:
    edges = np.linspace(data["thresholds"][0], data["thresholds"][-1], 81)
    shares = [
        np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0] / len(scores)
        for scores in (scored.spoof(), scored.bonafide())
    ]
    top = max(share.max() for share in shares)
    bars = "".join(
        f'<rect x="{7.5 * i:.1f}" y="{180 * (1 - value / top):.1f}" width="7" '
        f'height="{180 * value / top:.1f}" fill="var({colour})" fill-opacity=".55"/>'
        for share, colour in zip(shares, ("--spoof", "--bonafide"), strict=True)
        for i, value in enumerate(share)
        if value
    )
    x = 600 * start / STEPS
    return (
        '<svg viewBox="0 0 600 182" preserveAspectRatio="none" style="height:200px" role="img" '
        f'aria-label="scores of both classes">{bars}<line id="line" x1="{x}" x2="{x}" y1="0" '
        'y2="182" stroke="var(--accent)" stroke-width="2"/></svg>'
    )


def _reliability(figure: str, summary: dict) -> str:
    loss = summary["cllr_bits"] - summary["min_cllr_bits"]
    return f"""<section class="card"><h2>Do the numbers mean what they say?</h2>
<div class="figures">{figure}
<div><p>On the dotted line, 70 % means that seven of ten are fake. Larger dots hold more clips.</p>
<p>Cllr is {summary["cllr_bits"]:.3f} bits, of which {loss:.3f} are lost to calibration alone: the
scores' order would allow {summary["min_cllr_bits"]:.3f}. A detector that knows nothing has
1.</p></div></div></section>"""


def _groups(summary: dict) -> str:
    sections = []
    if summary["per_attack"]:
        sections.append(_table("attack", summary["per_attack"]))
    for name, groups in summary["per_condition"].items():
        sections.append(_table(name, groups))
    return "".join(sections)


def _table(name: str, groups: dict[str, dict]) -> str:
    """Groups from worst to best; those beyond the first rows are folded."""
    columns = {key: title for key, title in COLUMNS.items() if key in next(iter(groups.values()))}
    ranked = sorted(
        groups.items(),
        key=lambda item: -1 if item[1]["eer_percent"] is None else item[1]["eer_percent"],
        reverse=True,
    )
    most = max((group["eer_percent"] or 0 for group in groups.values()), default=0) or 1
    head = "".join(f'<th class="n">{title}</th>' for title in columns.values())
    head = f'<tr><th>{escape(name)}</th><th class="n">EER %</th><th></th>{head}</tr>'
    rows = []
    for value, group in ranked:
        cells = "".join(f'<td class="n">{_cell(group[key])}</td>' for key in columns)
        width = 100 * (group["eer_percent"] or 0) / most
        rows.append(
            f'<tr><td class="name">{escape(value)}</td><td '
            f'class="n">{_cell(group["eer_percent"])}</td><td><div class="bar"><i '
            f'style="width:{width:.1f}%"></i></div></td>{cells}</tr>'
        )
    shown, folded = "".join(rows[:FIRST_ROWS]), "".join(rows[FIRST_ROWS:])
    more = ""
    if folded:
        more = (
            f"<details><summary>{len(rows) - FIRST_ROWS} more</summary><div "
            f'class="scroll"><table>{head}{folded}'
            "</table></div></details>"
        )
    title = escape(name.replace("_", " "))
    return (
        f'<section class="card"><h2>By {title}</h2><div '
        f'class="scroll"><table>{head}{shown}</table></div>{more}'
        "</section>"
    )


def _errors(scored: ScoredTrials, threshold: float, player: Callable[[str], str | None]) -> str:
    trials = scored.trials
    margin = np.where(trials.is_spoof, scored.scores - threshold, threshold - scored.scores)
    wrong = np.where(trials.is_spoof, scored.scores >= threshold, scored.scores < threshold)
    worst = [i for i in np.argsort(-margin, kind="stable")[:WORST] if wrong[i]]
    if not worst:
        return '<section class="card"><h2>Worst errors</h2><p>None at this threshold.</p></section>'
    rows = []
    for i in worst:
        sound = player(trials.utts[i])
        kind = "spoof" if trials.is_spoof[i] else "bonafide"
        label = f"fake, {trials.attacks[i]}" if trials.is_spoof[i] else "real"
        rows.append(
            f'<tr><td class="name">{escape(trials.utts[i])}</td><td '
            f'class="{kind}">{escape(label)}</td><td '
            f'class="name">{escape(trials.speakers[i])}</td><td '
            f'class="n">{scored.scores[i]:.3f}</td><td>'
            + (f'<audio controls preload="none" src="{sound}"></audio>' if sound else "")
            + "</td></tr>"
        )
    return (
        f'<section class="card"><h2>The worst {len(rows)} errors</h2><p class="muted">Farthest on '
        "the wrong side "
        'of the threshold: listen before you trust a number.</p><div class="scroll"><table '
        'class="worst"><tr>'
        '<th>clip</th><th>is</th><th>speaker</th><th class="n">score</th><th></th></tr>'
        f"{''.join(rows)}</table></div></section>"
    )


def _legend(summary: dict) -> str:
    unit = summary["bootstrap"]["unit"]
    why = (
        "whole speakers are drawn, because clips of one voice resemble each other"
        if unit == "speaker"
        else "no speakers are known, so single clips are drawn and the intervals may be too narrow"
    )
    return f"""<p>Scores are natural-log likelihood ratios, higher = a real voice. <b>Equal error
rate</b>: both errors at the threshold where they are equal; chosen with this list's own labels.
<b>min DCF</b> weighs the errors as ASVspoof 5 does (5 % spoof, a missed fake ten times as dear) at
the best threshold, <b>actual DCF</b> at the threshold {BAYES_THRESHOLD_LLR:.3f} that true LLRs
would need. <b>Cllr</b> is the cost of the scores as probabilities, in bits.
</p>
<p>Bootstrap: {why}. Tied scores move together. An attack is compared with all real clips, any other
group with the real clips of its own. Everything here is in metrics.json; the figures lie beside
this page as PNG and SVG.</p>"""


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
