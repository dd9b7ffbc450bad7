"""The judgement: hops of sound -> one Judgement each. Weights here have no memory; a stream's memory is its state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from radd.cache import RetrievalCache
from radd.calibration import Calibration
from radd.cnn import SpectralCnn
from radd.encoder import BLOCK_HOPS, BLOCK_SAMPLES, BLOCK_SPEECH, Encoder
from radd.features import BINS, STEP_SAMPLES, SpectrumState, log_spectra, remove_channel
from radd.gate import NO_SOUND, GateSettings, Sound, refuse, speech_seconds
from radd.index import FlatIndex, ReferenceIndex
from radd.overlay import OverlaidIndex, Overlay
from radd.ranges import check
from radd.speech import BLOCK_SAMPLES as SPEECH_SAMPLES
from radd.speech import SpeechNetwork, SpeechState
from radd.types import HOP_SAMPLES, Judgement, Neighbour

WINDOW_HOPS = 32  # 4.096 s, the longest window
_FRAMES = HOP_SAMPLES // SPEECH_SAMPLES  # frames, and speech probabilities, in one hop


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Section [model] of config.toml."""

    bundle: str
    neighbours: int
    cache_blocks: int
    overlay_s: float

    def __post_init__(self) -> None:
        check(self, neighbours=(1, 50), cache_blocks=(0, 100_000), overlay_s=(0, 3_600))


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """What encoder and index said of one block of sound."""

    score: float
    """the encoder's own, uncalibrated, higher = bona fide"""
    margin: float
    """closest real less closest fake references, -2 to 2"""
    neighbours: tuple[Neighbour, ...]
    closeness: tuple[float, float]
    """to confirmed real and to confirmed fake references, see radd/overlay.py"""


class Retrieval(NamedTuple):
    """An index and what was found in it: changed together, so that no result outlives its index."""

    index: ReferenceIndex
    cache: RetrievalCache[EncodedBlock]


@dataclass(slots=True)
class DetectorState:
    """What one stream remembers."""

    past: dict[str, np.ndarray]
    frames: np.ndarray
    """of the latest window but its last hop, float32 (at most (WINDOW_HOPS - 1) * 4, width)"""
    cnn: SpectralCnn
    """that made them"""
    vad: SpeechState = field(default_factory=SpeechState)
    spectrum: SpectrumState = field(default_factory=SpectrumState)
    sound: Sound = NO_SOUND
    """as long as `frames`"""
    unblocked: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """samples that wait for their block to be full"""
    blocks: list[tuple[int, EncodedBlock]] = field(default_factory=list)
    """(hop at which it began to count, result) of the blocks in the window"""
    hops: int = 0
    """judged so far"""


