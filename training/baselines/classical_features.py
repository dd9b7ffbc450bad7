"""The classical features by librosa, which defines them; radd/front_ends/classical.py computes the
same for detection.
"""

from __future__ import annotations

import librosa
import numpy as np

from radd.front_ends.classical import CEPSTRA, FFT_SAMPLES, MEL_BANDS, ROLLOFF, STEP_SAMPLES
from radd.types import SAMPLE_RATE_HZ


def frame_features(samples: np.ndarray) -> np.ndarray:
    """radd.front_ends.classical.FRAME_FEATURES, float64 (26, 1 + n / STEP_SAMPLES), of float32 (n,)
    at 16 kHz.
    """
    spectrum = np.abs(librosa.stft(samples, n_fft=FFT_SAMPLES, hop_length=STEP_SAMPLES))
    shared = {"S": spectrum, "sr": SAMPLE_RATE_HZ, "n_fft": FFT_SAMPLES}
    mel = librosa.feature.melspectrogram(
        S=spectrum**2, sr=SAMPLE_RATE_HZ, n_fft=FFT_SAMPLES, n_mels=MEL_BANDS
    )
    chroma = librosa.feature.chroma_stft(
        S=spectrum**2, sr=SAMPLE_RATE_HZ, n_fft=FFT_SAMPLES, tuning=0.0
    )
    return np.vstack(
        [
            chroma.mean(axis=0),
            librosa.feature.rms(y=samples, frame_length=FFT_SAMPLES, hop_length=STEP_SAMPLES),
            librosa.feature.spectral_centroid(**shared),
            librosa.feature.spectral_bandwidth(**shared),
            librosa.feature.spectral_rolloff(**shared, roll_percent=ROLLOFF),
            librosa.feature.zero_crossing_rate(
                samples, frame_length=FFT_SAMPLES, hop_length=STEP_SAMPLES
            ),
            librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=CEPSTRA),
        ]
    ).astype(np.float64)


def features(samples: np.ndarray) -> np.ndarray:
    """Mean and deviation over the window, float32 (52,), in the order of
    radd.front_ends.classical.NAMES.
    """
    frames = frame_features(samples)
    return np.concatenate([frames.mean(axis=1), frames.std(axis=1)]).astype(np.float32)
