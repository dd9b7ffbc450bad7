"""The autoencoder of spectra: its training, its gains that leave a recording its label and phase,
and its fakes.
"""

import numpy as np
import pytest
from fixtures_corpus import vowel
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
import torch

from generative import vae
from generative.copy_synthesis import ShortTime
from generative.corpus import write_corpus
from generative.sources import Crops, train_clips
from radd.dataset import DecodedClips, read_corpus
from training import learn


@pytest.fixture(scope="module")
def pairs(small_corpus, tmp_path_factory):
    clips = DecodedClips(
        train_clips([small_corpus], "bonafide"), tmp_path_factory.mktemp("decoded"), jobs=1
    )
    return vae.Pairs(Crops(clips, 6, 8192, seed=1), seed=1)


@pytest.fixture(scope="module")
def learned(pairs):
    """A network after a few steps, and what each of them lost."""
    torch.manual_seed(0)
    network, losses = vae.SpectralVae(), []
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    drawn = [pairs[step] for step in range(3)]
    for step in range(45):
        value = vae.loss(network, drawn[step % 3], torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(value.item())
    return network.eval(), losses


def test_spectra_go_through_latents_and_come_back(learned):
    logs = torch.randn(2, vae.BINS, 30)
    mean, log_variance = learned[0].encode(logs)
    assert mean.shape == log_variance.shape == (2, vae.LATENT, 30)
    assert learned[0].decode(mean, torch.tensor([0, 1])).shape == logs.shape


def test_learning_lowers_the_bound(learned):
    _, losses = learned
    assert np.mean(losses[-3:]) < 0.4 * np.mean(losses[:3])


def test_a_pair_is_a_function_of_seed_and_step(pairs):
    once, again, other = pairs[3], pairs[3], pairs[4]
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    clean, degraded, line = once
    assert (
        clean.shape == degraded.shape == (6, vae.BINS, 8192 // vae.STEP_SAMPLES + 4)
        and clean.dtype == np.float32
    )
    assert (
        not np.array_equal(clean, degraded)
        and not np.array_equal(clean, other[0])
        and (line > 0).all()
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99), st.floats(0, 1e6), st.floats(0.1, 60))
def test_a_gain_is_bounded_and_never_turns_a_phase(seed, height, limit_db):
    rng = np.random.default_rng(seed)
    gain = vae.bounded_gain(height * rng.standard_normal((7, vae.BINS)), limit_db)
    assert gain.shape == (7, vae.BINS) and gain.dtype == np.float32
    assert (np.abs(20 * np.log10(gain)) <= limit_db + 1e-3).all()
    spectra = (rng.standard_normal(gain.shape) + 1j * rng.standard_normal(gain.shape)).astype(
        np.complex64
    )
    shaped = spectra * gain
    assert np.array_equal(np.sign(shaped.real), np.sign(spectra.real))
    assert np.array_equal(np.sign(shaped.imag), np.sign(spectra.imag))
    np.testing.assert_allclose(np.angle(shaped), np.angle(spectra), atol=1e-5)


@pytest.mark.parametrize("kind", ["envelope", "telephone"])
def test_a_gain_changes_the_envelope_and_leaves_the_recordings_phase(learned, kind):
    source = vowel(5)
    voice = vae.VaeVoice(learned[0], source)
    assert np.allclose(voice.with_gain(np.ones(voice.spectra.shape, np.float32)), source, atol=1e-6)
    gain = (
        voice.envelope_gain(np.random.default_rng(1))
        if kind == "envelope"
        else voice.line_gain(kind)
    )
    made = voice.with_gain(gain)
    assert made.shape == source.shape and made.dtype == np.float32
    assert np.mean(made**2) == pytest.approx(np.mean(source**2), rel=1e-3)
    before, after = (ShortTime(len(source), 512, 128).spectra(x) for x in (source, made))
    heard = np.abs(before) > 0.1 * np.abs(before).max()
    change_db, gain_db = (
        20 * np.log10(np.abs(after[heard] / before[heard])),
        20 * np.log10(gain[heard]),
    )
    assert np.std(gain_db) > 0.5 and np.corrcoef(change_db, gain_db)[0, 1] > 0.9
    assert np.median(np.abs(np.angle(after[heard] / before[heard]))) < 0.05


def test_the_clean_line_does_nothing_and_the_telephone_takes_the_treble(learned):
    voice = vae.VaeVoice(learned[0], vowel(2))
    assert (voice.line_gain("clean") == 1).all()
    gain_db = 20 * np.log10(voice.line_gain("telephone"))
    assert (
        gain_db[:, 140:].mean() < gain_db[:, 20:90].mean() - 3
    )  # above 4.4 kHz, from 0.6 to 2.8 kHz


def test_a_run_that_was_cut_short_ends_with_the_same_weights(pairs, tmp_path):
    plan = learn.TrainingPlan(4, 6, 8192, 1e-3, 0.01, 1)

    def run(folder, **how_long):
        torch.manual_seed(1)
        return learn.learn(
            vae.SpectralVae(), vae.loss, pairs, plan, tmp_path / folder, **how_long
        ).state_dict()

    whole, cut = run("whole"), run("cut", milestones=learn.Milestones(minutes=0))
    assert not all(torch.equal(whole[name], cut[name]) for name in whole)
    finished = run("cut")
    assert all(torch.equal(whole[name], finished[name]) for name in whole)


def test_a_corpus_says_what_is_a_fake_and_what_keeps_its_label(small_corpus, tmp_path):
    real, fake = (train_clips([small_corpus], label) for label in ("bonafide", "spoof"))
    plans = vae.plan_clips(real, fake, 12, 1)
    assert len(plans) == 12 and vae.plan_clips(real, fake, 5, 1) == plans[:5]
    for name in ("first", "second"):
        network = vae.train(real, tmp_path / f"work {name}", 2, 1, np.inf)
        assert write_corpus(tmp_path / name, plans, vae.maker(network, real + fake)) == []
    files = {p.name: p.read_bytes() for p in (tmp_path / "first").rglob("*") if p.is_file()}
    assert files == {
        p.name: p.read_bytes() for p in (tmp_path / "second").rglob("*") if p.is_file()
    }
    known = {clip.utt: clip for clip in real + fake}
    written = {clip.utt: clip for clip in read_corpus(tmp_path / "first", "train")}
    for plan in plans:
        source, clip = known[plan.source_utt], written[plan.utt]
        if "gain" in plan.recipe:
            assert (clip.label, clip.system, clip.speaker) == (
                source.label,
                source.system,
                source.speaker,
            )
        else:
            assert (
                source.label == "bonafide"
                and clip.label == "spoof"
                and clip.system.startswith("vae-")
            )
    gains = [(plan.recipe["gain"], plan.label) for plan in plans if "gain" in plan.recipe]
    assert sorted(label for _, label in gains) == ["bonafide"] * 3 + ["spoof"] * 3
    assert {gain == "envelope" for gain, _ in gains} == {True, False}
