"""Packaged speech engines as a source of synthetic speech: formant, Klatt, diphone, unit selection
and statistical parametric synthesis. Each runs as a program and returns a WAV file.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from generative.corpus import ClipPlan
from generative.sentences import compose
from radd.errors import AudioError, ConfigError
from radd.files import load_speech
from radd.types import SAMPLE_RATE_HZ

LONGEST_S = 6.0
LEAST_CHARACTERS = 68  # three seconds of a fast voice
TIMEOUT_S = 60
PROGRAMS = {"espeak-ng": "espeak-ng", "flite": "flite", "festival": "text2wave"}


@dataclass(frozen=True, slots=True)
class EngineVoice:
    """One voice of one engine."""

    engine: str
    name: str
    """as its engine calls it"""
    system: str
    """in the protocol: each variant of an engine is a system of its own, so that training
    uses all
    """
    licence: str
    """of the package that contains it"""
    language: str
    """a key of generative.sentences.PHRASES"""
    encoding: str = "utf-8"
    """of its input text"""


_ACCENTS = {
    "en": ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029"),
    "es": ("es", "es-419"),
    "fr": ("fr-fr", "fr-be"),
    "pt": ("pt", "pt-br"),
} | {language: (language,) for language in ("de", "it", "nl", "fi", "sv", "ca", "pl", "ru")}
_VARIANTS = (
    "m1",
    "m2",
    "m3",
    "m4",
    "m5",
    "m6",
    "m7",
    "m8",
    "f1",
    "f2",
    "f3",
    "f4",
    "f5",
    "Andy",
    "Annie",
    "Gene",
    "Jacky",
    "Lee",
    "Mario",
    "Mike",
    "Storm",
    "adam",
    "anika",
    "belinda",
    "boris",
    "ed",
    "grandpa",
    "iven2",
    "linda",
    "michel",
    "norbert",
    "quincy",
    "steph",
    "travis",
    "zac",
    "whisper",
    "klatt",
    "klatt2",
    "klatt3",
    "klatt4",
    "klatt5",
    "klatt6",
)
_FLITE = ("kal", "kal16", "awb", "rms", "slt")
_FESTIVAL = (
    ("kal_diphone", "BSD-like", "en", "ascii"),
    ("ked_diphone", "BSD-like", "en", "ascii"),
    ("cmu_us_slt_arctic_hts", "BSD-like", "en", "ascii"),
    ("lp_diphone", "GPL-2.0", "it", "latin-1"),
    ("pc_diphone", "GPL-2.0", "it", "latin-1"),
    ("suo_fi_lj_diphone", "LGPL-2.1", "fi", "latin-1"),
    ("hy_fi_mv_diphone", "LGPL-2.1", "fi", "latin-1"),
    ("msu_ru_nsh_clunits", "BSD-like", "ru", "utf-8"),
    ("upc_ca_ona_hts", "LGPL-2.1", "ca", "latin-1"),
)
_FESTIVAL_VOICES = Path("/usr/share/festival/voices")


def espeak_voices() -> list[EngineVoice]:
    """Each accent once with each existing variant: for an unknown one, espeak-ng falls back to its
    own English.
    """
    accents, variants = _told("espeak-ng", "--voices"), _told("espeak-ng", "--voices=variant")
    return [
        EngineVoice("espeak-ng", f"{accent}+{variant}", f"espeak-ng+{variant}", "GPL-3.0", language)
        for language, names in _ACCENTS.items()
        for accent in names
        if accent in accents
        for variant in _VARIANTS
        if f"!v/{variant}" in variants
    ]


def flite_voices() -> list[EngineVoice]:
    """The compiled-in voices: for an unknown one, flite falls back to its first."""
    names = _told("flite", "-lv")
    return [
        EngineVoice("flite", name, f"flite-{name}", "BSD-like", "en", "ascii")
        for name in _FLITE
        if name in names
    ]


def festival_voices() -> list[EngineVoice]:
    """The voices of installed packages."""
    there = {p.name for p in _FESTIVAL_VOICES.glob("*/*")}
    return [
        EngineVoice("festival", name, f"festival-{name}", *rest)
        for name, *rest in _FESTIVAL
        if name in there
    ]


def _told(*command: str) -> set[str]:
    """The words of a program's output."""
    return set(
        subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True
        ).stdout.split()
    )


