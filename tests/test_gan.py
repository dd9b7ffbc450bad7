"""The vocoder that learns: its shapes, its game, its training across kills, and the copies that it
makes.
"""

from functools import partial

import numpy as np
import pytest
from fixtures_corpus import vowel

pytest.importorskip("torch")
import torch

from generative import gan
from generative.corpus import write_corpus
from generative.sources import train_clips
from radd.dataset import read_corpus
from radd.errors import ConfigError
from radd.files import load_speech
from training import learn

SMALLEST = gan.Size(8, (8, 8, 4), (3,), (1,), 1, (2,), (1,))


@pytest.fixture
def smallest(monkeypatch):
    """A size that learns in a moment, by its name."""
    monkeypatch.setitem(gan.SIZES, "smallest", SMALLEST)
    return "smallest"


def players(size=SMALLEST):
    torch.manual_seed(0)
    return gan.Players(size)


def crops(step=0):
    return step, np.stack([vowel(k)[:4096] for k in range(2)])


@pytest.mark.parametrize("size", [SMALLEST, gan.SIZES["tiny"], gan.SIZES["small"]])
def test_every_size_turns_mel_spectra_into_as_much_sound_and_judges_it(size):
    game = players(size)
    mel = gan.mel_spectra(torch.from_numpy(crops()[1]))
    assert mel.shape == (2, gan.BANDS, 4096 // gan.STEP_SAMPLES)
    sound = game.generator(mel)
    assert sound.shape == (2, 4096) and sound.abs().max() <= 1
    for judge in game.judges:
        *features, scores = judge(sound)
        assert len(features) == 4 and scores.shape[:2] == (2, 1)


def test_each_player_learns_from_its_own_loss_alone():
    game = players()
    judge, real = game.judges[0], torch.from_numpy(crops()[1])
    fake = game.generator(gan.mel_spectra(real))
    gan._game(judge, real, fake).backward()
    found = [weight.grad.clone() for weight in judge.parameters()]
    assert all(weight.grad is not None for weight in game.generator.parameters())
    judge.zero_grad()
    truth, lie = judge(real)[-1], judge(fake.detach())[-1]
    ((truth - 1).square().mean() + lie.square().mean()).backward()
    for one, weight in zip(found, judge.parameters(), strict=True):
        torch.testing.assert_close(one, weight.grad)


def test_learning_brings_the_mel_spectra_nearer():
    game = players()
    optimiser = torch.optim.AdamW(game.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        value = gan.loss(game, crops(), torch.Generator(), alone=1)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(value.item())
    assert losses[-1] < 0.8 * losses[0]
    assert (
        gan.loss(game, crops(step=1), torch.Generator(), alone=1).item() > losses[-1]
    )  # the judges have come


@pytest.mark.parametrize("seconds", [0.5, 1.2, 1.23456])
def test_a_copy_is_as_long_and_as_loud_as_its_source(seconds):
    source = vowel(3, seconds)
    made = gan.copy(players().generator.eval(), source)
    assert made.shape == source.shape and made.dtype == np.float32
    assert np.mean(made**2) == pytest.approx(np.mean(source**2), rel=1e-3)
    assert gan.mel_distance(source, made) > 1 and gan.mel_distance(source, source / 2) < 1e-3


class BreaksOff:
    """Crops that cannot be had at one step."""

    def __init__(self, at):
        self.at = at

    def __getitem__(self, step):
        if step == self.at:
            raise OSError("the disk is gone")
        return crops(step)


def test_a_run_that_was_broken_off_ends_with_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(learn, "CHECKPOINT_STEPS", 2)
    plan = learn.TrainingPlan(6, 2, 4096, 1e-3, 0.01, 1)

    def run(folder, breaks_off_at=None):
        loss = partial(gan.loss, alone=2)
        return learn.learn(
            players(),
            loss,
            BreaksOff(breaks_off_at),
            plan,
            tmp_path / folder,
            milestones=learn.Milestones([1, 3, 6]),
        )

    whole = run("whole").state_dict()
    with pytest.raises(OSError, match="the disk is gone"):
        run("broken", breaks_off_at=5)
    assert list(learn.kept_stages(tmp_path / "broken")) == [1, 3]
    broken = run("broken").state_dict()
    assert whole.keys() == broken.keys() and all(
        torch.equal(whole[name], broken[name]) for name in whole
    )
    for kept in (learn.kept_stages(tmp_path / folder) for folder in ("whole", "broken")):
        assert list(kept) == [1, 3, 6]
        assert torch.equal(torch.load(kept[6])["generator.last.bias"], whole["generator.last.bias"])


def make(corpus, work, out, size):
    real = train_clips([corpus], "bonafide")
    gan.train(real, work, [size], 10, 1, np.inf)
    plans = gan.plan_copies(real, work, [size], 4, 1)
    assert write_corpus(out, plans, gan.copier(real, work)) == []
    distances = gan.distances(plans, real, work)
    assert distances.keys() == {plan.system for plan in plans} and min(distances.values()) > 1
    return out


def test_the_same_seed_makes_the_same_copies_all_of_them_spoof(small_corpus, tmp_path, smallest):
    first, second = (
        make(small_corpus, tmp_path / f"work{k}", tmp_path / f"out{k}", smallest) for k in range(2)
    )
    files = {p.relative_to(first): p.read_bytes() for p in first.rglob("*") if p.is_file()}
    assert files == {
        p.relative_to(second): p.read_bytes() for p in second.rglob("*") if p.is_file()
    }
    clips = read_corpus(first, "train")
    assert {c.label for c in clips} == {"spoof"} and len({c.system for c in clips}) == 4
    sources = [line.split(",")[5] for line in (first / "meta.csv").read_text().splitlines()[1:]]
    assert len(set(sources)) == 4
    for clip, utt in zip(clips, sources, strict=True):
        source, made = load_speech(small_corpus / f"{utt}.flac"), load_speech(clip.path)
        assert len(made) == len(source) and not np.array_equal(made, source)


def test_what_cannot_be_made_is_refused_with_what_helps(small_corpus, tmp_path, smallest):
    real = train_clips([small_corpus], "bonafide")
    with pytest.raises(ConfigError, match="huge: expected one of tiny"):
        gan.train(real, tmp_path, ["huge"], 1, 1, 1)
    gan.train(real, tmp_path, [smallest], 100, 1, 0)
    with pytest.raises(ConfigError, match="more --minutes"):
        gan.plan_copies(real, tmp_path, [smallest], 1, 1)
