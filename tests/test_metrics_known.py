"""The published digits, on the score files they were computed from."""

import time

import numpy as np
import pytest

from radd.metrics import (
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
)
from radd.score_files import match, own_trials, read_asv_scores, read_scores
from radd.trials import read_protocol

PROTOCOL_2019 = "ASVspoof2019.LA.cm.eval.trl.txt"
# eer_percent, min_tdcf_2019, min_tdcf_2021, min_dcf, act_dcf, cllr
KNOWN = {
    "cm_eval_RawGAT_ST_mul.txt": (
        PROTOCOL_2019,
        7355,
        63882,
        1.0601347517626343,
        0.033538946714580166,
        0.09416783124441938,
        0.02989311338838085,
        0.04439536474572818,
        0.06625195005752256,
    ),
    "cm_eval_RawGAT_ST_cat.txt": (
        PROTOCOL_2019,
        7355,
        63882,
        1.2353889397240336,
        0.03881009519070858,
        0.0991083053998264,
        0.03365089708759633,
        0.07427858693664269,
        0.13492074610024157,
    ),
    "scores_XLSR-SLS.txt": (
        "in_the_wild_key.txt",
        19963,
        11816,
        7.464131510593175,
        None,
        None,
        0.2021702200526627,
        1.1935301618081466,
        3.0702089764281917,
    ),
    "asvspoof5_fusion_dev.csv": (
        None,
        7252,
        22296,
        0.619731789960915,
        None,
        None,
        0.01631981160660231,
        0.018024153192537015,
        0.028190618341414547,
    ),
}
ATTACKS = {
    "A07": 0.343,
    "A08": 0.530,
    "A09": 0.081,
    "A10": 0.390,
    "A11": 0.285,
    "A12": 0.343,
    "A13": 0.302,
    "A14": 0.285,
    "A15": 0.268,
    "A16": 0.815,
    "A17": 1.745,
    "A18": 3.090,
    "A19": 0.710,
}


def scored(folder, name):
    file, protocol = read_scores(folder / name), KNOWN[name][0]
    return (
        match(read_protocol(folder / protocol), file, name) if protocol else own_trials(file, name)
    )


@pytest.fixture(scope="module")
def asv(known_scores):
    return asv_error_rates(
        **read_asv_scores(known_scores / "ASVspoof2019.LA.asv.eval.gi.trl.scores.txt")
    )


@pytest.mark.parametrize("name", KNOWN)
def test_published_values(known_scores, asv, name):
    _, n_bonafide, n_spoof, eer_percent, tdcf_2019, tdcf_2021, *costs = KNOWN[name]
    trials = scored(known_scores, name)
    rates = error_rates(trials.bonafide(), trials.spoof())
    assert (rates.n_bonafide, rates.n_spoof) == (n_bonafide, n_spoof)
    assert 100 * eer(rates)[0] == pytest.approx(eer_percent, rel=1e-6)
    found = min_dcf(rates), act_dcf(rates), cllr(trials.bonafide(), trials.spoof())
    assert found == pytest.approx(costs, rel=1e-6)
    assert 0 < min_cllr(rates) < found[2]
    if tdcf_2019:
        assert min_tdcf_2019(rates, asv, trials.trials.edition) == pytest.approx(
            tdcf_2019, rel=1e-6
        )
        with pytest.warns(UserWarning, match="2019 data"):
            assert min_tdcf_2021(rates, asv, trials.trials.edition) == pytest.approx(
                tdcf_2021, rel=1e-6
            )


def test_verification_errors(asv):
    assert 100 * asv.eer == pytest.approx(2.4578, abs=5e-5)
    assert (asv.p_fa, asv.p_miss, asv.p_miss_spoof) == pytest.approx(
        (0.0246047, 0.0245810, 0.2393475), abs=5e-8
    )


def test_attacks_to_the_printed_digit(known_scores):
    trials = scored(known_scores, "cm_eval_RawGAT_ST_mul.txt")
    attacks, bonafide = np.array(trials.trials.attacks), np.sort(trials.bonafide())
    found = {
        name: 100 * eer_of_sorted(bonafide, np.sort(trials.scores[attacks == name]))
        for name in ATTACKS
    }
    assert {name: round(value, 3) for name, value in found.items()} == ATTACKS


def test_real_files_are_read_quickly(known_scores):
    began = time.process_time()
    scored(known_scores, "cm_eval_RawGAT_ST_cat.txt")
    assert time.process_time() - began < 5
