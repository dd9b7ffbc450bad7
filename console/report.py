"""A result as a PDF, for a file or a court: what was examined, what was found, and its limits."""

from __future__ import annotations

from typing import Any

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import TTFFont

from console.report_text import VERDICTS
from console.schemas import Prediction, Segment
from radd.resources import resource
from radd.types import Verdict
from radd.wording import clock, percent

FONT = resource("assets/DejaVuSans.ttf")
INK, MUTED, LINE, NONE = (26, 34, 48), (88, 100, 116), (200, 206, 214), (138, 148, 161)
COLOURS = {
    Verdict.BONAFIDE: (11, 116, 128),
    Verdict.SUSPECT: (154, 99, 0),
    Verdict.SPOOF: (194, 47, 61),
}
PAGE_MM, MARGIN_MM, PLOT_MM = 210, 18, 30
WIDTH_MM = PAGE_MM - 2 * MARGIN_MM
COLUMNS, ROW_MM = 3, 4.2
MOST_BARS = 600  # longer recordings combine several seconds per bar


class Paper(FPDF):
    """A4 with page number and the recording's digest in the footer."""

    def __init__(self, digest: str):
        super().__init__()
        self._digest = digest
        self.add_font("text", fname=FONT)
        fonts = [font for font in self.fonts.values() if isinstance(font, TTFFont)]
        self._known = {code for font in fonts for code in font.cmap}
        self.set_margin(MARGIN_MM)
        self.set_auto_page_break(True, MARGIN_MM + 6)

    def footer(self) -> None:
        """Print page number and digest."""
        self.set_y(-MARGIN_MM)
        self.write_in(8, MUTED)
        self.cell(
            0,
            4,
            f"RADD, report on SHA-256 {self._digest}, page {self.page_no()} of {{nb}}",
            align="C",
        )

    def write_in(self, size: float, colour: tuple[int, int, int] = INK) -> None:
        """Set font size and colour."""
        self.set_font("text", size=size)
        self.set_text_color(*colour)

    def say(
        self, text: str, size: float = 10, colour: tuple[int, int, int] = INK, indent: float = 0
    ) -> None:
        """Add a paragraph. It stays on one page."""
        self.write_in(size, colour)
        width, line, words = WIDTH_MM - indent, size * 0.53, self.printable(text)
        lines = self.multi_cell(width, line, words, align="L", dry_run=True, output="LINES")
        if isinstance(lines, list) and self.will_page_break(line * len(lines)):
            self.add_page()
            self.write_in(size, colour)
        self.set_x(MARGIN_MM + indent)
        self.multi_cell(width, line, words, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def head(self, text: str) -> None:
        """Add a heading."""
        self.ln(4)
        if self.will_page_break(24):
            self.add_page()
        self.say(text, 13)
        self.ln(1)

    def printable(self, text: str) -> str:
        """The text, with invisible characters and those missing in the font replaced by their code
        points.
        """
        return "".join(
            c if c.isprintable() and ord(c) in self._known else f"<U+{ord(c):04X}>" for c in text
        )


def report(name: str, prediction: Prediction, metrics: dict[str, Any]) -> bytes:
    """The PDF about the recording `name`; `metrics` are those of the model that scored it."""
    paper = Paper(prediction.sha256)
    paper.set_title(f"RADD: {paper.printable(name)}")
    paper.set_lang("en")
    paper.set_creation_date(prediction.judged_utc)
    paper.add_page()
    paper.say("Report on a recording", 18)
    paper.say("Made by RADD, which estimates whether a voice is a person or synthetic.", 9, MUTED)
    paper.ln(3)
    closest = prediction.neighbours[0] if prediction.neighbours else None
    spans = ", ".join(
        f"{clock(span.began)} to {clock(span.ended)} (at most {percent(span.peak_p_spoof)})"
        for span in prediction.alerts
    )
    _facts(
        paper,
        {
            "file": name,
            "SHA-256": prediction.sha256,
            "length": f"{prediction.duration_s:.3f} s ({clock(prediction.duration_s)})",
            "judged": f"{prediction.judged_utc:%Y-%m-%d %H:%M:%S} UTC",
            "model": prediction.model,
            "synthetic": f"{percent(prediction.p_spoof)}, whole recording",
            "log ratio": "–"
            if prediction.llr is None
            else f"{prediction.llr:.3f} (natural logarithm, higher = bona fide)",
            "alerts": spans or "none",
            "closest known": "–"
            if closest is None
            else f"{'a person' if closest.label == 'bonafide' else closest.system}, "
            f"similarity {closest.similarity:.2f}",
        },
    )
    paper.head("What was found")
    paper.say(prediction.headline, 15, COLOURS.get(_kind(prediction), MUTED))
    paper.say(prediction.confidence)
    for warning in prediction.warnings:
        paper.say(f"About the file: {warning}")
    paper.head("Second by second")
    _timeline(paper, prediction)
    paper.head("What this does not say")
    for text in prediction.limits:
        paper.say(f"– {text}", 9, indent=2)
    if metrics:
        paper.head("Accuracy of this model on recordings with known answers")
        for run, values in metrics.items():
            paper.say(f"– {run}: {_measured(values)}", 9, indent=2)
    paper.head("Every second")
    _table(paper, prediction.segments)
    return bytes(paper.output())


def _kind(prediction: Prediction) -> Verdict:
    return Verdict.SPOOF if prediction.headline == "Partly synthetic" else prediction.verdict


def _facts(paper: Paper, facts: dict[str, str]) -> None:
    for name, value in facts.items():
        paper.write_in(10, MUTED)
        paper.cell(32, 5.3, name)
        paper.say(value, 10, indent=32)


def _measured(values: dict[str, Any]) -> str:
    """A few metrics of a run, with their data."""
    told = []
    if values.get("eer_percent") is not None:
        low, high = values.get("eer_percent_ci95") or (None, None)
        interval = "" if low is None else f" (95 % interval {low:.1f} to {high:.1f})"
        told.append(
            f"equal error rate {values['eer_percent']:.1f} %{interval} on {values['n_bonafide']} "
            f"clips of people and {values['n_spoof']} synthetic ones"
        )
    if values.get("missed_percent") is not None:
        told.append(
            f"{values['missed_percent']:.0f} % of {values['n_fakes']} synthetic voices missed, "
            f"{values['false_alarms']} false alarms in {values['hours_real']:.2f} h of people"
        )
    return "; ".join(told) or "see the model's card"


def _timeline(paper: Paper, prediction: Prediction) -> None:
    """Bars as high as the probability of a synthetic voice; a grey stub if nothing was measured."""
    if paper.will_page_break(PLOT_MM + 12):
        paper.add_page()
    top, left, duration = paper.get_y() + 1, MARGIN_MM, max(prediction.duration_s, 1.0)
    paper.set_draw_color(*LINE)
    for p in (0, 0.5, 1):
        y = top + PLOT_MM * (1 - p)
        paper.line(left, y, left + WIDTH_MM, y)
    paper.set_fill_color(250, 226, 228)
    for span in prediction.alerts:
        paper.rect(
            left + WIDTH_MM * span.began / duration,
            top,
            WIDTH_MM * (span.ended - span.began) / duration,
            PLOT_MM,
            "F",
        )
    for bar in _bars(prediction.segments):
        height = 0.8 if bar.p_spoof is None else max(0.8, PLOT_MM * bar.p_spoof)
        paper.set_fill_color(*COLOURS.get(bar.verdict, NONE))
        x, width = (
            left + WIDTH_MM * bar.start / duration,
            WIDTH_MM * (bar.end - bar.start) / duration,
        )
        paper.rect(
            x, top + PLOT_MM - height, max(0.15, width - min(0.4, 0.15 * width)), height, "F"
        )
    paper.set_xy(left, top + PLOT_MM + 1)
    paper.write_in(8, MUTED)
    paper.cell(WIDTH_MM / 2, 4, "0:00")
    paper.cell(
        WIDTH_MM / 2,
        4,
        clock(prediction.duration_s),
        align="R",
        new_x=XPos.LMARGIN,
        new_y=YPos.NEXT,
    )
    paper.say(
        "Height: probability of a synthetic voice, from 0 to 1. Teal: a person; brown: suspect; "
        "red: synthetic; a low grey bar: nothing could be measured; pink behind: an alert.",
        8,
        MUTED,
    )


def _bars(segments: list[Segment]) -> list[Segment]:
    """The segments; for a long recording the most suspicious one per bar."""
    each = -(-len(segments) // MOST_BARS)
    groups = [segments[at : at + each] for at in range(0, len(segments), each)]
    return [
        max(group, key=lambda one: -1 if one.p_spoof is None else one.p_spoof).model_copy(
            update={"start": group[0].start, "end": group[-1].end}
        )
        for group in groups
    ]


def _table(paper: Paper, segments: list[Segment]) -> None:
    """In columns, read from top to bottom."""
    width, left = WIDTH_MM / COLUMNS, segments
    while left:
        room = int((paper.page_break_trigger - paper.get_y()) // ROW_MM)
        if room < 1:
            paper.add_page()
            continue
        top, rows = paper.get_y(), min(room, -(-len(left) // COLUMNS))
        for i, one in enumerate(left[: COLUMNS * rows]):
            paper.set_xy(MARGIN_MM + i // rows * width, top + i % rows * ROW_MM)
            paper.write_in(8, COLOURS.get(one.verdict, MUTED))
            paper.cell(
                width,
                ROW_MM,
                f"{clock(one.start)}  {VERDICTS[one.verdict]}  {percent(one.p_spoof)}",
            )
        left = left[COLUMNS * rows :]
        paper.set_xy(MARGIN_MM, top + rows * ROW_MM)
