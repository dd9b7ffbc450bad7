"""What generators make: the same seed makes the same bytes, a copy keeps length and level, a corpus
is read back.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generative import rawboost
from generative.channel import Channel
from generative.copy_synthesis import METHODS, ShortTime, copier, plan_copies
from generative.corpus import ClipPlan, write_corpus
from generative.engines import PROGRAMS, installed, plan_engines, speak
from generative.sentences import PATTERNS, PHRASES, SLOT, compose
from radd.dataset import Clip, read_corpus
from radd.errors import AudioError, ConfigError
from radd.flac import flac_bytes
from radd.licences import is_permissive
from radd.parallel import Workers

ROOT = Path(__file__).parents[1]
DISTURBANCES = [rawboost.convolutive, rawboost.impulsive, rawboost.stationary, rawboost.series]
law = settings(deadline=None, max_examples=30)


def vowels(seconds=1.5, seed=0):
    """A gliding pitch with moving resonances and pauses, float32 (n,): speech enough for a
    vocoder.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * 16_000)) / 16_000
    turns = np.cumsum(130 + 30 * np.sin(2 * np.pi * 1.3 * t)) / 16_000
    first, second = (
        500 + 200 * np.sin(2 * np.pi * 2.1 * t),
        1500 + 500 * np.cos(2 * np.pi * 1.7 * t),
    )
    sound = sum(
        np.cos(2 * np.pi * k * turns)
        * sum(1 / (1 + ((130 * k - f) / 90) ** 2) for f in (first, second))
        for k in range(1, 40)
    )
    sound = sound * np.clip(3 * np.sin(2 * np.pi * 2.3 * t), 0, 1) + 0.003 * rng.standard_normal(
        len(t)
    )
    return (0.05 * sound / sound.std()).astype(np.float32)


def rms(samples):
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def loudness(samples):
    return np.log(np.abs(ShortTime(len(samples), 512, 128).spectra(samples)) + 1e-3).ravel()


def arrays(longest=4000):
    return st.builds(
        lambda n, seed, level: (
            np.float32(level) * np.random.default_rng(seed).standard_normal(n, np.float32)
        ),
        st.integers(1, longest),
        st.integers(0, 99),
        st.sampled_from([0.0, 1e-4, 0.1, 1.0]),
    )


@pytest.fixture(params=METHODS)
def method(request):
    if request.param == "world":
        pytest.importorskip("pyworld", reason="pyworld is not installed")
    return METHODS[request.param]


@pytest.mark.parametrize("seed", range(4))
def test_a_copy_keeps_length_level_and_words_but_not_the_waveform(method, seed):
    source = vowels(1.2 + 0.00731 * seed, seed)
    copy, again = (method(source, np.random.default_rng(seed)) for _ in range(2))
    assert copy.dtype == np.float32 and copy.shape == source.shape
    assert np.isfinite(copy).all() and copy.tobytes() == again.tobytes()
    assert rms(copy) == pytest.approx(rms(source), rel=1e-3)
    assert np.corrcoef(loudness(source), loudness(copy))[0, 1] > 0.8
    assert rms(copy - source) > 0.05 * rms(source)


