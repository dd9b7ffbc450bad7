"""Metrics by hand, and laws that hold for any scores."""

import math

import numpy as np
import pytest
from fixtures_scores import scored_trials
from hypothesis import given
from hypothesis import strategies as st

from evaluation.bootstrap import METRICS, Resampling, WeightedTrials, point
from evaluation.summary import confusion
from radd.errors import ProtocolError
from radd.metrics import (
    AsvErrorRates,
    WrongEdition,
    act_dcf,
    asv_error_rates,
    cllr,
    eer,
    eer_of_sorted,
    error_rates,
    min_cllr,
    min_dcf,
    min_tdcf_2019,
    min_tdcf_2021,
    pool,
)

# Few distinct values, so that ties are common.
scores = st.lists(st.integers(-6, 6).map(lambda x: x / 2), min_size=1, max_size=30)
wide = st.lists(st.floats(-30, 30), min_size=1, max_size=30)


def test_equal_error_rate_by_hand():
    rates = error_rates([3, 2, 1, -1], [0, -2, -3, -4])
    assert rates.thresholds.tolist() == [-4, -3, -2, -1, 0, 1, 2, 3, math.inf]
    assert rates.misses.tolist() == [0, 0, 0, 0, 1, 1, 2, 3, 4]
    assert rates.false_alarms.tolist() == [4, 3, 2, 1, 1, 0, 0, 0, 0]
    assert eer(rates) == (0.25, 0.0)
    assert rates.at(0.5) == (1, 0)


def test_extreme_lists():
    assert eer(error_rates([1, 2], [-1, -2]))[0] == 0
    assert eer(error_rates([-1, -2], [1, 2]))[0] == 1
    assert eer(error_rates([0, 0, 0], [0, 0]))[0] == 0.5
    assert min_dcf(error_rates([0, 0], [0])) == 1


def test_detection_costs_by_hand():
    rates = error_rates([3, 2, 1, -1], [0, -2, -3, -4])
    # Weights .95 and .5 over .5: at threshold 1 one of four misses and nothing passes, .95 * .25 /
    # .5; at -1 nothing is missed and one of four passes, .5 * .25 / .5.
    assert min_dcf(rates) == pytest.approx(0.25)
    # At -0.642 the bona fide -1 is missed and the spoof 0 passes.
    assert act_dcf(rates) == pytest.approx(0.95 * 0.25 / 0.5 + 0.25)


def test_cllr_by_hand():
    assert cllr([0, 0], [0]) == pytest.approx(1)
    assert cllr([math.log(3)], [-math.log(3)]) == pytest.approx(math.log2(4 / 3))
    # Pools by ascending score: {s}, {b, s}, {b}: only the middle one costs, half of each class at
    # even odds.
    assert min_cllr(error_rates([0, 2], [1, -2])) == pytest.approx(0.5)
    assert cllr([-1e4], [0]) == pytest.approx((1e4 / math.log(2) + 1) / 2)


def test_tandem_costs_by_hand():
    rates = error_rates([3, 2, 1, -1], [0, -2, -3, -4])
    asv = AsvErrorRates(eer=0.1, p_miss=0.1, p_fa=0.1, p_miss_spoof=0.6)
    c1 = 0.95 * 0.99 * 0.9 - 0.95 * 0.01 * 10 * 0.1
    c2 = 10 * 0.05 * 0.4
    assert min_tdcf_2019(rates, asv) == pytest.approx(min(0.25 * c1, 0.25 * c2) / min(c1, c2))
    c0 = 0.95 * 0.99 * 0.1 + 0.95 * 0.01 * 10 * 0.1
    c1 = 0.95 * 0.99 - c0
    assert min_tdcf_2021(rates, asv) == pytest.approx(
        (c0 + min(0.25 * c1, 0.25 * c2)) / (c0 + min(c1, c2))
    )


def test_verification_errors_are_those_below_the_eer_point():
    asv = asv_error_rates([3, 2, 1, -1], [0, -2, -3, -4], [5, -1, -2, -5])
    # The EER point rejects up to -1, which is the threshold: -1 itself is accepted.
    assert (asv.eer, asv.p_miss, asv.p_fa, asv.p_miss_spoof) == (0.25, 0, 0.25, 0.5)


def test_the_other_editions_cost_warns():
    rates = error_rates([1, 2], [-1, -2])
    asv = AsvErrorRates(0.1, 0.1, 0.1, 0.6)
    with pytest.warns(WrongEdition, match="min_tdcf_2019"):
        min_tdcf_2021(rates, asv, 2019)
    with pytest.warns(WrongEdition, match="min_tdcf_2021"):
        min_tdcf_2019(rates, asv, 2021)
    assert min_tdcf_2019(rates, asv, 2019) == 0


def test_a_verifier_that_accepts_everyone_is_refused():
    with pytest.raises(ProtocolError, match="C1"):
        min_tdcf_2019(error_rates([1], [0]), AsvErrorRates(0.5, 0.99, 0.99, 0.0))


@pytest.mark.parametrize(
    "bonafide, spoof, words",
    [
        ([], [1], "no bona fide"),
        ([1], [], "no spoof"),
        ([math.nan, 1], [0], "1 of 2 bona fide"),
        ([1], [0, math.inf], "NaN or Inf"),
        ([-math.inf], [0], "NaN or Inf"),
    ],
)
def test_unusable_scores_are_refused(bonafide, spoof, words):
    for metric in (error_rates, cllr):
        with pytest.raises(ProtocolError, match=words):
            metric(bonafide, spoof)


