"""Voice-activity detection with Silero's network; training/vad_export.py converts its file from the
package's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from radd.inference import AUTO, open_network

BLOCK_SAMPLES = 512  # 32 ms, the step of the network
CONTEXT_SAMPLES = 64  # the network also sees the last 4 ms before each block
WIDTH = 128
NETWORK = Path(__file__).with_name("vad.onnx")
_BLOCKS_AT_ONCE = 4096  # over all rows; limits the memory of one run


@dataclass(slots=True)
class SpeechState:
    """State of the network for one stream or for a batch of streams."""

    context: np.ndarray = field(default_factory=lambda: np.zeros((1, CONTEXT_SAMPLES), np.float32))
    hidden: np.ndarray = field(default_factory=lambda: np.zeros((2, 1, WIDTH), np.float32))

    @classmethod
    def batch(cls, n: int) -> SpeechState:
        """Initial state of n streams."""
        return cls(np.zeros((n, CONTEXT_SAMPLES), np.float32), np.zeros((2, n, WIDTH), np.float32))

    @classmethod
    def together(cls, states: Sequence[SpeechState]) -> SpeechState:
        """Join the states of several streams to a batch."""
        return cls(
            np.concatenate([s.context for s in states]),
            np.concatenate([s.hidden for s in states], axis=1),
        )

    def row(self, k: int) -> SpeechState:
        """The state of one stream of a batch."""
        return SpeechState(self.context[k : k + 1].copy(), self.hidden[:, k : k + 1].copy())


class SpeechNetwork:
    """Probability of speech every 32 ms (Silero VAD 5, MIT licence: radd/vad.LICENSE)."""

    def __init__(self, runtime: str = AUTO) -> None:
        """Load the network. Raises ModelError if the file does not load."""
        self._model = open_network(NETWORK, runtime)
        rows, blocks, *_ = self._model.inputs["blocks"]
        self._fixed = (rows, blocks) if type(rows) is int and type(blocks) is int else None
        """rows and blocks of one run; None if the network takes any number"""

    def probability(self, state: SpeechState, samples: np.ndarray) -> np.ndarray:
        """Speech probability, 0 to 1, float32 (batch, n), of samples float32 (batch, n *
        BLOCK_SAMPLES).
        """
        heard = np.concatenate([state.context, samples], axis=1)
        blocks = np.lib.stride_tricks.sliding_window_view(
            heard, CONTEXT_SAMPLES + BLOCK_SAMPLES, axis=1
        )
        blocks = blocks[:, ::BLOCK_SAMPLES]
        out: np.ndarray = np.empty(blocks.shape[:2], np.float32)
        rows, step = self._fixed or (len(samples), max(1, _BLOCKS_AT_ONCE // len(samples)))
        after = state.hidden.copy()
        for first in range(0, len(samples), rows):
            some = slice(first, first + rows)
            for begin in range(0, out.shape[1], step):
                part = np.ascontiguousarray(blocks[some, begin : begin + step])
                out[some, begin : begin + step], after[:, some] = self._model.run(
                    blocks=part, state=np.ascontiguousarray(after[:, some])
                )
        state.hidden = after
        state.context = heard[:, -CONTEXT_SAMPLES:].copy()
        return out