@law
@given(arrays(), st.sampled_from([64, 512]), st.sampled_from([2, 4, 8]))
def test_short_time_spectra_give_their_sound_back(samples, size, overlap):
    short_time = ShortTime(len(samples), size, size // overlap)
    assert np.allclose(short_time.samples(short_time.spectra(samples)), samples, atol=1e-4)


@law
@given(arrays(), st.sampled_from(DISTURBANCES), st.integers(0, 99))
def test_rawboost_keeps_length_and_is_finite_and_repeatable(samples, disturb, seed):
    before = samples.copy()
    out, again = (disturb(samples, np.random.default_rng(seed)) for _ in range(2))
    assert out.dtype == np.float32 and out.shape == samples.shape
    assert np.isfinite(out).all() and out.tobytes() == again.tobytes()
    assert np.array_equal(samples, before)


@law
@given(st.sampled_from(DISTURBANCES), st.integers(0, 99), st.sampled_from([1 / 64, 0.5, 8.0]))
def test_rawboost_does_to_a_louder_voice_what_it_does_to_a_quiet_one(disturb, seed, louder):
    source = vowels(0.5)
    quiet = disturb(source, np.random.default_rng(seed))
    loud = disturb(source * np.float32(louder), np.random.default_rng(seed))
    assert np.allclose(loud / louder, quiet, atol=1e-5)


@law
@given(st.integers(0, 999))
def test_rawboost_stays_in_the_ranges_of_the_paper(seed):
    source = vowels(0.5) + np.float32(1e-6)

    def disturbed(disturb):
        return disturb(source, np.random.default_rng(seed)).astype(np.float64)

    assert rms(disturbed(rawboost.convolutive)) == pytest.approx(rms(source), rel=1e-3)
    snr_db = 20 * np.log10(rms(source) / rms(disturbed(rawboost.stationary) - source))
    assert 9.9 < snr_db < 40.1
    astray = disturbed(rawboost.impulsive) - source
    assert np.mean(astray != 0) <= 0.1 and np.all(np.abs(astray) <= 2.001 * np.abs(source) + 1e-9)


def test_a_band_stop_filter_stops_its_band_only():
    taps = rawboost.band_stop(2000, 3000, 200)
    gains, f = np.abs(np.fft.rfft(taps, 4096)), np.fft.rfftfreq(4096, 1 / 16_000)
    assert np.allclose(taps, taps[::-1])
    assert gains[(f > 2150) & (f < 2850)].max() < 0.01
    assert np.abs(gains[(f < 1850) | (f > 3150)] - 1).max() < 0.01


def test_rawboost_joins_the_channel_only_where_it_is_asked_for():
    source = vowels()

    def heard(channel):
        return [channel(source, np.random.default_rng(seed)).tobytes() for seed in range(12)]

    plain = heard(Channel())
    assert plain == heard(Channel(rawboost=0.0))
    assert sum(a != b for a, b in zip(plain, heard(Channel(rawboost=1.0)), strict=True)) >= 6


def test_recorded_noises_are_heard_and_a_directory_without_any_is_refused(tmp_path):
    voice, chances = np.sin(np.arange(16000) / 9, dtype=np.float32), range(20)
    (tmp_path / "noise").mkdir()
    with pytest.raises(ConfigError, match="no FLAC or WAV in noise/ or rir/"):
        Channel.read(tmp_path)
    hum = np.sin(np.arange(16000) / 3, dtype=np.float32) / 4
    (tmp_path / "noise" / "hum.flac").write_bytes(flac_bytes(hum))
    channels = Channel(), Channel.read(tmp_path)
    made, recorded = (
        [c.background(voice, np.random.default_rng(k)) for k in chances] for c in channels
    )
    assert any(not np.array_equal(*pair) for pair in zip(made, recorded, strict=True))


@law
@given(st.sampled_from(sorted(PHRASES)), st.integers(1, 150), st.integers(0, 9999))
def test_sentences_are_whole_and_long_enough(language, least, seed):
    text, again = (compose(language, least, np.random.default_rng(seed)) for _ in range(2))
    assert text == again and len(text) >= least
    assert text[0].isupper() or text[0].isdigit()
    assert text[-1] in ".?" and "{" not in text


def test_every_pattern_can_be_filled_in_every_language():
    slots = {slot for pattern in PATTERNS for slot in SLOT.findall(pattern)} - {"number"}
    assert {
        language: phrases.keys() ^ slots
        for language, phrases in PHRASES.items()
        if phrases.keys() != slots
    } == {}


@pytest.fixture(scope="module")
def voices():
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    return installed()[0]


def test_engines_speak_the_same_sentence_with_the_same_bytes(voices):
    plans = plan_engines(voices, 8, 3)
    assert plans[:5] == plan_engines(voices, 5, 3) and plans[:5] != plan_engines(voices, 5, 4)
    assert sum(plan.generator == "espeak-ng" for plan in plans) >= 4
    for plan in plans:
        said = speak(plan)
        assert 2 * 16_000 < len(said) <= 6 * 16_000 and rms(said) > 1e-3
        assert said.tobytes() == speak(plan).tobytes()
        assert is_permissive(plan.licence)


def test_an_engine_that_is_not_installed_is_named(voices, monkeypatch, tmp_path):
    (tmp_path / "espeak-ng").symlink_to(shutil.which("espeak-ng"))
    monkeypatch.setenv("PATH", str(tmp_path))
    there, missing = installed()
    assert list(there) == ["espeak-ng"] and missing == ["flite", "festival"]
    assert {plan.generator for plan in plan_engines(there, 5, 1)} == {"espeak-ng"}


def test_no_engine_at_all_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=f"expected one of {', '.join(PROGRAMS)}"):
        installed()


def test_an_engine_that_fails_says_so(voices, monkeypatch, tmp_path):
    engine = tmp_path / "espeak-ng"
    engine.write_text("#!/bin/sh\necho out of breath >&2\nexit 3\n")
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match="espeak-ng failed with voice .*: out of breath"):
        speak(plan_engines(voices, 1, 1)[0])


def tone(plan):
    """Picklable, as jobs need it."""
    if plan.recipe["hz"] == 0:
        raise AudioError("a tone of 0 Hz cannot be heard")
    return np.sin(2 * np.pi * plan.recipe["hz"] * np.arange(9000) / 16_000).astype(np.float32) / 2


def tones(*hz, label="spoof", speaker="nobody"):
    return [
        ClipPlan(f"tone_{k}", "tones", "sine", speaker, "MIT", "und", {"hz": h}, "", label)
        for k, h in enumerate(hz)
    ]


