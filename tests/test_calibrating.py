"""Fusion and calibration from the windows of a dev side."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install -e '.[train]'")

from radd.dataset import Clip
from radd.errors import ConfigError
from training.fusion import calibrate, clip_llrs
from training.windows import Windows


def dev_side(speech_s: dict[str, list[float]]):
    """Forty clips with a window of each of these lengths for their label; every part tells the
    label.
    """
    rng, rows, clips = np.random.default_rng(1), [], []
    for i in range(40):
        label = "bonafide" if i % 2 else "spoof"
        clips.append(
            Clip(f"u{i}", Path(f"u{i}.wav"), label, "-", "-", f"source {i % 5}", "CC0", "en")
        )
        rows += [(*rng.normal(1 if i % 2 else -1, 1, 3), seconds, i) for seconds in speech_s[label]]
    table = np.array(rows)
    vectors, far = np.ones((len(table), 2), np.float32), np.zeros(len(table))
    return Windows(
        table[:, :3], table[:, 3], table[:, 4].astype(int), vectors, far
    ), SimpleNamespace(clips=clips)


def test_scores_become_llrs_that_tell_the_label():
    windows, clips = dev_side({"bonafide": [1.2, 1.7, 2.5, 4.0], "spoof": [1.2, 1.7, 2.5, 4.0]})
    windows.parts[::7, 1:] = np.nan
    calibration = calibrate(windows, clips)
    assert calibration.speech_s == (1.0, 1.5, 2.0, 3.0)
    bonafide, spoof = clip_llrs(windows, calibration, clips)
    assert len(bonafide) == len(spoof) == 20 and bonafide.mean() > 0.5 and spoof.mean() < -0.5


def test_lengths_that_one_label_lacks_are_left_out():
    windows, clips = dev_side({"bonafide": [1.2, 2.5], "spoof": [1.2, 4.0]})
    assert calibrate(windows, clips).speech_s == (1.0,)
    windows, clips = dev_side({"bonafide": [1.2], "spoof": [4.0]})
    with pytest.raises(ConfigError, match="add longer clips"):
        calibrate(windows, clips)
