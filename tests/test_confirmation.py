"""How much closeness to a confirmed reference says, fitted on drawn numbers."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install -e '.[train]'")

from radd.calibration import Calibration
from radd.index import NOTHING_NEAR, Closeness
from training.closeness import fit_row


def drawn(again: float, same: float, n: int = 400) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(1)
    return tuple(rng.normal(mean, 0.5, n) for mean in (again, same, -1.0))


@pytest.mark.parametrize("place", [0, 1])
def test_what_is_heard_again_counts_and_unrelated_speech_hardly_ever(place):
    again, same, other = drawn(3.0, 0.0)
    row = fit_row(again, same, other, len(other))
    rows = [(0.0, 0.0, 0.0)] * 2
    rows[place] = row
    calibration = Calibration((1.0,), ((0.0, 0.0),), ((0.0, 0.0, 0.0, 0.0),), tuple(rows))
    toward = 1 - 2 * place

    def llr(near):
        heard = [NOTHING_NEAR, NOTHING_NEAR]
        heard[place] = Closeness(near, (near,), is_again=True)
        return calibration.overrule(0.0, heard)

    changed = [np.mean([llr(near) != 0 for near in part]) for part in (again, same, other)]
    assert changed[0] > 0.99 and changed[0] > changed[1] > changed[2] and changed[2] <= 0.05
    assert toward * llr(9.0) == row[2] == pytest.approx(np.log(len(other) + 1))


def test_an_encoder_that_tells_nothing_and_a_side_without_clips_give_no_evidence():
    assert fit_row(*drawn(-3.0, -3.0), 400) == (0.0, 0.0, 0.0)
    assert fit_row(np.array([]), *drawn(1.0, 1.0)[1:], 400) == (0.0, 0.0, 0.0)
