"""Writes tests/classical_features.npz: what librosa 0.11 says of the sounds in
tests/test_baselines.py, every eighth frame.

PYTHONPATH=.:tests python tests/make_classical_features.py
"""

import numpy as np
from test_baselines import FIXTURE, sounds

from training.baselines.classical_features import frame_features

if __name__ == "__main__":
    figures = {
        name: frame_features(sound)[:, ::8].astype(np.float32) for name, sound in sounds().items()
    }
    np.savez_compressed(FIXTURE, **figures)
