"""The answers of the HTTP API, as described in its OpenAPI. A number that was not measured
is null.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from radd.types import Verdict
from storage.review import Label

P_SPOOF = Field(
    ge=0,
    le=1,
    description="probability of a synthetic voice, at the configured prior; null: not measured",
)
LLR = Field(description="natural-log likelihood ratio, higher = bona fide; null if not measured")
REFERENCE: JsonDict = {"id": "a1b2c3", "label": "spoof", "system": "flite", "similarity": 0.83}


class Problem(BaseModel):
    """RFC 9457, media type application/problem+json."""

    type: str
    title: str
    status: int
    detail: str = Field(description="what was found, what was expected, what to do")

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "recording is empty (0 bytes); expected an audio file",
            }
        }
    )


class NeighbourAnswer(BaseModel):
    """A known voice that resembles the audio."""

    id: str
    label: str = Field(description="bonafide or spoof")
    system: str = Field(description="synthesis system; - for a person")
    similarity: float = Field(description="cosine, -1 to 1, higher = closer")


class Segment(BaseModel):
    """One second; the last one may be shorter."""

    start: float
    end: float
    p_spoof: float | None = P_SPOOF
    verdict: Verdict


class Span(BaseModel):
    """Where detect.py raises an alert, in seconds."""

    began: float
    ended: float
    peak_p_spoof: float


class Prediction(BaseModel):
    """The result for one recording."""

    verdict: Verdict
    headline: str = Field(description="the finding, in a word or two")
    confidence: str = Field(description="its interpretation, in sentences")
    reason: str | None = Field(description="why nothing could be measured; null if something was")
    llr: float | None = LLR
    moved_llr: float | None = Field(
        description="how far recordings that people confirmed have moved llr, in nats, higher = "
        "towards bona fide; null: not measured"
    )
    p_spoof: float | None = P_SPOOF
    duration_s: float
    segments: list[Segment] = Field(description="one per second, in order, without gaps")
    alerts: list[Span] = Field(description="sustained evidence, anywhere in the recording")
    neighbours: list[NeighbourAnswer] = Field(
        description="closest known voices at the clearest score"
    )
    model: str
    sha256: str = Field(description="of the file, in hexadecimal digits")
    judged_utc: datetime
    warnings: list[str] = Field(description="problem of the file, although it could be scored")
    limits: list[str] = Field(description="limits of this program and of the model that was used")

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "verdict": "spoof",
                "headline": "Synthetic",
                "confidence": (
                    "Over the whole recording there is moderate evidence for a synthetic voice: "
                    "this "
                    "sound is about 22 times as likely from a synthetic voice as from a person. "
                    "It is "
                    "a reason to look, not a proof."
                ),
                "reason": None,
                "llr": -3.1,
                "moved_llr": 0.0,
                "p_spoof": 0.957,
                "duration_s": 2.0,
                "segments": [
                    {"start": 0.0, "end": 1.0, "p_spoof": 0.94, "verdict": "spoof"},
                    {"start": 1.0, "end": 2.0, "p_spoof": 0.97, "verdict": "spoof"},
                ],
                "alerts": [],
                "neighbours": [REFERENCE],
                "model": "radd ca0f0ea2a71b",
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "judged_utc": "2026-05-03T14:02:11Z",
                "warnings": [],
                "limits": [
                    "A second without a number could not be measured; it is evidence for "
                    "neither side."
                ],
            }
        }
    )


class BatchItem(BaseModel):
    """One file of a batch: a prediction or a problem."""

    file: str = Field(description="file name as sent")
    prediction: Prediction | None
    problem: Problem | None


class BatchAnswer(BaseModel):
    """Results of several files."""

    results: list[BatchItem] = Field(description="in the order of the files")


class ClipRow(BaseModel):
    """An alert, or a sample of speech without an alert, with its audio."""

    id: str
    stream_id: str
    source: str = Field(description="name of the source")
    host: str
    state: str = Field(description="open, close, interrupted (its daemon was killed), or sample")
    review: str = Field(
        description="state of review: pending, fake, real, unsure, conflict or expired"
    )
    informative: float = Field(description="how much a label would teach, 0 to 1")
    began_utc: datetime
    ended_utc: datetime | None
    duration_s: float = Field(description="length of the stored audio")
    peak_p_spoof: float | None
    min_llr: float | None
    verdict: Verdict | None = Field(description="on the lowest llr; null: not measured")
    gaps: int
    bundle: str
    sound: str = Field(description="stored, or evicted: only this row is left")


class ClipPage(BaseModel):
    """A page of clips."""

    clips: list[ClipRow]
    next: str | None = Field(description="pass it as `after` for the next page; null on the last")


class OpenAlert(BaseModel):
    """An alert that is open now."""

    id: str
    stream_id: str
    source: str = Field(description="name of the source")
    call_id: str | None = Field(description="null if the stream is no track of a call")
    track: str | None
    host: str
    began_utc: datetime
    peak_p_spoof: float | None


class OpenAlerts(BaseModel):
    """The open alerts of running streams, the latest first."""

    alerts: list[OpenAlert]


class LastMinutes(BaseModel):
    """The last ten minutes of a stream."""

    heard: list[tuple[int, Verdict, float | None, float]] = Field(
        description="second, verdict, p_spoof or null, level in dBFS"
    )


class StreamRow(BaseModel):
    """A stream in a time span."""

    id: str
    state: str = Field(description="running, ended, or interrupted: its daemon was killed")
    source: str = Field(description="name of the source")
    call_id: str | None = Field(description="null if the stream is no track of a call")
    track: str | None
    host: str
    device: str | None
    bundle: str
    started_utc: datetime
    ended_utc: datetime | None
    alerts: int = Field(description="that began in the time span")
    pending: int = Field(description="of these, alerts that wait for review")


class StreamPage(BaseModel):
    """Streams of a time span, the latest start first."""

    streams: list[StreamRow]


class LabelRow(BaseModel):
    """One label of the history."""

    label: str
    reviewer: str
    reason: str
    labelled_utc: datetime


class Answer(BaseModel):
    """A person's label."""

    label: Label
    reviewer: str = Field(
        "",
        max_length=200,
        description="name of the reviewer; if the token has a name, that name counts",
    )
    reason: str = Field("", max_length=10_000)

    model_config = ConfigDict(
        json_schema_extra={"example": {"label": "fake", "reviewer": "Ada", "reason": "no breath"}}
    )


