"""Makes demo.flac beside this file: a synthetic voice (flite's slt, statistical parametric) says
three sentences among pauses.

python assets/make_demo.py
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from radd.files import load_speech
from radd.flac import flac_bytes
from radd.types import SAMPLE_RATE_HZ, seconds

SENTENCES = (
    "Hello, I am not a person. A computer program makes every sound that you hear from me.",
    "I could read out your bank details in this voice, and ask a colleague to transfer money "
    "today.",
    "If the detector works, an alert has been raised by now, and this clip is kept as evidence.",
)
PAUSES_S = (2.0, 3.0, 3.0, 3.0)
SPEECH_DBFS, FLOOR_DBFS = -23.0, -68.0
SEED = 20_260


def speak(sentence: str, directory: Path) -> np.ndarray:
    """A sentence, float32 (n,) at 16 kHz, at SPEECH_DBFS (RMS)."""
    wav = directory / "sentence.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", sentence, "-o", str(wav)], check=True)
    samples = load_speech(wav)
    return samples * np.float32(10 ** (SPEECH_DBFS / 20) / np.sqrt(np.mean(samples**2)))


def main() -> None:
    pauses = [np.zeros(round(pause_s * SAMPLE_RATE_HZ), np.float32) for pause_s in PAUSES_S]
    parts = pauses[:1]
    with tempfile.TemporaryDirectory() as directory:
        for sentence, pause in zip(SENTENCES, pauses[1:], strict=True):
            parts += [speak(sentence, Path(directory)), pause]
    samples = np.concatenate(parts)
    floor = np.random.default_rng(SEED).standard_normal(len(samples), np.float32) * 10 ** (
        FLOOR_DBFS / 20
    )
    demo = Path(__file__).with_name("demo.flac")
    demo.write_bytes(flac_bytes(samples + floor.astype(np.float32)))
    print(f"{demo.name}: {seconds(len(samples)):.1f} s, {demo.stat().st_size} bytes")


if __name__ == "__main__":
    main()
