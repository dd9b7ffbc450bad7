"""train.py fit --model wav2vec2: a head on any Wav2Vec2-family encoder, frozen or learning
along.
"""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")
pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install -e '.[train]'"
)
import torch
import transformers

import train
from app.settings import load
from radd.bundle import load_detector, read_manifest
from radd.files import load_speech
from radd.flac import flac_bytes
from radd.types import HOP_SAMPLES
from training.baselines.wav2vec2 import LinearHead
from training.networks.encoder import pretrained

DEMO = Path(__file__).parents[1] / "assets" / "demo.flac"
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
pytestmark = pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # of Python 3.12 when threads fork


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    """A WavLM saved as the hub has it."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("hub")
    transformers.WavLMModel(transformers.WavLMConfig(**SMALL)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Pieces of speech as they are, and their differences, which count as spoof."""
    folder, sides = tmp_path_factory.mktemp("corpus"), {"train": [], "dev": []}
    speech = load_speech(DEMO)
    for k, piece in enumerate(np.array_split(speech[: len(speech) // 2], 4)):
        for label, sound in (("bonafide", piece), ("spoof", np.diff(piece, append=np.float32(0)))):
            (folder / f"{label}{k}.flac").write_bytes(flac_bytes(sound.astype(np.float32)))
            sides["train" if k < 2 else "dev"].append(
                f"- {label}{k} - {'-' if label == 'bonafide' else 'diff'} {label}"
            )
    for side, lines in sides.items():
        (folder / f"protocol.{side}.txt").write_text("\n".join([*lines, ""]))
    return folder


def fit(corpus: Path, folder: Path, *more, recipe: str = "") -> int:
    (folder / "recipe.toml").write_text(f"[training]\nsteps = 2\nbatch = 2\n{recipe}")
    return train.main(
        [
            *map(
                str,
                (
                    "fit",
                    "--model",
                    "wav2vec2",
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
                ),
            )
        ]
    )


@pytest.mark.parametrize("frozen", [True, False])
def test_a_head_on_an_encoder_becomes_a_bundle_that_listens(corpus, encoder, tmp_path, frozen):
    assert (
        fit(
            corpus,
            tmp_path,
            "--encoder",
            encoder,
            recipe=f"encoder_frozen = {str(frozen).lower()}\n",
        )
        == 0
    )
    manifest, chosen = read_manifest(tmp_path / "bundle"), load(environ={})
    recipe = manifest["training"]["recipe"]
    assert (recipe["encoder"], recipe["encoder_frozen"]) == (str(encoder), frozen)
    assert recipe["rate"] == (chosen.training.rate if frozen else 5e-5)
    [checkpoint] = (tmp_path / "work").rglob("checkpoint.pt")
    learned = torch.load(checkpoint, weights_only=True)["average"]
    before = pretrained(str(encoder), -1).speech_model.state_dict()
    kept = [
        torch.equal(learned[f"encoder.speech_model.{name}"], value)
        for name, value in before.items()
    ]
    assert all(kept) if frozen else not all(kept)
    network = LinearHead(pretrained(str(encoder), -1), frozen)
    network.load_state_dict(learned)
    assert manifest["model"]["parameters"] == sum(p.numel() for p in network.parameters())
    detector = load_detector(tmp_path / "bundle", chosen.model, chosen.gate)
    llr = [
        judgement.llr
        for judgement in detector.push(detector.start(), load_speech(DEMO)[: 40 * HOP_SAMPLES])
    ]
    assert np.isfinite([value for value in llr if value is not None]).sum() > 10


@pytest.mark.parametrize(
    "more, recipe, code, words",
    [
        ([], "encoder_frozen = true\n", 2, "the compact encoder is untrained"),
        (["--encoder", "nowhere/at-all"], "", 4, "encoder 'nowhere/at-all' is not available"),
    ],
)
def test_mistakes(corpus, tmp_path, capsys, monkeypatch, more, recipe, code, words):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert fit(corpus, tmp_path, *more, recipe=recipe) == code
    assert words in capsys.readouterr().err