class Outcome(BaseModel):
    """The effect of a label."""

    review: str = Field(description="resulting state of review")


class Known(NeighbourAnswer):
    """A neighbour and, if its own audio is stored, the clip to play."""

    clip: str | None = Field(description="id for /v1/clips")


class TracePoint(BaseModel):
    """One score inside a clip."""

    t: float = Field(description="seconds into the clip, end of the scored window")
    llr: float | None = LLR
    p_spoof: float | None = P_SPOOF
    verdict: Verdict | None = Field(description="null: not measured")


class ClipDetails(BaseModel):
    """A clip with its evidence, labels and index entries."""

    clip: ClipRow
    began: float = Field(description="seconds into the clip at which the evidence begins")
    trace: list[TracePoint]
    neighbours: list[Known]
    labels: list[LabelRow] = Field(description="all labels, in the order in which they were given")
    blocks_in_index: int = Field(description="number of its blocks in this model's index")


class Model(BaseModel):
    """The bundle used by this console."""

    name: str
    version: str
    training: dict[str, Any]
    metrics: dict[str, Any]
    calibration: dict[str, Any]
    encoder_id: str | None = Field(description="null: the bundle has no index")
    references: int = Field(description="known voices in the bundle's own index")
    reviews: dict[str, int] = Field(description="stored clips by state of review")
    card: str = Field(description="Markdown")
    limits: list[str] = Field(description="limits of this program and of this model")


class GateRow(BaseModel):
    """One comparison of a candidate with the model in use, lower = better."""

    name: str
    champion: float | None
    candidate: float | None
    interval: tuple[float | None, float | None] = Field(
        description="candidate minus champion, 95 %"
    )
    passed: bool


