"""The detector of any model that scores a window of audio as a whole.

Windows of one length end every `stride_hops` hops. A judgement is the mean of the scores of the
windows that end within the latest hops, weighted by their speech; between two ends the last scores
hold. The ends depend only on the number of hops since the start, so the grouping into calls changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from radd.bundle_info import UNSEALED, BundleInfo
from radd.calibration import Calibration
from radd.errors import ModelError
from radd.front_ends import FrontEnd, front_end
from radd.gate import NO_SOUND, GateSettings, SpeechLevels, refuse, speech_seconds
from radd.inference import AUTO, open_network
from radd.types import HOP_SAMPLES, Judgement, Scorer
from radd.vad import BLOCK_SAMPLES as SPEECH_SAMPLES
from radd.vad import SpeechNetwork, SpeechState

GATE_HOPS = 32  # 4.096 s, the window of the gate, as in every other detector
MAX_WINDOW_HOPS = 240  # 30.72 s
LABELS = {"bonafide", "spoof"}
_BLOCKS = HOP_SAMPLES // SPEECH_SAMPLES  # speech probabilities in one hop


@dataclass(frozen=True, slots=True)
class WindowModel:
    """A manifest's description of a network that scores windows."""

    front_end: str
    """one of radd.front_ends.FRONT_ENDS"""
    features: dict[str, Any]
    """all settings of the front end"""
    window_hops: int
    """length of a window; a clip of 4 s has 31 hops"""
    stride_hops: int
    """between the ends of two windows; larger for expensive models"""
    labels: tuple[str, ...] = ()
    """outputs of a network with two, in order: bonafide and spoof; empty if its single output is
    the score
    """
    parameters: int = 0
    """number of trained parameters"""

    @classmethod
    def read(cls, described: Any) -> WindowModel:
        """Parse the section of a manifest. Raises ModelError if it is invalid."""
        try:
            model = cls(**described | {"labels": tuple(described.get("labels", ()))})
            numbers = model.window_hops, model.stride_hops, model.parameters
            is_whole = all(type(number) is int for number in numbers) and isinstance(
                model.features, dict
            )
        except (TypeError, AttributeError) as error:
            raise ModelError(
                f"the manifest does not describe the network ({error}); restore the bundle"
            ) from None
        if not is_whole or not (
            1 <= model.window_hops <= MAX_WINDOW_HOPS and 1 <= model.stride_hops <= GATE_HOPS
        ):
            raise ModelError(
                f"windows of {model.window_hops} hops every {model.stride_hops}; expected 1 to "
                f"{MAX_WINDOW_HOPS} every 1 to {GATE_HOPS}; restore the bundle"
            )
        if model.labels and set(model.labels) != LABELS:
            raise ModelError(
                f"a network with the labels {', '.join(map(str, model.labels))}; expected "
                "bonafide and spoof"
            )
        return model


class WindowNetwork:
    """A front end and a network: a window of sound -> an uncalibrated score, higher = bona fide."""

    def __init__(self, path: Path, model: WindowModel, runtime: str = AUTO) -> None:
        """Load the network. Raises ModelError if the file does not load, or features, network and
        labels do not match.
        """
        self._front_end: FrontEnd = front_end(model.front_end, model.features)
        self._network, self._labels = open_network(path, runtime), model.labels
        self.samples = model.window_hops * HOP_SAMPLES
        shape = self._front_end.shape(self.samples)
        if len(self._network.inputs) != 1:
            raise ModelError(
                f"{path} has inputs {', '.join(self._network.inputs)}; expected one, the "
                f"{model.front_end}"
            )
        ((self._input, expected),) = self._network.inputs.items()
        if len(expected) != 1 + len(shape) or any(
            type(wanted) is int and wanted != found
            for wanted, found in zip(expected[1:], shape, strict=True)
        ):
            raise ModelError(
                f"{path} takes {_told(expected[1:])} numbers per window, but the front end "
                f"{model.front_end} makes {_told(shape)} of {model.window_hops} hops; the two do "
                "not match"
            )
        self._one_by_one = expected[0] == 1  # LiteRT's networks have fixed shapes
        out = self._run(np.zeros(self.samples, np.float32))
        if len(self._network.outputs) != 1 or out.shape[1] != (2 if model.labels else 1):
            wanted = "two, bonafide and spoof" if model.labels else "one score"
            raise ModelError(
                f"{path} has {len(self._network.outputs)} outputs of {out.shape[1]} numbers per "
                f"window; expected one output of {wanted}; map the network's classes to these"
            )

    def score(self, window: np.ndarray) -> float:
        """Score a window float32 (samples,); a shorter one is repeated to full length."""
        if len(window) < self.samples:
            window = np.resize(window, self.samples)
        out = self._run(window).mean(axis=0)
        if not np.isfinite(out).all():
            raise ModelError("the network returned a score that is not finite; train it again")
        if not self._labels:
            return float(out[0])
        return float(out[self._labels.index("bonafide")] - out[self._labels.index("spoof")])

    def _run(self, window: np.ndarray) -> np.ndarray:
        """The network's output for each row, (n, numbers)."""
        rows = self._front_end.rows(window).astype(np.float32, copy=False)
        parts = np.split(rows, len(rows)) if self._one_by_one else [rows]
        said = [
            self._network.run(**{self._input: part})[0].reshape(len(part), -1) for part in parts
        ]
        return np.concatenate(said).astype(np.float64)


