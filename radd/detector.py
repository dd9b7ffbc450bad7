"""The detector: audio hops -> one Judgement each. Weights are stateless; each stream carries its
own state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from radd.bundle_info import UNSEALED, BundleInfo
from radd.cache import RetrievalCache
from radd.calibration import Calibration
from radd.cnn import SpectralCnn
from radd.encoder import BLOCK_HOPS, BLOCK_SAMPLES, BLOCK_SPEECH, Encoder
from radd.enrolled import NO_SITE, Site
from radd.features import BINS, STEP_SAMPLES, SpectrumState, log_spectra, remove_channel
from radd.gate import NO_SOUND, GateSettings, SpeechLevels, refuse, speech_seconds
from radd.index import BundleIndex, ReferenceIndex
from radd.inference import AUTO, RUNTIMES
from radd.overlay import OverlaidIndex, Overlay
from radd.ranges import check, check_choice
from radd.types import HOP_SAMPLES, Judgement, Neighbour, Part, Scorer, Shed, Verdict
from radd.vad import BLOCK_SAMPLES as SPEECH_SAMPLES
from radd.vad import SpeechNetwork, SpeechState

WINDOW_HOPS = 32  # 4.096 s, the longest window
_FRAMES = HOP_SAMPLES // SPEECH_SAMPLES  # frames, and speech probabilities, in one hop
_SHED = Verdict.SHED, "the stream was late: only the last hop of the batch was scored"
_OWN_VOICE = Verdict.OWN_VOICE, "an announcement or voice of this site itself (train.py enrol)"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Section [model] of config.toml."""

    bundle: str
    neighbours: int
    cache_blocks: int
    overlay_s: float
    runtime: str

    def __post_init__(self) -> None:
        check(self, neighbours=(1, 50), cache_blocks=(0, 100_000), overlay_s=(0, 3_600))
        check_choice(self, runtime=(AUTO, *RUNTIMES))


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """Encoder and index results of one audio block."""

    score: float
    """of the encoder, uncalibrated, higher = bona fide"""
    margin: float
    """similarity to the closest real references minus that to the closest fake ones, -2 to 2"""
    neighbours: tuple[Neighbour, ...]
    vector: np.ndarray
    """embedding, float32 (width,), unit length"""
    own: float
    """likeness to the site's own voices, see OwnVoice.likeness"""


@dataclass(slots=True)
class DetectorState:
    """State of one stream."""

    past: dict[str, np.ndarray]
    frames: np.ndarray
    """of the latest window except its last hop, float32 (at most (WINDOW_HOPS - 1) * 4, width)"""
    vad: SpeechState = field(default_factory=SpeechState)
    spectrum: SpectrumState = field(default_factory=SpectrumState)
    sound: SpeechLevels = NO_SOUND
    """same length as `frames`"""
    unblocked: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """samples of the incomplete block"""
    blocks: list[tuple[int, EncodedBlock]] = field(default_factory=list)
    """(hop from which it counts, result) for the blocks in the window"""
    own: list[int] = field(default_factory=list)
    """hops at which blocks of the site's own voices ended, ascending, those that still matter"""
    hops: int = 0
    """scored so far"""


@dataclass(slots=True)
class _PendingBatch:
    """One stream's hops on their way through push_many."""

    part: Part
    windows: list[slice]
    """per hop, as a range of the frames in the state; the first windows of a stream are short and
    grow
    """
    skipped: int
    """hops without a judgement"""
    first: int
    """first hop for which the gate was evaluated"""
    refusals: list[tuple[Verdict, str] | None]
    scores: list[float | None]