class DecisionRow(BaseModel):
    """A bundle was promoted, rolled back or refused."""

    id: str
    action: str = Field(
        description="promote, rollback, refuse, shadow: it scores in shadow mode first; enrol or "
        "undo_enrolment: of a line or an own voice"
    )
    model: str = Field(description="directory of the bundle")
    version: str
    before: str = Field(description="directory of the bundle in use until then")
    reason: str = Field(description="who decided, and why")
    decided_utc: datetime
    gates: list[GateRow] = Field(
        description="numbers behind the decision; empty if a person decided"
    )


class Retraining(BaseModel):
    """An attempt to make a better model from labels."""

    id: str
    state: str = Field(
        description=(
            "running, shadow: it passed all gates and scores in shadow "
            "mode, promoted, refused, failed, not_due, or interrupted: it was killed"
        )
    )
    step: str = Field(description="progress: due, clips, fit, prove, shadow, promote")
    why: str
    champion: str = Field(description="directory of the bundle in use when it began")
    candidate: str = Field(description="directory of the new bundle; empty until there is one")
    began_utc: datetime
    ended_utc: datetime | None
    outcome: str | None = Field(description="in a sentence")
    report: str | None = Field(description="Markdown")
    gates: list[GateRow]


class Bundle(BaseModel):
    """A model bundle."""

    directory: str
    name: str | None
    version: str | None
    in_use: bool
    since: date = Field(description="modification date of its file")
    size_mb: float
    problem: str | None = Field(description="why it does not load; null: every hash matches")
    learned: dict[str, Any] | None = Field(
        description="clips, hours and synthesis systems of its training data"
    )
    metrics: dict[str, Any]
    calibration: dict[str, Any] | None
    warning: str | None = Field(
        description="what speaks against promoting it: a higher equal error rate than that of the "
        "bundle in use, that it was not measured, or that it is another kind of model"
    )


class Waiting(BaseModel):
    """Labels that have not been used for training."""

    new: int = Field(description="agreed clips that no retraining has used")
    needed: int = Field(description="number that starts a retraining")
    left_out: list[str] = Field(description="excluded clips and reasons, in words")
    reviews: dict[str, int] = Field(description="stored clips by state of review")


class RunningBundle(BaseModel):
    """The running streams of a machine that one bundle judges."""

    host: str
    bundle: str = Field(description="name and version")
    streams: int


class Models(BaseModel):
    """The bundles and the decisions about them; decisions and retrainings newest first."""

    in_use: str | None = Field(
        description="directory of the bundle in use; null: the file that names it is broken"
    )
    judging: str = Field(description="name and version of the bundle that this console uses now")
    follows: bool = Field(description="whether this console follows promotions")
    switch_s: float = Field(
        description="seconds within which console and daemons switch to a promoted bundle; "
        "0: at their next start"
    )
    processes: list[RunningBundle] = Field(description="what judges the running streams")
    cannot_retrain: str | None = Field(
        description="what retraining lacks on this machine; null: nothing"
    )
    bundles: list[Bundle]
    labels: Waiting
    decisions: list[DecisionRow]
    retrainings: list[Retraining]


class Wish(BaseModel):
    """Who requests an action, and why; the history records both."""

    person: str = Field(min_length=1, max_length=200, pattern=r"\S")
    reason: str = Field("", max_length=5_000)

    model_config = ConfigDict(
        json_schema_extra={"example": {"person": "Ada", "reason": "forty new labels"}}
    )


class Choice(Wish):
    """Who chooses a bundle, and why."""

    instead_of: str | None = Field(
        None,
        max_length=200,
        description="directory of the bundle believed to be in "
        "use; if another one is, nothing is done",
    )

    model_config = ConfigDict(
        json_schema_extra={"example": {"person": "Ada", "reason": "", "instead_of": "default"}}
    )


class InUse(BaseModel):
    """The bundle in use from now on; daemons switch within [model] overlay_s seconds."""

    in_use: str | None
    model: str = Field(description="its name and version")


class Reviewer(BaseModel):
    """Somebody who labels."""

    name: str = Field(
        description="in small letters; `imported: ` stands before names from elsewhere"
    )
    labels: dict[str, int] = Field(
        description="clips by this one's latest label; overruled: they stand as the opposite"
    )


class Given(BaseModel):
    """One thing that a reviewer did."""

    id: str = Field(description="of a clip, of a recording in the index, or of a reference")
    label: str
    reviewer: str
    reason: str
    given_utc: datetime