def _told(shape) -> str:
    return " x ".join("any" if type(n) is not int else str(n) for n in shape) or "no"


@dataclass(slots=True)
class WindowState:
    """State of one stream."""

    vad: SpeechState = field(default_factory=SpeechState)
    samples: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """the latest hops"""
    sound: SpeechLevels = NO_SOUND
    """as long as `samples`"""
    hops: int = 0
    """processed so far"""
    scored: dict[int, float] = field(default_factory=dict)
    """scores of windows by the hop at which they end"""


@dataclass(frozen=True, eq=False)
class WindowDetector(Scorer[WindowState]):
    """The Detector of a bundle of kind window. It has no index, therefore no neighbours and no
    confirmed references. Immutable.
    """

    name: str
    network: WindowNetwork
    model: WindowModel
    calibration: Calibration
    gate: GateSettings
    bundle: BundleInfo = UNSEALED
    vad: SpeechNetwork = field(default_factory=SpeechNetwork)

    kind: ClassVar[str] = "window"
    encoder: ClassVar[None] = None
    encoder_id: ClassVar[None] = None
    usual_distance: ClassVar[None] = None

    @property
    def _latest_hops(self) -> int:
        """The range of hops in which the windows end that count."""
        return max(self.model.stride_hops, GATE_HOPS - self.model.window_hops + 1)

    @property
    def window_hops(self) -> int:
        """The longest segment of audio that a score depends on, in hops."""
        return self.model.window_hops + self._latest_hops - 1

    @property
    def period_hops(self) -> int:
        return self.model.stride_hops

    def with_overlay(self, overlay: object) -> WindowDetector:
        """Raises ModelError: there is no index."""
        raise ModelError(f"{self.name} has no index of known voices, so nothing can be added to it")

    def start(self) -> WindowState:
        return WindowState()

    def push(
        self, state: WindowState, samples: np.ndarray, gated: bool = True, longest: bool = False
    ) -> list[Judgement]:
        """Score whole hops, one judgement each; `gated` and `longest` as in RaddDetector.push."""
        speech = self.vad.probability(state.vad, samples[None])[0]
        state.samples = np.concatenate([state.samples, samples])
        state.sound = state.sound.join(SpeechLevels.measure(samples, speech))
        first, state.hops = state.hops + 1, state.hops + len(samples) // HOP_SAMPLES
        length = min(state.hops, self.window_hops)
        out = [
            self._judge(state, end, gated)
            for end in range(first, state.hops + 1)
            if not longest or min(end, self.window_hops) == length
        ]
        keep = self.window_hops - 1
        state.samples = state.samples[-keep * HOP_SAMPLES :].copy()
        state.sound = state.sound.part(slice(-keep * _BLOCKS, None))
        state.scored = {
            end: score
            for end, score in state.scored.items()
            if end > state.hops - self._latest_hops
        }
        return out

    def _judge(self, state: WindowState, end: int, gated: bool) -> Judgement:
        sound = state.sound.part(self._blocks(state, max(0, end - GATE_HOPS), end))
        refusal = refuse(sound, self.gate) if gated else None
        speech_s = speech_seconds(sound, self.gate.speech_threshold)
        return Judgement(
            llr=self.calibration.llr(speech_s, self._score(state, end))
            if refusal is None
            else None,
            refusal=refusal[0] if refusal else None,
            reason=refusal[1] if refusal else None,
            neighbours=(),
            window_samples=min(end, self.window_hops) * HOP_SAMPLES,
            speech_s=speech_s,
            level_dbfs=sound.part(slice(-_BLOCKS, None)).level_dbfs(),
        )

    def _score(self, state: WindowState, end: int) -> float:
        """Mean score of the windows that count at hop `end`, weighted by their speech."""
        weights = {at: self._speech_s(state, at) for at in self._ends(end)}
        if not any(
            weights.values()
        ):  # speech began after the last of them, or there is none: score the current window
            weights = {end: 1.0}
        spoken = {at: weight for at, weight in weights.items() if weight}
        return float(
            np.average([self._score_of(state, at) for at in spoken], weights=list(spoken.values()))
        )

    def _ends(self, end: int) -> list[int]:
        """The hops at which the windows end that count at hop `end`: complete ones, or the longest
        if none is complete.
        """
        window, stride = self.model.window_hops, self.model.stride_hops
        ends = [
            at
            for at in range(max(1, end - self._latest_hops + 1), end + 1)
            if (at - window) % stride == 0
        ]
        return [at for at in ends if at >= window] or ends[-1:]

    def _score_of(self, state: WindowState, at: int) -> float:
        if at not in state.scored:
            part = self._blocks(state, max(0, at - self.model.window_hops), at)
            samples = state.samples[part.start * SPEECH_SAMPLES : part.stop * SPEECH_SAMPLES]
            state.scored[at] = self.network.score(samples)
        return state.scored[at]

    def _speech_s(self, state: WindowState, at: int) -> float:
        part = self._blocks(state, max(0, at - self.model.window_hops), at)
        return speech_seconds(state.sound.part(part), self.gate.speech_threshold)

    def _blocks(self, state: WindowState, begin: int, end: int) -> slice:
        """The hops from `begin` to `end`, counted from the start of the stream, as blocks of the
        kept audio.
        """
        kept = state.hops - len(state.samples) // HOP_SAMPLES
        return slice((begin - kept) * _BLOCKS, (end - kept) * _BLOCKS)