@dataclass(frozen=True, eq=False)
class RaddDetector(Scorer[DetectorState]):
    """The Detector of a bundle: CNN at every hop, encoder and index once per block, fused and
    calibrated. Immutable but for its cache.
    """

    name: str
    cnn: SpectralCnn
    encoder: Encoder
    bundled: BundleIndex
    calibration: Calibration
    model: ModelSettings
    gate: GateSettings
    bundle: BundleInfo = UNSEALED
    overlaid: ReferenceIndex | None = None
    """the bundle's index with an overlay; None without one"""
    site: Site = NO_SITE
    """what the overlay holds of this site's line and own voices"""
    vad: SpeechNetwork = field(default_factory=SpeechNetwork)

    kind: ClassVar[str] = "radd"
    window_hops: ClassVar[int] = WINDOW_HOPS
    period_hops: ClassVar[int] = BLOCK_HOPS

    @property
    def encoder_id(self) -> str:
        return self.encoder.id

    @property
    def usual_distance(self) -> float | None:
        return self.bundle.usual_distance

    @property
    def index(self) -> ReferenceIndex:
        """The index that is searched: the bundle's, with the overlay if there is one."""
        return self.bundled if self.overlaid is None else self.overlaid

    @cached_property
    def cache(self) -> RetrievalCache[EncodedBlock]:
        """The latest results of encoder and index."""
        return RetrievalCache(self.model.cache_blocks)

    @cached_property
    def _no_frames(self) -> np.ndarray:
        return self.cnn.frames(self.cnn.start(), np.zeros((2, BINS), np.float32))[:0]

    def with_overlay(self, overlay: Overlay) -> RaddDetector:
        """The same detector with this overlay, in place of any other; it continues the streams of
        this one. Raises ModelError for an overlay that does not fit.
        """
        return replace(
            self,
            overlaid=OverlaidIndex(self.bundled, overlay),
            site=Site.of(overlay.enrolled, self.name, self.bundled),
        )

    def start(self) -> DetectorState:
        return DetectorState(self.cnn.start(), self._no_frames)

    def push(
        self, state: DetectorState, samples: np.ndarray, gated: bool = True, longest: bool = False
    ) -> list[Judgement]:
        """Score whole hops, one judgement each.

        If `gated` is False, every hop gets a score, even where the gate would reject it or the
        site's own voice is heard. With `longest`, only hops whose window has the greatest length in
        this call are scored, so that a whole clip costs no more than what counts.
        """
        return self.push_many([Part(state, samples)], gated, longest)[0]

    def push_many(
        self, parts: Sequence[Part], gated: bool = True, longest: bool = False
    ) -> list[list[Judgement]]:
        """Like push, for several streams: speech, spectra, scores and blocks are computed in one
        batch.

        The CNN's convolutions are not batched: batching does not speed them up, see
        bench/streams.md.
        """
        for length in {len(part.samples) for part in parts}:
            self._hear([part for part in parts if len(part.samples) == length])
        self._listen(parts)
        heard = [self._gate_part(part, gated, longest) for part in parts]
        self._score(heard)
        return [self._judge_part(one) for one in heard]

    def _hear(self, parts: Sequence[Part]) -> None:
        """Compute frames and speech probabilities of parts of equal length."""
        states, samples = [part.state for part in parts], np.stack([part.samples for part in parts])
        vad, spectrum = (
            SpeechState.together([s.vad for s in states]),
            SpectrumState.together([s.spectrum for s in states]),
        )
        speech = self.vad.probability(vad, samples)
        spectra = log_spectra(spectrum, samples)
        flat = remove_channel(
            spectrum, spectra, speech.repeat(SPEECH_SAMPLES // STEP_SAMPLES, axis=1)
        )
        sound = SpeechLevels.measure(samples, speech)
        for k, state in enumerate(states):
            state.vad, state.spectrum = vad.row(k), spectrum.row(k)
            state.frames = np.concatenate([state.frames, self.cnn.frames(state.past, flat[k])])
            state.sound = state.sound.join(sound.row(k))

    def _gate_part(self, part: Part, gated: bool, longest: bool) -> _PendingBatch:
        state = part.state
        known, hops = len(state.sound.speech) // _FRAMES, len(part.samples) // HOP_SAMPLES
        ends = range(known - hops + 1, known + 1)
        own = [self._since_own_voice(state, known - end) if gated else end for end in ends]
        windows = [
            slice(max(0, end - min(WINDOW_HOPS, since)) * _FRAMES, end * _FRAMES)
            for end, since in zip(ends, own, strict=True)
        ]
        lengths = [_length(window) for window in windows]
        skipped = lengths.index(max(lengths)) if longest else 0
        first = hops - 1 if part.shed else skipped
        refusals = []
        for window, since in zip(windows[first:], own[first:], strict=True):
            refusal = refuse(state.sound.part(window), self.gate) if gated else None
            refusals.append(_OWN_VOICE if gated and since < BLOCK_HOPS else refusal)
        return _PendingBatch(part, windows, skipped, first, refusals, [None] * len(refusals))

    def _since_own_voice(self, state: DetectorState, left: int) -> int:
        """Hops since the end of the latest block of an own voice, `left` hops before the latest."""
        at = state.hops - left
        return at - max((end for end in state.own if end <= at), default=at - WINDOW_HOPS)

    def _score(self, heard: list[_PendingBatch]) -> None:
        """Compute the CNN's scores of the windows that pass the gate; windows of equal length share
        one call.
        """
        groups = defaultdict(list)
        for one in heard:
            for k, refusal in enumerate(one.refusals):
                if refusal is None:
                    window = one.windows[one.first + k]
                    groups[_length(window)].append((one, k, window))
        for group in groups.values():
            frames = np.stack([one.part.state.frames[window] for one, _, window in group])
            speech = np.stack([one.part.state.sound.speech[window] for one, _, window in group])
            for (one, k, _), score in zip(
                group, self.cnn.score(frames, speech).tolist(), strict=True
            ):
                one.scores[k] = score

    def _listen(self, parts: Sequence[Part]) -> None:
        """Encode and look up the completed blocks that contain speech."""
        filled = []
        for state, samples, shed in parts:
            before, sound = state.hops, np.concatenate([state.unblocked, samples])
            first = before - len(state.unblocked) // HOP_SAMPLES
            state.hops += len(samples) // HOP_SAMPLES
            whole = len(sound) // BLOCK_SAMPLES
            state.unblocked = sound[whole * BLOCK_SAMPLES :].copy()
            for k in range(whole if shed < Shed.BLOCKS else 0):
                at = first + (k + 1) * BLOCK_HOPS
                end = len(state.sound.speech) - (state.hops - at) * _FRAMES
                speech = state.sound.speech[end - BLOCK_HOPS * _FRAMES : end]
                if (speech >= self.gate.speech_threshold).mean() >= BLOCK_SPEECH:
                    filled.append((state, at, sound[k * BLOCK_SAMPLES : (k + 1) * BLOCK_SAMPLES]))
        found = self._look_up([block for _, _, block in filled])
        for (state, at, _), block in zip(filled, found, strict=True):
            state.blocks.append((at, block))
            if block.own >= (0.0 if at - BLOCK_HOPS in state.own else 1.0):
                state.own.append(at)

    def _look_up(self, blocks: list[np.ndarray]) -> list[EncodedBlock]:
        def compute(blocks: list[np.ndarray]) -> list[EncodedBlock]:
            vectors, scores = self.encoder.embed_many(np.stack(blocks))
            return [
                EncodedBlock(
                    float(score),
                    *self.index.search(vector, self.model.neighbours),
                    vector,
                    self.site.own_likeness(vector),
                )
                for vector, score in zip(vectors, scores, strict=True)
            ]

        return self.cache.get(blocks, compute)

    def _judge_part(self, heard: _PendingBatch) -> list[Judgement]:
        state, windows = heard.part.state, heard.windows
        begin = state.hops - len(windows) + 1
        out = []
        for k in range(heard.skipped, len(windows)):
            at, scored = begin + k, k - heard.first
            first = at - _length(windows[k]) // _FRAMES + BLOCK_HOPS
            blocks = [block for then, block in state.blocks if first <= then <= at]
            shed = scored < 0
            refusal = _SHED if shed else heard.refusals[scored]
            score = None if shed else heard.scores[scored]
            out.append(self._judge(state.sound, windows[k], blocks, refusal, score))
        keep = (WINDOW_HOPS - 1) * _FRAMES
        state.frames = state.frames[-keep:].copy()
        state.sound = state.sound.part(slice(max(0, len(state.sound.speech) - keep), None))
        state.blocks = [
            (at, block) for at, block in state.blocks if at >= state.hops - WINDOW_HOPS + BLOCK_HOPS
        ]
        state.own = [at for at in state.own if at > state.hops - WINDOW_HOPS]
        return out

    def _judge(
        self,
        heard: SpeechLevels,
        window: slice,
        blocks: list[EncodedBlock],
        refusal: tuple | None,
        score: float | None,
    ) -> Judgement:
        speech_s = speech_seconds(heard.part(window), self.gate.speech_threshold)
        llr, moved = None, 0.0
        if score is not None:
            n = len(blocks)
            parts = (
                [sum(b.score for b in blocks) / n, sum(b.margin for b in blocks) / n]
                if blocks
                else []
            )
            llr = self.calibration.llr(speech_s, score, *parts)
            vectors = np.array([b.vector for b in blocks])
            llr = self.site.llr(llr, vectors)
            if blocks and self.calibration.closeness:
                before, llr = llr, self.calibration.overrule(llr, self.index.closeness(vectors))
                moved = llr - before
        return Judgement(
            llr=llr,
            refusal=refusal[0] if refusal else None,
            reason=refusal[1] if refusal else None,
            neighbours=blocks[-1].neighbours if blocks else (),
            window_samples=_length(window) * SPEECH_SAMPLES,
            speech_s=speech_s,
            level_dbfs=heard.part(slice(window.stop - _FRAMES, window.stop)).level_dbfs(),
            moved_llr=moved,
        )


def _length(window: slice) -> int:
    return window.stop - window.start