class ReviewerWork(BaseModel):
    """Everything that one reviewer did, oldest first."""

    labels: list[Given]
    added: list[Given] = Field(description="recordings that were added to the index by hand")
    removed: list[Given] = Field(description="references of the bundle that were hidden")


class EnrolRun(BaseModel):
    """The last enrolment that was asked for here."""

    state: Literal["running", "done", "refused"]
    lines: list[str] = Field(description="what changed, or why nothing did, in words")
    began_utc: datetime


class EnrolmentRow(BaseModel):
    """Recordings that were enrolled together."""

    id: str
    kind: Literal["line", "own_voice"]
    admin: str
    reason: str
    began_utc: datetime
    in_effect: bool = Field(description="false for a line that a newer one replaces")
    recordings: int
    with_audio: int = Field(description="recordings whose audio is kept for another bundle")
    bundles: list[str] = Field(description="measured with; an own voice with encoders")
    offset_llr: float | None = Field(description="nats, higher = to bona fide; of lines alone")


class EnrolmentAnswer(BaseModel):
    """Everything that is enrolled, and the last run."""

    run: EnrolRun | None
    enrolments: list[EnrolmentRow]


class EnrolmentUndo(BaseModel):
    """Which enrolment is deleted."""

    id: str = Field(pattern="^[0-9a-f-]{36}$")
    person: str = Field("", max_length=200, description="who; a token's name goes before it")


class UndoWish(Wish):
    """Whose work is taken back, by whom, and why."""

    reviewer: str = Field(min_length=1, max_length=200)

    model_config = ConfigDict(
        json_schema_extra={"example": {"reviewer": "ann", "person": "Ada", "reason": "a mistake"}}
    )


class Undone(BaseModel):
    """What was taken back."""

    labels: int
    added: int
    removed: int


class UploadMade(BaseModel):
    """What became of an upload."""

    id: str = Field(description="for /v1/clips")
    review: str = Field(description="state of review; pending: other reviewers must agree")


class Upload(BaseModel):
    """A recording that somebody added with a label."""

    id: str = Field(description="for /v1/clips")
    file: str
    source: str = Field(description="where it comes from")
    licence: str = Field(description="or who allowed its use")
    uploaded_by: str
    uploaded_utc: datetime
    review: str = Field(description="state of review")
    duration_s: float


class UploadPage(BaseModel):
    """The newest uploads first."""

    uploads: list[Upload]


class Removed(BaseModel):
    """The numbers of what was deleted for good."""

    alerts: int
    clips: int
    labels: int
    index_entries: int


class DriftDay(BaseModel):
    """Drift of one source on one day."""

    day: date
    seconds: int = Field(description="of speech that was compared")
    distance: float = Field(description="1 - cosine to the nearest known voice, mean")
    is_drift: bool = Field(description="beyond the bound")


class DriftSource(BaseModel):
    """The days of one source, oldest first; days without speech are omitted."""

    source: str
    days: list[DriftDay]


class DriftAnswer(BaseModel):
    """Distance of recent audio from all known voices."""

    first: date
    last: date
    usual: float | None = Field(
        description="median distance of the bundle's own clips; null if unknown"
    )
    bound: float | None = Field(description="drift threshold: usual times [retrain] drift_factor")
    sources: list[DriftSource]


class Token(BaseModel):
    """A token for logging in."""

    token: str = Field(max_length=1000)


class Session(BaseModel):
    """The permissions of this browser."""

    role: str | None = Field(description="viewer, reviewer or admin; null: a token is needed first")
    token_needed: bool = Field(description="whether this console has tokens at all")
    reviewer: str | None = Field(
        description="name stored with this client's labels; null: the name sent with each label"
    )


class Health(BaseModel):
    """The process responds."""

    status: str


class Ready(BaseModel):
    """Whether everything needed is available."""

    ready: bool
    model: str | None = Field(description="null without a token")
    database: str | None = Field(description="ok, or the problem; null without a token")


class CommandAnswer(BaseModel):
    """A command that the daemon of a stream will carry out."""

    id: str
    stream: str = Field(description="id of the stream")
    action: Literal["pause", "resume", "stop"]