class RaddDetector:
    """The Detector of a bundle: CNN at every hop, encoder and index once a block, fused and calibrated."""

    def __init__(
        self,
        name: str,
        cnn: SpectralCnn,
        encoder: Encoder,
        index: FlatIndex,
        calibration: Calibration,
        model: ModelSettings,
        gate: GateSettings,
    ) -> None:
        self.name, self.encoder_id = name, encoder.id
        self._cnn, self._encoder, self._bundled, self._calibration = cnn, encoder, index, calibration
        self._model, self._gate = model, gate
        self._vad = SpeechNetwork()
        self._no_frames = cnn.frames(cnn.start(), np.zeros((2, BINS), np.float32))[:0]
        self.adopt(index)

    def prepare(self, overlay: Overlay) -> ReferenceIndex:
        """The index of the bundle and an overlay, for `adopt`; raises ModelError for an overlay that does not fit."""
        return OverlaidIndex(self._bundled, overlay)

    def adopt(self, index: ReferenceIndex) -> None:
        """Look up in this index from the next block on; may be called between two pushes, from any thread."""
        self.retrieval = Retrieval(index, RetrievalCache(self._model.cache_blocks))

    def become(self, other: RaddDetector) -> None:
        """Judge as another detector does, with its index, from the next push on; a stream then begins to listen anew."""
        for name in ("name", "encoder_id", "_cnn", "_encoder", "_bundled", "_calibration", "_no_frames", "retrieval"):
            setattr(self, name, getattr(other, name))

    def start(self) -> DetectorState:
        return DetectorState(self._cnn.start(), self._no_frames, self._cnn)

    def push(
        self, state: DetectorState, samples: np.ndarray, gated: bool = True, longest: bool = False
    ) -> list[Judgement]:
        """Judge whole hops, one judgement each.

        With `gated` False every hop gets a number, also where the gate would refuse. With `longest` only those hops are
        judged whose window is as long as the longest of this call: a whole clip then costs no more than what counts.
        """
        if state.cnn is not self._cnn:
            fresh = self.start()
            for name in DetectorState.__slots__:
                setattr(state, name, getattr(fresh, name))
        speech = self._vad.probability(state.vad, samples[None])[0]
        spectra = log_spectra(state.spectrum, samples)
        flat = remove_channel(state.spectrum, spectra, speech.repeat(SPEECH_SAMPLES // STEP_SAMPLES))
        state.frames = np.concatenate([state.frames, self._cnn.frames(state.past, flat)])
        state.sound = state.sound.join(Sound.measure(samples, speech))
        hops = samples.reshape(-1, HOP_SAMPLES)
        windows = self._windows(len(state.sound.speech) // _FRAMES, len(hops))
        skipped = sum(_length(w) < _length(windows[-1]) for w in windows) if longest else 0
        refusals = [refuse(state.sound.part(w), self._gate) if gated else None for w in windows[skipped:]]
        judged = [w for w, refusal in zip(windows[skipped:], refusals, strict=True) if refusal is None]
        scores = iter(self._spectrum_scores(state, judged))
        out = []
        for k, (hop, window) in enumerate(zip(hops, windows, strict=True), -skipped):
            self._listen(state, hop, state.sound.part(window))
            if k >= 0:
                out.append(self._judge(state, window, refusals[k], next(scores) if refusals[k] is None else None))
        keep = (WINDOW_HOPS - 1) * _FRAMES
        state.frames = state.frames[-keep:].copy()
        state.sound = state.sound.part(slice(max(0, len(state.sound.speech) - keep), None))
        return out

    def _windows(self, known: int, hops: int) -> list[slice]:
        """The window of each new hop as frames of what is known; the first are short and grow."""
        ends = range(known - hops + 1, known + 1)
        return [slice(max(0, end - WINDOW_HOPS) * _FRAMES, end * _FRAMES) for end in ends]

    def _spectrum_scores(self, state: DetectorState, windows: list[slice]) -> list[float]:
        """The CNN's scores of the windows, those of one length in one call."""
        scores: dict[int, float] = {}
        for length in {_length(w) for w in windows}:
            group = [i for i, w in enumerate(windows) if _length(w) == length]
            frames = np.stack([state.frames[windows[i]] for i in group])
            speech = np.stack([state.sound.speech[windows[i]] for i in group])
            scores |= zip(group, self._cnn.score(frames, speech).tolist(), strict=True)
        return [scores[i] for i in range(len(windows))]

    def _listen(self, state: DetectorState, hop: np.ndarray, window: Sound) -> None:
        """Count the hop; where it fills a block with speech in it, encode and look it up."""
        state.hops += 1
        state.unblocked = np.concatenate([state.unblocked, hop])
        if len(state.unblocked) == BLOCK_SAMPLES:
            if (window.speech[-BLOCK_HOPS * _FRAMES :] >= self._gate.speech_threshold).mean() >= BLOCK_SPEECH:
                state.blocks.append((state.hops, self._look_up(state.unblocked)))
            state.unblocked = state.unblocked[:0]
        oldest = state.hops - WINDOW_HOPS + BLOCK_HOPS
        state.blocks = [(at, block) for at, block in state.blocks if at >= oldest]

    def _look_up(self, block: np.ndarray) -> EncodedBlock:
        index, cache = self.retrieval

        def compute(block: np.ndarray) -> EncodedBlock:
            embedding, score = self._encoder.embed(block)
            return EncodedBlock(score, *index.search(embedding, self._model.neighbours))

        return cache.get(block, compute)

    def _judge(self, state: DetectorState, window: slice, refusal: tuple | None, score: float | None) -> Judgement:
        sound = state.sound.part(window)
        speech_s = speech_seconds(sound, self._gate.speech_threshold)
        llr = None
        if score is not None:
            blocks = [block for _, block in state.blocks]
            parts = [float(np.mean(p)) for p in ([b.score for b in blocks], [b.margin for b in blocks])] if blocks else []
            llr = self._calibration.llr(speech_s, score, *parts)
            if blocks:
                llr = self._calibration.overrule(llr, np.mean([b.closeness for b in blocks], axis=0))
        return Judgement(
            llr=llr,
            refusal=refusal[0] if refusal else None,
            reason=refusal[1] if refusal else None,
            neighbours=state.blocks[-1][1].neighbours if state.blocks else (),
            window_samples=len(sound.speech) * SPEECH_SAMPLES,
            speech_s=speech_s,
            level_dbfs=sound.part(slice(-_FRAMES, None)).level_dbfs(),
        )


def _length(window: slice) -> int:
    return window.stop - window.start
