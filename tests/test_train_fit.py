"""train.py fit on a handful of real clips: a bundle that scores, the same bytes again, after a kill
too.
"""

import contextlib
import io
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fixtures_patience import PATIENCE_S

pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")
pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install -e '.[train]'"
)
import torch
import transformers

import evaluate
import train
from app.settings import load
from radd.bundle import FRAMES, SCORE, load_detector, read_manifest
from radd.cnn import SpectralCnn
from radd.encoder import BLOCK_SAMPLES, OnnxEncoder, block_spectra
from radd.errors import ModelError
from radd.features import BINS
from radd.files import load_speech
from radd.onnx import OnnxModel
from training import joint, learn
from training.config import STAGES
from training.joined_heads import read_heads
from training.networks import warm_start
from training.networks.embedding import Embedder
from training.networks.encoder import pretrained
from training.networks.spectral import SpectralNetwork

ROOT = Path(__file__).parents[1]
TINY = """[training]
steps = 7
batch = 4
crop_s = 1.024
embedding_steps = 3
references = 10
"""
ONE_STEP = TINY.replace("steps = 7", "steps = 1")
PROGRAM = (
    "import sys, train, training.learn as l; l.CHECKPOINT_STEPS = 2; "
    "sys.exit(train.main(sys.argv[1:]))"
)
pytestmark = pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # of Python 3.12 when threads fork


