"""Presentations: every codec of a call and of a file, rooms and noise keep a voice in place."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures_corpus import vowel
from scipy.signal import correlate

from generative.channel import Channel
from generative.presentation import NARROW_CODECS, WIDE_CODECS, Presentation
from radd.types import SAMPLE_RATE_HZ

LATE_S = 0.1  # by which a codec may delay the sound


def likeness(sent: np.ndarray, received: np.ndarray) -> float:
    """The highest correlation of what was sent with what came, at delays up to LATE_S."""
    most = int(LATE_S * SAMPLE_RATE_HZ)
    whole = correlate(received, sent[: len(sent) - most], "valid")
    scale = np.linalg.norm(sent[: len(sent) - most]) * np.linalg.norm(received)
    return float(np.abs(whole).max() / scale)


@pytest.mark.parametrize("kind", range(len(NARROW_CODECS) + len(WIDE_CODECS)))
def test_a_voice_passes_each_codec(kind):
    sent = vowel(1, 2.0)
    received = [*NARROW_CODECS, *WIDE_CODECS][kind][1](sent, np.random.default_rng(1))
    assert received.shape == sent.shape
    assert np.isfinite(received).all()
    assert likeness(sent, received) > 0.6
    assert not np.array_equal(received, sent)


def test_the_same_draw_gives_the_same_sound_and_another_draw_another():
    presentation, sent = Presentation(Channel()), vowel(2, 1.5)
    sounds = [presentation(sent, np.random.default_rng(seed)) for seed in (3, 3, 4)]
    assert np.array_equal(sounds[0], sounds[1])
    assert not np.array_equal(sounds[0], sounds[2])


def test_presentations_keep_length_and_type():
    presentation, sent = Presentation(Channel()), vowel(3, 1.1)
    for seed in range(24):
        received = presentation(sent, np.random.default_rng(seed))
        assert received.dtype == np.float32
        assert received.shape == sent.shape
        assert np.isfinite(received).all() and np.abs(received).max() > 1e-3