def bytes_of(directory):
    return {
        str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()
    }


def test_a_written_corpus_is_read_back(tmp_path):
    out = tmp_path / "tones"
    assert write_corpus(out, tones(100, 0, 300), tone) == ["tone_1: a tone of 0 Hz cannot be heard"]
    assert [
        (c.utt, c.path, c.label, c.system, c.speaker, c.source, c.licence, c.language)
        for c in read_corpus(out, "train")
    ] == [
        (
            f"tone_{k}",
            out / "flac" / f"tone_{k}.flac",
            "spoof",
            "sine",
            "nobody",
            "tones",
            "MIT",
            "und",
        )
        for k in (0, 2)
    ]
    assert (out / "flac" / "tone_2.flac").read_bytes() == flac_bytes(tone(tones(300)[0]))
    assert read_corpus(out, "dev") == []


def test_a_recording_that_stays_real_keeps_its_label(tmp_path):
    write_corpus(tmp_path / "real", tones(100, label="bonafide"), tone)
    assert [c.label for c in read_corpus(tmp_path / "real", "train")] == ["bonafide"]


def test_a_speaker_of_two_names_is_read_back(tmp_path):
    write_corpus(tmp_path / "tones", tones(100, speaker="Ann Lee"), tone)
    assert [c.speaker for c in read_corpus(tmp_path / "tones", "train")] == ["Ann Lee"]


def test_a_corpus_goes_on_where_it_was_killed_and_may_grow(tmp_path):
    made = []

    def killed_at_the_third(plan):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(plan.utt)
        return tone(plan)

    broken, whole = tmp_path / "broken", tmp_path / "whole"
    with pytest.raises(KeyboardInterrupt):
        write_corpus(broken, tones(100, 200, 300), killed_at_the_third)
    assert not (broken / "protocol.train.txt").exists()
    again = []
    write_corpus(
        broken, tones(100, 200, 300, 400), lambda plan: again.append(plan.utt) or tone(plan)
    )
    assert again == ["tone_2", "tone_3"]
    write_corpus(whole, tones(100, 200, 300, 400), tone, Workers(2))
    assert bytes_of(broken) == bytes_of(whole)


def test_a_corpus_is_not_written_over_another(tmp_path):
    write_corpus(tmp_path / "tones", tones(100, 200), tone)
    with pytest.raises(ConfigError, match="corpus of other clips"):
        write_corpus(tmp_path / "tones", tones(100, 300), tone)
    with pytest.raises(ConfigError, match="nor a generated corpus"):
        write_corpus(tmp_path, tones(100), tone)


def clips(directory):
    for k in range(3):
        (directory / f"real_{k}.flac").write_bytes(flac_bytes(vowels(0.8, k)))
    (directory / "short.flac").write_bytes(flac_bytes(vowels(0.2)))
    return [
        Clip(p.stem, p, "bonafide", "-", p.stem, "here", "MIT", "en")
        for p in sorted(directory.glob("*.flac"))
    ]


def test_copies_name_their_source_and_are_its_fakes(tmp_path):
    real = clips(tmp_path)
    methods = tuple(METHODS)[:4]
    plans = plan_copies(real, 24, 5, methods)
    assert plans[:7] == plan_copies(real, 7, 5, methods)
    assert {plan.source_utt for plan in plans} == {clip.utt for clip in real}
    left_out = write_corpus(tmp_path / "copies", plans, copier(real))
    assert len(left_out) == sum(plan.source_utt == "short" for plan in plans)
    assert all("shorter than" in line for line in left_out)
    made = read_corpus(tmp_path / "copies", "train")
    assert len(made) == 24 - len(left_out) and {c.label for c in made} == {"spoof"}
    assert {c.system for c in made} == set(methods)
    sources = {plan.utt: plan.source_utt for plan in plans}
    assert all(
        c.speaker == sources[c.utt] and c.licence == "MIT" and c.language == "en" for c in made
    )


def train(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "train.py", *map(str, arguments)], capture_output=True, text=True
    )


def test_generate_engines_from_the_command_line(voices, tmp_path):
    out = tmp_path / "said"
    run = train("generate", "engines", "--out", out, "--clips", 3, "--seed", 7)
    assert run.returncode == 0 and f"{out} contains 3 clips" in run.stdout, run.stderr
    assert len(read_corpus(out, "train")) == 3
    run = train("generate", "engines", "--out", out, "--clips", 3, "--seed", 8)
    assert (
        run.returncode == 2
        and "corpus of other clips" in run.stderr
        and "Traceback" not in run.stderr
    )


def test_generate_copies_without_real_speech_is_refused(tmp_path):
    write_corpus(tmp_path / "tones", tones(100), tone)
    run = train("generate", "copies", "--data", tmp_path / "tones", "--out", tmp_path / "copies")
    assert (
        run.returncode == 2 and "no bonafide clip" in run.stderr and "Traceback" not in run.stderr
    )