def run(*arguments) -> str:
    """What train.py says, with a checkpoint at every second step."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(learn, "CHECKPOINT_STEPS", 2)
        assert train.main([str(argument) for argument in arguments]) == 0
    return said.getvalue()


def start(*arguments) -> subprocess.Popen:
    """The same in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, speech) -> Path:
    """Recordings of a reader and sentences of the installed engines, both split into train and
    dev.
    """
    if not any(map(shutil.which, ("espeak-ng", "flite", "festival"))):
        pytest.skip("there is no speech engine: apt install espeak-ng")
    folder = tmp_path_factory.mktemp("corpus")
    run("generate", "engines", "--out", folder, "--clips", 8)
    fakes = (folder / "protocol.train.txt").read_text().splitlines()
    rows, reals = ["utt,source_repo,licence,lang"], {"train": [], "dev": []}
    for k, path in enumerate(sorted(speech.parent.glob("*.wav"))):
        samples, side = load_speech(path), "train" if k < 3 else "dev"
        for i, piece in enumerate(
            np.array_split(samples, len(samples) // 36_000 if side == "train" else 1)
        ):
            soundfile.write(folder / f"{path.stem}-{i}.flac", piece, 16_000)
            reals[side].append(f"austen {path.stem}-{i} - - bonafide")
            rows.append(
                f"{path.stem}-{i},books,{'unstated' if k == 1 else 'public domain (LibriVox)'},en"
            )
    (folder / "text.wav").write_text("this is no sound")
    reals["train"].append("austen text - - bonafide")
    for side, spoken in (("train", fakes[:5]), ("dev", fakes[5:])):
        (folder / f"protocol.{side}.txt").write_text("\n".join([*reals[side], *spoken, ""]))
    (folder / "meta_real.csv").write_text("\n".join([*rows, ""]))
    return folder


def arguments_of(corpus, folder, *more, recipe=TINY) -> list:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.toml").write_text(recipe)
    return [
        "fit",
        "--data",
        corpus,
        "--out",
        folder / "bundle",
        "--work",
        folder / "work",
        "--jobs",
        1,
        "--config",
        folder / "recipe.toml",
        *more,
    ]


def content(bundle: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bundle.iterdir()}


@pytest.fixture(scope="module")
def fitted(corpus, tmp_path_factory):
    """Directory and output of an unbroken run."""
    folder = tmp_path_factory.mktemp("fitted")
    return folder, run(*arguments_of(corpus, folder))


def test_a_bundle_comes_out_that_scores(corpus, fitted, speech):
    folder, said = fitted
    assert (
        said.rstrip()
        .splitlines()[-2]
        .startswith(f"left out, cannot be read: {corpus / 'text.wav'}")
    )
    told = read_manifest(folder / "bundle")["training"]
    assert (
        told["train"]["clips"] == {"bonafide": 6, "spoof": 5} and told["licences"]["unstated"] == 1
    )
    chosen = load()
    detector = load_detector(folder / "bundle", chosen.model, chosen.gate)
    samples = load_speech(speech)[: 40 * 2048]
    scores = [j.llr for j in detector.push(detector.start(), samples) if j.llr is not None]
    assert scores and np.isfinite(scores).all()
    for figure in ("loss", "dev_scores"):
        assert (folder / "work" / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (folder / "bundle" / f"{figure}.svg").read_text()
        assert f"({figure}.svg)" in (folder / "bundle" / "card.md").read_text()
    assert sum(map(len, content(folder / "bundle").values())) < 25e6


def test_a_killed_run_goes_on_to_the_same_bytes(corpus, fitted, tmp_path):
    arguments = arguments_of(corpus, tmp_path)
    ends = random.randrange(1, 5)
    with start(*arguments) as killed:
        steps = (line for line in killed.stdout if ": step " in line)
        for _ in range(ends):
            next(steps)
        killed.kill()
        killed.communicate(
            timeout=PATIENCE_S
        )  # the output ends when the worker processes that share it have ended
    assert not (tmp_path / "bundle").exists()
    run(*arguments)
    assert content(tmp_path / "bundle") == content(fitted[0] / "bundle"), f"killed at report {ends}"


def test_other_clips_are_not_taken_for_learned(corpus, fitted, tmp_path):
    shutil.copytree(fitted[0] / "work", tmp_path / "work")
    said = run(*arguments_of(corpus, tmp_path, "--licences", "permissive"))
    assert "train: 10 of 12 clips" in said and "networks: step 2 of 7" in said
    told = read_manifest(tmp_path / "bundle")["training"]
    assert (
        told["train"]["clips"] == {"bonafide": 5, "spoof": 5} and "unstated" not in told["licences"]
    )
    assert "licence allows any use" in (tmp_path / "bundle" / "card.md").read_text()
    assert (
        content(tmp_path / "bundle")["cnn_score.onnx"]
        != content(fitted[0] / "bundle")["cnn_score.onnx"]
    )


def test_the_stages_one_by_one_make_the_same_bundle(corpus, fitted, tmp_path):
    shutil.copytree(
        fitted[0] / "work", tmp_path / "work", ignore=shutil.ignore_patterns("bundle", "decoded")
    )
    for stage in STAGES:
        assert not (tmp_path / "bundle").exists()
        said = run(*arguments_of(corpus, tmp_path, "--stage", stage))
        assert "networks: step" not in said, "what the checkpoints hold was learned again"
        assert (tmp_path / "work" / "decoded" / "speech").exists() == (stage != "prepare")
    assert content(tmp_path / "bundle") == content(fitted[0] / "bundle")
    assert not list((tmp_path / "work").rglob("checkpoint.pt")), (
        "asked for again, the stage would not learn anew"
    )


SMALL = {
    "conv_dim": (16, 16),
    "conv_kernel": (10, 3),
    "conv_stride": (160, 2),
    "num_feat_extract_layers": 2,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_conv_pos_embeddings": 7,
    "num_conv_pos_embedding_groups": 2,
}


def test_learning_goes_on_from_a_bundle(corpus, fitted, tmp_path):
    before = fitted[0] / "bundle"
    run(*arguments_of(corpus, tmp_path, "--start", before, recipe=f"{ONE_STEP}rate = 1e-7\n"))
    told = read_manifest(tmp_path / "bundle")["training"]
    assert (
        told["before"] == [read_manifest(before)["training"]["recipe"]]
        and told["recipe"]["steps"] == 1
    )
    spectra = np.random.default_rng(0).standard_normal((64, BINS)).astype(np.float32)
    first, second = (
        SpectralCnn(bundle / FRAMES, bundle / SCORE) for bundle in (before, tmp_path / "bundle")
    )
    frames, more = (cnn.frames(cnn.start(), spectra) for cnn in (first, second))
    assert np.allclose(frames, more, atol=1e-3) and frames.std() > 0.1
    sound = 0.1 * torch.randn(2, BLOCK_SAMPLES)
    with torch.no_grad():
        heard, still = (
            warm_start.block_encoder(b).eval().hidden(sound) for b in (before, tmp_path / "bundle")
        )
    assert torch.allclose(heard, still, atol=1e-3) and heard.std() > 0.1


def test_self_supervised_learning_comes_before(corpus, fitted, tmp_path):
    said = run(*arguments_of(corpus, tmp_path, recipe=f"{ONE_STEP}pretrain_steps = 2\n"))
    assert "pretrained: step 2 of 2" in said and "networks: step 1 of 1" in said
    assert (
        content(tmp_path / "bundle")["encoder.onnx"]
        != content(fitted[0] / "bundle")["encoder.onnx"]
    )


@pytest.mark.parametrize("kind", ["Wav2Vec2", "WavLM"])
def test_a_model_in_the_form_of_the_hub_is_exported_as_it_is(corpus, kind, tmp_path):
    torch.manual_seed(3)
    saved = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**SMALL))
    saved.save_pretrained(tmp_path / "hub")
    recipe = f'{ONE_STEP}encoder = "{tmp_path / "hub"}"\nencoder_layer = 1\nencoder_frozen = true\n'
    run(*arguments_of(corpus, tmp_path, recipe=recipe))
    manifest = read_manifest(tmp_path / "bundle")
    assert manifest["training"]["recipe"]["encoder"] == str(tmp_path / "hub")
    learned = torch.load(tmp_path / "work" / "embedding" / "checkpoint.pt", weights_only=True)[
        "average"
    ]

    def network(layer: int):
        embedder = Embedder(joint.Pair(SpectralNetwork(), pretrained(str(tmp_path / "hub"), layer)))
        embedder.load_state_dict(learned)
        return embedder.eval()

    for name, value in saved.state_dict().items():
        assert torch.equal(learned[f"pair.encoder.speech_model.{name}"], value), (
            f"{name} is frozen and changed"
        )
    samples = 0.1 * np.random.default_rng(0).standard_normal((3, BLOCK_SAMPLES)).astype(np.float32)
    heard = (
        torch.from_numpy(samples),
        torch.from_numpy(np.stack([block_spectra(block) for block in samples])),
    )
    with torch.no_grad():
        (_, expected), (_, other) = (network(layer)(*heard) for layer in (1, 2))
    encoder = OnnxEncoder(tmp_path / "bundle" / "encoder.onnx", manifest["encoder_id"])
    for block, score, elsewhere in zip(samples, expected.numpy(), other.numpy(), strict=True):
        assert abs(encoder.embed(block)[1] - score) < 1e-5 < abs(score - elsewhere)


