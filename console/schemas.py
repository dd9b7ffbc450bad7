"""What the HTTP API answers, as OpenAPI describes it. A number that was not measured is null."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from radd.types import Verdict
from storage.review import Label

P_SPOOF = Field(
    ge=0,
    le=1,
    description="probability of a synthetic voice, at the configured prior; null: not measured",
)
LLR = Field(description="natural-log likelihood ratio, higher = a person; null if not measured")
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
                "detail": "recording is empty (0 bytes); expected a file of sound",
            }
        }
    )


class Neighbour(BaseModel):
    """A known voice that is close to what was heard."""

    id: str
    label: str = Field(description="bonafide or spoof")
    system: str = Field(description="what synthesised it; - for a person")
    similarity: float = Field(description="cosine, -1 to 1, higher = closer")


class Segment(BaseModel):
    """One second, the last one perhaps shorter."""

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
    """The judgement of one recording."""

    verdict: Verdict
    headline: str = Field(description="what was found, in a word or two")
    confidence: str = Field(description="what to make of it, in sentences")
    reason: str | None = Field(
        description="why nothing could be measured; null where something was"
    )
    llr: float | None = LLR
    p_spoof: float | None = P_SPOOF
    duration_s: float
    segments: list[Segment] = Field(description="one a second, in order, without gaps")
    alerts: list[Span] = Field(description="evidence that lasted, wherever in the recording it is")
    neighbours: list[Neighbour] = Field(
        description="closest known voices where the verdict is clearest"
    )
    model: str
    sha256: str = Field(description="of the file, in hexadecimal digits")
    judged_utc: datetime
    warnings: list[str] = Field(
        description="what is wrong with the file, though it could be judged"
    )
    limits: list[str] = Field(
        description="what this program cannot say, and what the model that judged cannot do"
    )

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
                    "A second without a number is a second in which nothing could be measured; it "
                    "speaks for neither."
                ],
            }
        }
    )


class BatchItem(BaseModel):
    """One file of many: a prediction or a problem."""

    file: str = Field(description="its name as it was sent")
    prediction: Prediction | None
    problem: Problem | None


class Batch(BaseModel):
    results: list[BatchItem] = Field(description="in the order of the files")


class Clip(BaseModel):
    """An alert, or a sample of speech that raised none, with its sound."""

    id: str
    stream_id: str
    source: str = Field(description="what was listened to")
    host: str
    state: str = Field(description="open, close, interrupted (its daemon was killed), or sample")
    review: str = Field(
        description="what people have said of it: pending, fake, real, unsure, conflict or expired"
    )
    informative: float = Field(description="how much a label would teach, 0 to 1")
    began_utc: datetime
    ended_utc: datetime | None
    duration_s: float = Field(description="of the sound that is kept")
    peak_p_spoof: float | None
    min_llr: float | None
    gaps: int
    bundle: str
    sound: str = Field(description="stored, or evicted: only this row is left")


class ClipPage(BaseModel):
    clips: list[Clip]
    next: str | None = Field(description="give it as `after` for the next page; null on the last")


class Said(BaseModel):
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
        description="who says so; where the token has a name of its own, that name counts",
    )
    reason: str = Field("", max_length=10_000)

    model_config = ConfigDict(
        json_schema_extra={"example": {"label": "fake", "reviewer": "Ada", "reason": "no breath"}}
    )


class Outcome(BaseModel):
    """What a label did."""

    review: str = Field(description="what all labels of the clip come to now")


class Known(Neighbour):
    """A neighbour and, where its own sound is here, the clip to play."""

    clip: str | None = Field(description="id for /v1/clips")


class TracePoint(BaseModel):
    """One score inside a clip."""

    t: float = Field(description="seconds into the clip, the end of the window that was judged")
    llr: float | None = LLR
    p_spoof: float | None = P_SPOOF


class ClipDetails(BaseModel):
    """A clip with its evidence, and what people and the index make of it."""

    clip: Clip
    began: float = Field(description="seconds into the clip at which the evidence begins")
    trace: list[TracePoint]
    neighbours: list[Known]
    labels: list[Said] = Field(description="all labels, in the order in which they were given")
    blocks_in_index: int = Field(description="blocks of it that this model's index has learnt")


class Model(BaseModel):
    """The bundle that judges here."""

    name: str
    version: str
    training: dict[str, Any]
    metrics: dict[str, Any]
    calibration: dict[str, Any]
    encoder_id: str | None = Field(description="null: the bundle has no index")
    references: int = Field(description="known voices that the bundle's index came with")
    reviews: dict[str, int] = Field(description="stored clips by what people have said of them")
    card: str = Field(description="Markdown")
    limits: list[str] = Field(
        description="what this program cannot say, and what this model cannot do"
    )


class Gate(BaseModel):
    """One comparison of a candidate with the model in use, lower = better."""

    name: str
    champion: float | None
    candidate: float | None
    interval: tuple[float | None, float | None] = Field(
        description="of candidate less champion, 95 %"
    )
    passed: bool


class Decision(BaseModel):
    """A bundle was put to use, taken back or refused."""

    id: str
    action: str = Field(
        description="promote, rollback, refuse, or shadow: it judges beside the model in use first"
    )
    model: str = Field(description="directory of the bundle that it is about")
    version: str
    before: str = Field(description="directory of the bundle in use until then")
    reason: str = Field(description="who said so, and why")
    decided_utc: datetime
    gates: list[Gate] = Field(description="what it was decided on; empty where a person decided")


class Retraining(BaseModel):
    """A try to make a better model of what people have labelled."""

    id: str
    state: str = Field(
        description=(
            "running, shadow: it passed all gates and judges beside the model in use, without a "
            "voice, promoted, refused, failed, not_due, or interrupted: it was killed"
        )
    )
    step: str = Field(description="how far it came: due, clips, fit, prove, shadow, promote")
    why: str
    champion: str = Field(description="directory of the bundle in use when it began")
    candidate: str = Field(description="directory of the new bundle; empty until there is one")
    began_utc: datetime
    ended_utc: datetime | None
    outcome: str | None = Field(description="in a sentence")
    report: str | None = Field(description="Markdown")
    gates: list[Gate]


class Bundle(BaseModel):
    """A model bundle that is here."""

    directory: str
    name: str | None
    version: str | None
    in_use: bool
    since: date = Field(description="of its file here")
    size_mb: float
    problem: str | None = Field(description="why it will not load; null: every hash holds")
    learned: dict[str, Any] | None = Field(
        description="clips, hours and synthesis systems that it learned from"
    )
    metrics: dict[str, Any]
    calibration: dict[str, Any] | None


class Waiting(BaseModel):
    """Labels that wait to be learned from."""

    new: int = Field(description="clips that people have agreed on and no retraining has met")
    needed: int = Field(description="from which a retraining begins")
    left_out: list[str] = Field(description="in words, what teaches nothing and why")
    reviews: dict[str, int] = Field(description="stored clips by what people have said of them")


class Models(BaseModel):
    """The bundles, and what was decided about them; decisions and retrainings are the newest
    first.
    """

    in_use: str | None = Field(
        description="directory of the bundle in use; null: the file that names it is broken"
    )
    judging: str = Field(description="name and version of what judges in this console now")
    follows: bool = Field(description="whether this console takes over what is put to use")
    bundles: list[Bundle]
    labels: Waiting
    decisions: list[Decision]
    retrainings: list[Retraining]


class Wish(BaseModel):
    """Who wants something done, and why; both stay in the history."""

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
        description="directory of the bundle that is believed to be in "
        "use; where another one is, nothing is done",
    )

    model_config = ConfigDict(
        json_schema_extra={"example": {"person": "Ada", "reason": "", "instead_of": "default"}}
    )


class InUse(BaseModel):
    """The bundle in use from now on; what listens takes it over within [model] overlay_s."""

    in_use: str | None
    model: str = Field(description="its name and version")


class DriftDay(BaseModel):
    day: date
    seconds: int = Field(description="of speech that was compared")
    distance: float = Field(description="1 - cosine to the nearest known voice, mean")
    is_drift: bool = Field(description="beyond the bound")


class DriftSource(BaseModel):
    """The days of one source, oldest first; a day without speech is left out."""

    source: str
    days: list[DriftDay]


class Drift(BaseModel):
    """How far what is heard is from all known voices."""

    first: date
    last: date
    usual: float | None = Field(
        description="median distance of the bundle's own clips; null: it does not say"
    )
    bound: float | None = Field(
        description="beyond it is drift: usual times [retrain] drift_factor"
    )
    sources: list[DriftSource]


class Token(BaseModel):
    token: str = Field(max_length=1000)


class Session(BaseModel):
    """What this browser may do."""

    role: str | None = Field(description="viewer, reviewer or admin; null: a token is needed first")
    token_needed: bool = Field(description="whether this console has tokens at all")
    reviewer: str | None = Field(
        description="the name that this one's labels bear; null: whatever name is given with them"
    )


class Health(BaseModel):
    status: str


class Ready(BaseModel):
    ready: bool
    model: str | None = Field(description="null for whoever has no token")
    database: str | None = Field(
        description="ok, or what is wrong with it; null for whoever has no token"
    )