def test_confusion_by_hand():
    matrix = confusion(error_rates([3, 2, 1, -1], [0, -2, -3]), -0.5)
    assert [
        matrix[name]
        for name in (
            "spoof_called_spoof",
            "spoof_called_bonafide",
            "bonafide_called_spoof",
            "bonafide_called_bonafide",
        )
    ] == [2, 1, 1, 3]
    assert (matrix["accuracy"], matrix["precision"], matrix["recall"]) == (5 / 7, 2 / 3, 2 / 3)
    assert matrix["f1"] == pytest.approx(2 / 3)
    assert confusion(error_rates([3], [2]), 0)["precision"] is None


@given(scores, scores)
def test_monotone_maps_change_no_rank_metric(bonafide, spoof):
    plain = error_rates(bonafide, spoof)
    mapped = error_rates(np.exp(np.array(bonafide)) * 7 - 3, np.exp(np.array(spoof)) * 7 - 3)
    for metric in (lambda rates: eer(rates)[0], min_dcf, min_cllr):
        assert metric(plain) == metric(mapped)


@given(scores, scores)
def test_exchanging_the_classes_exchanges_the_errors(bonafide, spoof):
    plain, mirrored = (
        error_rates(bonafide, spoof),
        error_rates(-np.array(spoof), -np.array(bonafide)),
    )
    forward = sorted(zip(plain.misses.tolist(), plain.false_alarms.tolist(), strict=True))
    assert forward == sorted(
        zip(mirrored.false_alarms.tolist(), mirrored.misses.tolist(), strict=True)
    )
    assert min_cllr(plain) == pytest.approx(min_cllr(mirrored), abs=1e-12)
    assert cllr(bonafide, spoof) == pytest.approx(cllr(-np.array(spoof), -np.array(bonafide)))


@given(scores, scores)
def test_bounds(bonafide, spoof):
    rates = error_rates(bonafide, spoof)
    assert 0 <= eer(rates)[0] <= 1
    assert 0 <= min_dcf(rates) <= 1
    assert min_dcf(rates) <= act_dcf(rates)
    assert -1e-12 <= min_cllr(rates) <= 1 + 1e-12
    assert min_cllr(rates) <= cllr(bonafide, spoof) + 1e-12
    assert (np.diff(rates.misses) >= 0).all() and (np.diff(rates.false_alarms) <= 0).all()


@given(wide, wide)
def test_both_ways_to_the_equal_error_rate_agree(bonafide, spoof):
    assert eer_of_sorted(np.sort(bonafide), np.sort(spoof)) == pytest.approx(
        eer(error_rates(bonafide, spoof))[0]
    )


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(any), min_size=1, max_size=40)
)
def test_pools_rise_and_lose_nothing(counts):
    bonafide, spoof = pool(*np.array(counts).T)
    assert bonafide.sum() == sum(b for b, _ in counts) and spoof.sum() == sum(s for _, s in counts)
    assert (np.diff(bonafide / (bonafide + spoof)) > 0).all()


@given(scores, scores, st.integers(0, 2**32 - 1))
def test_a_weight_counts_as_often_as_the_trial_repeated(bonafide, spoof, seed):
    scored = scored_trials(bonafide, spoof)
    weights = np.random.default_rng(seed).integers(0, 4, len(scored.scores))
    weights[[0, -1]] = 1
    repeated = np.repeat(np.arange(len(weights)), weights)
    is_spoof, values = scored.trials.is_spoof[repeated], scored.scores[repeated]
    expected = point(scored_trials(values[~is_spoof], values[is_spoof]))
    found = dict(zip(METRICS, WeightedTrials(scored).metrics(weights), strict=True))
    assert found == pytest.approx(expected)


def test_resampling_draws_whole_speakers():
    scored = scored_trials(
        [1, 2, 3], [-1, -2, -3], speakers=["ann", "bob", "ann", "ann", "bob", "-"]
    )
    resampling = Resampling.of(scored.trials)
    assert (resampling.unit, resampling.n_units) == ("speaker", 3)
    for weights in resampling.draws(50, np.random.default_rng(0)):
        assert weights[0] == weights[2] == weights[3] and weights[1] == weights[4]
        assert weights[:3].any() and weights[3:].any()


def test_resampling_says_when_it_knows_no_speakers():
    scored = scored_trials([1, 2, 3], [-1, -2])
    resampling = Resampling.of(scored.trials)
    assert (resampling.unit, resampling.n_units) == ("clip", 5)
    for weights in resampling.draws(20, np.random.default_rng(0)):
        assert weights[:3].sum() == 3 and weights[3:].sum() == 2


def test_ten_million_scores_take_seconds():
    """A tenth of it here, to be quick: the time grows no faster than n log n."""
    import time

    rng = np.random.default_rng(0)
    bonafide, spoof = rng.normal(1, 1, 500_000), rng.normal(-1, 1, 500_000)
    began = time.process_time()
    rates = error_rates(bonafide, spoof)
    values = eer(rates)[0], min_dcf(rates), act_dcf(rates), cllr(bonafide, spoof), min_cllr(rates)
    assert time.process_time() - began < 3
    # Two unit normals two apart: EER is the upper tail beyond 1, and these scores are half their
    # LLR.
    assert values[0] == pytest.approx(0.158655, abs=0.001)
    assert values[4] < values[3]