@pytest.mark.parametrize(
    "change, words",
    [
        (["--data", "nowhere"], "protocol.train.txt is missing"),
        (["--exclude", "nobody.txt"], "cannot read the speakers to leave out"),
        (["--out", str(ROOT / "docs")], "neither empty nor a bundle"),
        (["--stage", "index"], "no network has been trained; run --stage train first"),
    ],
)
def test_mistakes(corpus, tmp_path, capsys, change, words):
    assert (
        train.main([str(argument) for argument in [*arguments_of(corpus, tmp_path), *change]]) == 2
    )
    assert words in capsys.readouterr().err


@pytest.fixture(scope="module")
def backbone(whisper, distill_mos, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("backbone") / "backbone.onnx"
    run("backbone", "--whisper", whisper, "--distill-mos", distill_mos, "--out", path)
    return path


def test_a_head_learns_on_a_frozen_backbone(corpus, fitted, backbone, speech, tmp_path):
    recipe = TINY + f'backbone = "{backbone}"\nchannel_copies = 1.0\nhead_seeds = 2\n'
    taken = fitted[0] / "bundle"
    arguments = arguments_of(corpus, tmp_path, "--start", taken, recipe=recipe)
    run(*arguments)
    made, manifest = tmp_path / "bundle", read_manifest(tmp_path / "bundle")
    assert (made / "backbone.onnx").read_bytes() == backbone.read_bytes()
    assert (made / FRAMES).read_bytes() == (taken / FRAMES).read_bytes()
    assert manifest["encoder_id"] != read_manifest(taken)["encoder_id"]
    chosen = load()
    detector = load_detector(made, chosen.model, chosen.gate)
    judged = detector.push(detector.start(), load_speech(speech)[: 40 * 2048])
    assert [j.llr for j in judged if j.llr is not None] and any(j.neighbours for j in judged)

    first = content(made)
    run(*arguments)
    assert content(made) == first
    (made / "backbone.onnx").write_bytes(backbone.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"backbone\.onnx"):
        load_detector(made, chosen.model, chosen.gate)


def test_a_backbone_needs_a_network_on_the_spectrum(corpus, backbone, tmp_path, capsys):
    for recipe, more, problem in (
        (f'backbone = "{backbone}"', [], "--start"),
        ('backbone = "missing.onnx"', ["--start", ROOT / "models" / "default"], "missing.onnx"),
        (
            f'backbone = "{backbone}"\nteacher = "absent.onnx"',
            ["--start", ROOT / "models" / "default"],
            "absent.onnx",
        ),
    ):
        arguments = arguments_of(corpus, tmp_path, *more, recipe=f"{TINY}{recipe}\n")
        assert train.main([str(argument) for argument in arguments]) == 2
        assert problem in capsys.readouterr().err


@pytest.fixture(scope="module")
def many_sources(corpus, tmp_path_factory) -> Path:
    """The same recordings as if each came from a source of its own."""
    folder = tmp_path_factory.mktemp("sources")
    shutil.copytree(corpus, folder, dirs_exist_ok=True)
    (folder / "meta_real.csv").unlink()
    names = [
        line.split()[1]
        for side in ("train", "dev")
        for line in (folder / f"protocol.{side}.txt").read_text().splitlines()
    ]
    rows = ["utt,source_repo", *(f"{name},page {name}" for name in names)]
    (folder / "meta_sources.csv").write_text("\n".join([*rows, ""]))
    return folder


def test_heads_on_a_larger_backbone_teach_those_on_a_smaller(
    many_sources, fitted, backbone, tmp_path
):
    small, learned = tmp_path / "small.onnx", []
    run("backbone", "--cut", backbone, "--out", small)
    for name, more in (
        ("labels", ""),
        ("alone", "soft_labels = 0.5"),
        ("taught", f'soft_labels = 0.5\nteacher = "{backbone}"'),
    ):
        recipe = f'{TINY}backbone = "{small}"\nhead_seeds = 1\n{more}\n'
        stage = "--start", fitted[0] / "bundle", "--stage", "train"
        run(*arguments_of(many_sources, tmp_path / name, *stage, recipe=recipe))
        learned.append((tmp_path / name / "work" / "bundle" / "encoder.onnx").read_bytes())
    assert len(set(learned)) == 3


def test_heads_of_a_bundle_learn_on(corpus, fitted, backbone, tmp_path, capsys):
    recipe = f'{TINY}backbone = "{backbone}"\nhead_seeds = 2\n'
    taken = "--start", fitted[0] / "bundle", "--stage", "train"
    run(*arguments_of(corpus, tmp_path / "first", *taken, recipe=recipe))
    first = tmp_path / "first" / "work" / "bundle"
    width = OnnxModel(backbone).run(samples=np.zeros((1, BLOCK_SAMPLES), np.float32))[0].shape[1]
    again = "--start", first, "--stage", "train"
    run(*arguments_of(corpus, tmp_path / "on", *again, recipe=recipe + "tune_heads = true\n"))
    before, after = (
        [head.out.weight for head in read_heads(made / "encoder.onnx", width)]
        for made in (first, tmp_path / "on" / "work" / "bundle")
    )
    assert len(before) == len(after) == 2
    for old, new in zip(before, after, strict=True):
        assert 0 < (new - old).abs().max() < 0.05

    both = recipe + "tune_heads = true\nkeep_heads = true\n"
    arguments = arguments_of(corpus, tmp_path / "both", *again, recipe=both)
    assert train.main([str(argument) for argument in arguments]) == 2
    assert "keep_heads and tune_heads are both true" in capsys.readouterr().err


def test_crossval_scores_every_clip_for_evaluate(many_sources, backbone, tmp_path, capsys):
    (tmp_path / "recipe.toml").write_text(f'{TINY}backbone = "{backbone}"\n')
    out = tmp_path / "scores.csv"
    settings = ["--work", tmp_path / "work", "--config", tmp_path / "recipe.toml"]
    told = run("crossval", "--data", many_sources, *settings, "--out", out, "--folds", 2)
    assert "EER, pooled" in told and "real called fake at 10 % missed" in told
    metrics = ["metrics", "--scores", str(out), "--out", str(tmp_path / "metrics")]
    assert evaluate.main(metrics) == 0
    assert "eer_percent" in capsys.readouterr().out


def test_crossval_of_one_source_of_a_label_is_refused(corpus, backbone, tmp_path, capsys):
    (tmp_path / "recipe.toml").write_text(f'{TINY}backbone = "{backbone}"\n')
    arguments = ["crossval", "--data", corpus, "--work", tmp_path / "work", "--folds", 2]
    arguments += ["--config", tmp_path / "recipe.toml", "--out", tmp_path / "scores.csv"]
    assert train.main([str(argument) for argument in arguments]) == 2
    assert "one label only" in capsys.readouterr().err
