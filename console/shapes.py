"""What the HTTP API answers, as OpenAPI describes it. A number that was not measured is null."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from radd.types import Verdict
from storage.review import Label

P_SPOOF = Field(ge=0, le=1, description="probability of a synthetic voice, at the configured prior; null: not measured")
LLR = Field(description="natural-log likelihood ratio, higher = a person; null if not measured")
REFERENCE = {"id": "a1b2c3", "label": "spoof", "system": "flite", "similarity": 0.83}


class Problem(BaseModel):
    """RFC 9457, media type application/problem+json."""

    type: str
    title: str
    status: int
    detail: str = Field(description="what was found, what was expected, what to do")

    model_config = ConfigDict(json_schema_extra={"example": {
        "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
        "detail": "recording is empty (0 bytes); expected a file of sound",
    }})  # fmt: skip


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
    reason: str | None = Field(description="why nothing could be measured; null where something was")
    llr: float | None = LLR
    p_spoof: float | None = P_SPOOF
    duration_s: float
    segments: list[Segment] = Field(description="one a second, in order, without gaps")
    alerts: list[Span] = Field(description="evidence that lasted, wherever in the recording it is")
    neighbours: list[Neighbour] = Field(description="closest known voices where the verdict is clearest")
    model: str
    warnings: list[str] = Field(description="what is wrong with the file, though it could be judged")

    model_config = ConfigDict(json_schema_extra={"example": {
        "verdict": "spoof", "reason": None, "llr": -3.1, "p_spoof": 0.957, "duration_s": 2.0,
        "segments": [{"start": 0.0, "end": 1.0, "p_spoof": 0.94, "verdict": "spoof"},
                     {"start": 1.0, "end": 2.0, "p_spoof": 0.97, "verdict": "spoof"}],
        "alerts": [], "neighbours": [REFERENCE], "model": "radd ca0f0ea2a71b", "warnings": [],
    }})  # fmt: skip


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
    review: str = Field(description="what people have said of it: pending, fake, real, unsure, conflict or expired")
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
    reviewer: str = Field(min_length=1, max_length=200)
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
    encoder_id: str
    references: int = Field(description="known voices that the bundle's index came with")
    reviews: dict[str, int] = Field(description="stored clips by what people have said of them")
    card: str = Field(description="Markdown")


class Token(BaseModel):
    token: str = Field(max_length=1000)


class Session(BaseModel):
    """What this browser may do."""

    role: str | None = Field(description="viewer or reviewer; null: a token is needed first")
    token_needed: bool = Field(description="whether this console has tokens at all")


class Health(BaseModel):
    status: str


class Ready(BaseModel):
    ready: bool
    model: str
    database: str = Field(description="ok, or what is wrong with it")