def installed() -> tuple[dict[str, list[EngineVoice]], list[str]]:
    """The voices of each installed engine, and the names of missing engines.

    Raises ConfigError if there is none.
    """
    ask = {"espeak-ng": espeak_voices, "flite": flite_voices, "festival": festival_voices}
    here = {
        engine: voices
        for engine in ask
        if shutil.which(PROGRAMS[engine]) and (voices := ask[engine]())
    }
    if not here:
        raise ConfigError(
            f"no speech engine is installed: expected one of {', '.join(PROGRAMS)}; "
            f"on Debian: apt-get install espeak-ng flite festival festvox-kallpc16k"
        )
    return here, [engine for engine in PROGRAMS if engine not in here]


def plan_engines(voices: dict[str, list[EngineVoice]], clips: int, seed: int) -> list[ClipPlan]:
    """`clips` sentences: half by the first engine, which has most voices, the rest by the others in
    turn.
    """
    first, *others = voices
    turns = [engine for other in others or [first] for engine in (first, other)]
    return [_plan(k, voices[turns[k % len(turns)]], seed) for k in range(clips)]


def _plan(number: int, voices: list[EngineVoice], seed: int) -> ClipPlan:
    rng = np.random.default_rng([seed, number])
    voice = voices[rng.integers(len(voices))]
    text = compose(voice.language, LEAST_CHARACTERS, rng)
    recipe = {
        "seed": seed,
        "voice": voice.name,
        "encoding": voice.encoding,
        "text": text,
        "rate": round(float(rng.uniform(0.8, 1.25)), 3),
        "pitch": round(float(rng.uniform(0.75, 1.35)), 3),
    }
    return ClipPlan(
        f"engine_{number:06}",
        voice.engine,
        voice.system,
        f"{voice.engine}:{voice.name}",
        voice.licence,
        voice.language,
        recipe,
    )


def speak(plan: ClipPlan) -> np.ndarray:
    """The plan's speech, at most LONGEST_S, float32 (n,) at 16 kHz.

    Raises AudioError if the engine fails.
    """
    recipe = plan.recipe
    with tempfile.TemporaryDirectory() as directory:
        wav, text = Path(directory, "said.wav"), Path(directory, "text.txt")
        text.write_text(recipe["text"] + "\n", encoding=recipe["encoding"])
        command = _COMMANDS[plan.generator](
            recipe["voice"], recipe["rate"], recipe["pitch"], text, wav
        )
        try:
            run = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise AudioError(
                f"{command[0]} returned nothing within {TIMEOUT_S} s; command: {' '.join(command)}"
            ) from None
        if run.returncode or not wav.is_file():
            message = run.stderr.decode(errors="replace").strip() or f"exit code {run.returncode}"
            raise AudioError(f"{command[0]} failed with voice {recipe['voice']}: {message}")
        samples = load_speech(wav)
    return samples[: round(LONGEST_S * SAMPLE_RATE_HZ)]


def _espeak(voice: str, rate: float, pitch: float, text: Path, wav: Path) -> list[str]:
    return [
        "espeak-ng",
        "-v",
        voice,
        "-s",
        str(round(165 * rate)),
        "-p",
        str(round(50 * pitch)),
        "-b",
        "1",
        "-f",
        str(text),
        "-w",
        str(wav),
    ]


def _flite(voice: str, rate: float, pitch: float, text: Path, wav: Path) -> list[str]:
    mean_hz = {"slt": 170, "rms": 100, "awb": 125}.get(voice, 105) * pitch
    return [
        "flite",
        "-voice",
        voice,
        "--setf",
        f"duration_stretch={1 / rate:.3f}",
        "--setf",
        f"int_f0_target_mean={mean_hz:.1f}",
        "-f",
        str(text),
        "-o",
        str(wav),
    ]


def _festival(voice: str, rate: float, pitch: float, text: Path, wav: Path) -> list[str]:
    """Festival's voices have no common pitch parameter, so they keep their own."""
    return [
        "text2wave",
        "-eval",
        f"(voice_{voice})",
        "-eval",
        f"(Parameter.set 'Duration_Stretch {1 / rate:.3f})",
        "-o",
        str(wav),
        str(text),
    ]


_COMMANDS = {"espeak-ng": _espeak, "flite": _flite, "festival": _festival}
