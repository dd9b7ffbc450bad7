"""The operating point of a line, from recordings of known people and of fakes as they sound there.

From people alone the LLR is shifted, so that their lower edge comes to lie where it lies for the
people that the bundle was calibrated on: false alarms return to the calibrated level. The edge is
taken from median and median deviation, so that a few odd recordings move nothing. With fakes, scale
and offset are fitted by logistic regression (Brummer and du Preez 2006), each speaker and each
label with the same weight, together with the weight of the pair term of radd/enrolled.py, whose
margins leave out the speaker that is scored. All are pulled towards "no change" as by
PRIOR_SPEAKERS further speakers, and bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radd.enrolled import OperatingPoint, pair_margin
from radd.spread import Spread

MOST_UP_LLR, MOST_DOWN_LLR = 3.0, 1.5  # nats, by which an offset moves towards people and fakes
SCALES = 0.7, 1.5
PRIOR_SPEAKERS = 5.0  # speakers that say that nothing has to change
EDGE = 1.645  # deviations below the median, as for 5 % of a normal distribution
PER_DEVIATION = 1.4826  # standard deviation of a normal distribution, in median deviations
TURN = 0.25  # share of enrolled people whose margin the pair term may touch
# penalties of the regression, as numbers of recordings: of the scale, the offset, the pair's weight
PENALTIES = np.array([10.0, 0.5, 1.0])
STEPS = 50


@dataclass(frozen=True, slots=True)
class LineScores:
    """What one bundle makes of the recordings of a line."""

    llr: np.ndarray
    """of each recording (n,)"""
    is_real: np.ndarray
    """bool (n,)"""
    speaker: Sequence[str]
    """person or synthesis system (n,)"""
    passages: Sequence[np.ndarray]
    """vectors of each recording, float32 (k, width), k >= 1"""


def lower_edge(llrs: np.ndarray) -> float:
    """The LLR below which a twentieth of such people lies, by median and median deviation."""
    middle = float(np.median(llrs))
    return middle - EDGE * PER_DEVIATION * float(np.median(np.abs(llrs - middle)))


def point_of(line: LineScores, usual_edge: float, spread: Spread) -> OperatingPoint:
    """The operating point of a line; `usual_edge` is the lower_edge of the bundle's own people,
    `spread` that of its fakes.
    """
    real = line.is_real
    speakers = len({who for who, is_one in zip(line.speaker, real, strict=True) if is_one})
    trust = speakers / (speakers + PRIOR_SPEAKERS)
    offset = trust * (usual_edge - lower_edge(_by_speaker(line)))
    offset = float(np.clip(offset, -MOST_DOWN_LLR, MOST_UP_LLR))
    if real.all():
        return OperatingPoint(offset_llr=offset)
    margins = margins_without_itself(line, spread)
    turn = float(np.quantile(margins[real], TURN))
    deep = np.minimum(0.0, margins - turn)
    unit = float(deep.std()) or 1.0
    columns = np.stack([line.llr, np.ones(len(line.llr)), deep / unit], axis=1)
    scale, offset, weight = _fitted(columns, real, _weights(line), np.array([1.0, offset, 0.0]))
    return OperatingPoint(
        float(np.clip(scale, *SCALES)),
        float(np.clip(offset, -MOST_DOWN_LLR, MOST_UP_LLR)),
        max(0.0, float(weight) / unit),
        turn,
    )


def applied(line: LineScores, point: OperatingPoint, spread: Spread) -> np.ndarray:
    """The LLRs of the recordings at an operating point (n,), each against the pair without its own
    speaker.
    """
    if not point.pair_weight:
        return point.scale * line.llr + point.offset_llr
    margins = margins_without_itself(line, spread)
    return np.array([point.llr(llr, m) for llr, m in zip(line.llr, margins, strict=True)])


def margins_without_itself(line: LineScores, spread: Spread) -> np.ndarray:
    """Margins of the recordings (n,) between the pair of this line: without the own speaker of a
    person, without the recording itself of a fake.
    """
    directions = [spread.of(passages) for passages in line.passages]
    owner = np.repeat(np.arange(len(directions)), [len(each) for each in directions])
    joined, speaker = np.concatenate(directions), np.array(line.speaker)
    found = []
    for k, is_real in enumerate(line.is_real):
        its_own = (line.is_real & (speaker == speaker[k]))[owner] if is_real else owner == k
        sides = (joined[~its_own & (line.is_real[owner] == label)] for label in (True, False))
        found.append(pair_margin(spread.of(line.passages[k].sum(axis=0)), *sides))
    return np.array(found)


def _by_speaker(line: LineScores) -> np.ndarray:
    """The mean LLR of each person's recordings, so that nobody counts twice."""
    people: dict[str, list[float]] = {}
    for llr, is_real, who in zip(line.llr, line.is_real, line.speaker, strict=True):
        if is_real:
            people.setdefault(who, []).append(float(llr))
    return np.array([np.mean(llrs) for llrs in people.values()])


def _weights(line: LineScores) -> np.ndarray:
    """Of each recording (n,): speakers of one label share equally, and so do the labels; their sum
    is the number of people or of fakes, whichever is smaller.
    """
    keys = list(zip(line.is_real.tolist(), line.speaker, strict=True))
    counts = Counter(keys)
    people = {who for is_real, who in counts if is_real}
    fakes = [n for (is_real, _), n in counts.items() if not is_real]
    independent = min(len(people), sum(fakes))
    share = {True: 1 / len(people), False: 1 / len(fakes)}
    return np.array([independent * share[key[0]] / counts[key] for key in keys])


def _fitted(
    columns: np.ndarray, is_real: np.ndarray, weights: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Weights of the columns (n, 3) by penalised logistic regression, with Newton's method."""
    found = start.copy()
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(columns @ found, -30, 30)))
        slope = columns.T @ (weights * (p - is_real)) + PENALTIES * (found - start)
        bend = (columns * (weights * p * (1 - p))[:, None]).T @ columns + np.diag(PENALTIES)
        step = np.linalg.solve(bend, slope)
        found = found - step
        if np.abs(step).max() < 1e-8:
            break
    return found
