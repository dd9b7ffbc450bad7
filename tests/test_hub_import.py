"""train.py import: audio classifiers in the hub's format become bundles that say what transformers
says of them.
"""

import json
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
from radd.bundle import CARD, load_detector, read_manifest
from radd.errors import ModelError
from radd.files import load_speech
from radd.flac import flac_bytes
from radd.types import HOP_SAMPLES
from training.hub_import import WINDOW_HOPS, classes_of, front

DEMO = Path(__file__).parents[1] / "assets" / "demo.flac"
TINY = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
CONVOLUTIONS = {
    "conv_dim": (16, 16),
    "conv_kernel": (10, 3),
    "conv_stride": (160, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 7,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
}


def saved(folder, kind: str, names: list[str]):
    """A model of a kind without any learning, saved as the hub has it, and its feature
    extractor.
    """
    torch.manual_seed(5)
    labels = {
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }
    if kind == "AST":
        config = transformers.ASTConfig(**TINY, **labels, max_length=500, patch_size=8)
        model, extractor = (
            transformers.ASTForAudioClassification(config),
            transformers.ASTFeatureExtractor(max_length=500),
        )
    else:
        config = getattr(transformers, f"{kind}Config")(**TINY, **CONVOLUTIONS, **labels)
        model = getattr(transformers, f"{kind}ForSequenceClassification")(config)
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(
                parameter
            )  # biases of zero and heads near it would hide a difference
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return model.eval(), extractor


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")
@pytest.mark.parametrize(
    "kind, names",
    [
        ("Wav2Vec2", ["fake", "real"]),
        ("WavLM", ["Bona-fide", "Spoof"]),
        ("AST", ["human_voice", "tts", "vocoded"]),
    ],
)
def test_a_bundle_says_what_the_model_says(tmp_path, kind, names):
    model, extractor = saved(tmp_path / "hub", kind, names)
    told = [
        f"--label={name}={'bonafide' if name == 'human_voice' else 'spoof'}"
        for name in names
        if len(names) == 3
    ]
    assert (
        train.main(["import", f"hf:{tmp_path / 'hub'}", "--out", str(tmp_path / "bundle"), *told])
        == 0
    )
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(WINDOW_HOPS * HOP_SAMPLES)).astype(np.float32)
    with torch.no_grad():
        heard = extractor(samples, sampling_rate=16_000, return_tensors="pt")["input_values"]
        logits = dict(zip(names, model(heard).logits[0].double().numpy(), strict=True))
    bonafide = [v for name, v in logits.items() if name in ("real", "Bona-fide", "human_voice")]
    spoof = [v for name, v in logits.items() if name not in ("real", "Bona-fide", "human_voice")]
    expected = np.logaddexp.reduce(bonafide) - np.logaddexp.reduce(spoof)
    chosen = load(environ={})
    detector = load_detector(tmp_path / "bundle", chosen.model, chosen.gate)
    last = detector.push(detector.start(), samples, gated=False)[-1]
    assert last.llr == pytest.approx(expected, abs=2e-4) and abs(expected) > 1e-3
    origin = read_manifest(tmp_path / "bundle")["training"]
    assert origin["parameters"] == sum(p.numel() for p in model.parameters())
    (tmp_path / "metrics.json").write_text(json.dumps({"eer_percent": 12.5}))
    assert (
        train.main(
            [
                "card",
                "--bundle",
                str(tmp_path / "bundle"),
                "--metrics",
                f"eval={tmp_path / 'metrics.json'}",
            ]
        )
        == 0
    )
    card = (tmp_path / "bundle" / CARD).read_text()
    assert names[-1] in card and "12.5" in card and "Nobody has calibrated" in card


def test_scores_are_calibrated_on_a_dev_side(tmp_path):
    saved(tmp_path / "hub", "Wav2Vec2", ["fake", "real"])
    speech, lines = load_speech(DEMO), []
    for k, piece in enumerate(np.array_split(speech[: len(speech) // 4], 2)):
        for label, sound in (("bonafide", piece), ("spoof", np.diff(piece, append=np.float32(0)))):
            (tmp_path / f"{label}{k}.flac").write_bytes(flac_bytes(sound.astype(np.float32)))
            lines.append(f"- {label}{k} - {'-' if label == 'bonafide' else 'diff'} {label}")
    (tmp_path / "protocol.train.txt").write_text("\n".join(lines))
    (tmp_path / "protocol.dev.txt").write_text("\n".join(lines))
    bundle = tmp_path / "bundle"
    assert (
        train.main(
            [
                str(argument)
                for argument in (
                    "import",
                    f"hf:{tmp_path / 'hub'}",
                    "--out",
                    bundle,
                    "--data",
                    tmp_path,
                    "--work",
                    tmp_path / "work",
                )
            ]
        )
        == 0
    )
    fitted = read_manifest(bundle)["calibration"]["alone"]
    assert np.isfinite(fitted).all() and [1.0, 0.0] not in fitted
    card = (bundle / CARD).read_text()
    assert f"calibrated on clips of {tmp_path.name}" in card and "Nobody" not in card


@pytest.mark.parametrize(
    "names, labels, words",
    [
        (
            ["LABEL_0", "LABEL_1"],
            {},
            "--label LABEL_0=bonafide|spoof --label LABEL_1=bonafide|spoof",
        ),
        (["real", "fake", "music"], {}, "say what music mean with --label music=bonafide|spoof"),
        (["fake", "spoof"], {}, "they cannot all mean the same"),
        (["real", "fake"], {"unreal": "spoof"}, "has no class unreal; it has real, fake"),
    ],
)
def test_classes_that_do_not_say_what_they_mean_are_refused(names, labels, words):
    with pytest.raises(ModelError) as refused:
        classes_of("hf:some/model", dict(enumerate(names)), labels)
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_classes_are_found_by_their_names_or_by_what_is_said_of_them():
    assert classes_of("hf:x", {0: "AI-generated", 1: "Human"}, {}) == {
        "bonafide": [1],
        "spoof": [0],
    }
    named = {"LABEL_0": "spoof", "LABEL_1": "bonafide"}
    assert classes_of("hf:x", {0: "LABEL_0", 1: "LABEL_1"}, named) == {
        "bonafide": [1],
        "spoof": [0],
    }


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(
        ModelError, match="a model of kind whisper; this program converts data2vec-audio, hubert"
    ):
        front("hf:some/model", "whisper", None)


def test_what_cannot_be_converted_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    transformers.WhisperConfig().save_pretrained(tmp_path / "config-alone")
    for name in ("nobody/nothing", tmp_path / "config-alone"):
        assert train.main(["import", f"hf:{name}", "--out", str(tmp_path / "bundle")]) == 4
        said = capsys.readouterr().err
        assert f"hf:{name} is not available" in said and said.count("\n") == 1
    assert not (tmp_path / "bundle").exists()
