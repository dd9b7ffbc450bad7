"""Known score files, where they are at hand, small lists of scored trials, and clips to score."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fixtures_detector import WINDOW_HOPS, BrightnessDetector, silence, voice

from evaluation.audio_folder import AudioFolder
from evaluation.scoring import ClipScorer
from radd.score_files import ScoredTrials
from radd.trials import UNKNOWN, Trials
from radd.types import HOP_SAMPLES

BUNDLE = Path(__file__).parents[1] / "models" / "default"

KNOWN = Path(__file__).resolve().parents[1].parent / "shared" / "metrics"


@pytest.fixture(scope="session")
def known_scores() -> Path:
    """The directory of score files with published results."""
    if not (KNOWN / "README.md").is_file():
        pytest.skip(f"no score files with known results in {KNOWN}")
    return KNOWN


def scored_trials(bonafide, spoof, speakers=None, format="csv", prefix="utt") -> ScoredTrials:
    """Trials named utt0, utt1 ..., the bona fide ones first."""
    n = len(bonafide) + len(spoof)
    is_spoof = np.arange(n) >= len(bonafide)
    attacks = [UNKNOWN] * len(bonafide) + [f"A{i % 2:02d}" for i in range(len(spoof))]
    trials = Trials(
        format, [f"{prefix}{i}" for i in range(n)], is_spoof, speakers or [UNKNOWN] * n, attacks
    )
    return ScoredTrials(trials, np.array([*bonafide, *spoof], np.float64))


class OpenBrightness(BrightnessDetector):
    """The small detector of the live tests, as evaluate.py asks it."""

    window_hops = WINDOW_HOPS

    def push(self, state, samples, gated=True, longest=False):
        judgements = []
        for hop in samples.reshape(-1, HOP_SAMPLES):
            [judgement] = super().push(state, hop)
            if not gated and judgement.llr is None:
                energy, slope = (sum(column) for column in zip(*state, strict=True))
                llr = 6.0 * (1.0 - slope / energy) if energy else 0.0
                judgement = replace(judgement, llr=llr, refusal=None, reason=None)
            judgements.append(judgement)
        return [
            one
            for one in judgements
            if not longest or one.window_samples == judgements[-1].window_samples
        ]


def brightness_scorer(folder: Path):
    return ClipScorer(OpenBrightness(), AudioFolder(folder)).score_all


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """Twelve people and twelve synthetic voices of 1.5 to 7 s, a silent and a tiny clip, and no
    sound at all.
    """
    folder = tmp_path_factory.mktemp("clips")
    for i in range(12):
        soundfile.write(folder / f"real{i}.flac", voice(i, 1.5 + i / 2, synthetic=False), 16_000)
        soundfile.write(
            folder / f"fake{i}.flac", voice(50 + i, 1.5 + i / 2, synthetic=True), 16_000
        )
    soundfile.write(folder / "silent.wav", silence(5), 16_000)
    soundfile.write(folder / "tiny.wav", voice(1, 0.05, synthetic=True), 16_000)
    (folder / "broken.flac").write_bytes(b"this is no sound")
    names = [(f"real{i}", "bonafide") for i in range(12)] + [
        (f"fake{i}", "spoof") for i in range(12)
    ]
    names += [("silent", "spoof"), ("tiny", "spoof"), ("broken", "spoof"), ("missing", "bonafide")]
    lines = [
        f"s{i % 5} {utt} - {'-' if key == 'bonafide' else 'A01'} {key}\n"
        for i, (utt, key) in enumerate(names)
    ]
    (folder / "protocol.txt").write_text("".join(lines))
    return folder


@pytest.fixture(scope="session")
def shipped_bundle() -> Path:
    """The model bundle that ships with the project."""
    assert (BUNDLE / "manifest.json").is_file(), (
        f"there is no model bundle in {BUNDLE}: python train.py fit makes one"
    )
    return BUNDLE
