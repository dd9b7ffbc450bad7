"""The pretrained backbone: the weights land where they belong, and a block's level says nothing."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from fixtures_backbone import HEADS, distill_mos_weights

from radd.encoder import BLOCK_SAMPLES
from radd.errors import ModelError
from radd.onnx import OnnxModel

pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")
pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install -e '.[train]'"
)
import onnx
import torch
import transformers
from onnx import TensorProto, helper

from training.backbones.backbone import Backbone, export_backbone
from training.backbones.cut import cut_backbone
from training.backbones.distill_mos import DistillMosCnn
from training.backbones.distill_mos import load as load_distill_mos
from training.backbones.whisper import (
    WhisperBlocks,
    from_ctranslate2,
    from_transformers,
    load,
)


@pytest.fixture(scope="module")
def backbone(whisper) -> Backbone:
    return Backbone(DistillMosCnn(distill_mos_weights()), from_transformers(str(whisper))).eval()


def sound(blocks: int = 2) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 0.1, (blocks, BLOCK_SAMPLES)).astype(np.float32)


def test_the_blocks_are_those_of_transformers(whisper):
    samples = sound(1)
    extractor = transformers.WhisperFeatureExtractor()
    mel = extractor(
        samples[0], sampling_rate=16_000, padding="do_not_pad", return_tensors="pt"
    ).input_features
    model = transformers.WhisperModel.from_pretrained(whisper).eval()
    with torch.no_grad():
        layers = model.encoder(mel, output_hidden_states=True).hidden_states[1:4]
        frames = from_transformers(str(whisper))(torch.from_numpy(samples))[0]
    for mine, theirs in zip(frames, layers, strict=True):
        assert torch.allclose(mine, theirs[0], atol=2e-4)


def ctranslate2_file(network: WhisperBlocks) -> bytes:
    """The encoder as CTranslate2 stores it, in float16."""
    arrays = {
        "encoder/num_heads": np.array(HEADS, np.int16),
        "encoder/position_encodings/encodings": network.positions,
        "encoder/conv1/weight": network.first.weight,
        "encoder/conv1/bias": network.first.bias,
        "encoder/conv2/weight": network.second.weight,
        "encoder/conv2/bias": network.second.bias,
    }
    for k, block in enumerate(network.blocks):
        for name, part in {
            "self_attention/layer_norm": block.attention_norm,
            "self_attention/linear_0": block.query_key_value,
            "self_attention/linear_1": block.out,
            "ffn/layer_norm": block.ffn_norm,
            "ffn/linear_0": block.widen,
            "ffn/linear_1": block.narrow,
        }.items():
            scale, shift = ("gamma", "beta") if name.endswith("norm") else ("weight", "bias")
            arrays[f"encoder/layer_{k}/{name}/{scale}"] = part.weight
            arrays[f"encoder/layer_{k}/{name}/{shift}"] = part.bias
    text = lambda name: struct.pack("<H", len(name) + 1) + name.encode() + b"\0"  # noqa: E731, one place
    out = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        values = array.detach().numpy() if isinstance(array, torch.Tensor) else array
        values = values if values.dtype == np.int16 else values.astype("<f2")
        kind = 2 if values.dtype == np.int16 else 4
        out += text(name) + struct.pack("B", values.ndim)
        out += struct.pack(f"<{values.ndim}I", *values.shape)
        out += struct.pack("<BI", kind, values.nbytes) + values.tobytes()
    return out


def test_a_ctranslate2_file_gives_the_same_network(whisper, tmp_path):
    network = from_transformers(str(whisper))
    file = tmp_path / "model.bin"
    file.write_bytes(ctranslate2_file(network))
    samples = torch.from_numpy(sound())
    with torch.no_grad():
        assert torch.allclose(from_ctranslate2(file)(samples), network(samples), atol=5e-3)
        assert torch.equal(load(str(file))(samples), from_ctranslate2(file)(samples))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\6\0\0\0\x0c\0WhisperSpec\0\3\0\0\0\1"])
def test_another_file_is_refused(content, tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.bin"):
        from_ctranslate2(file)
    with pytest.raises(ModelError, match=r"distill_mos_v7\.pt"):
        load_distill_mos(file)


def test_weights_without_convolutions_are_refused():
    with pytest.raises(ModelError, match="Distill-MOS"):
        DistillMosCnn({"transformer.weight": torch.zeros(1)})


def test_the_level_of_a_block_says_nothing(backbone):
    samples = torch.from_numpy(sound())
    with torch.no_grad():
        assert torch.allclose(backbone(samples), backbone(0.01 * samples), atol=1e-4)


def test_the_exported_network_has_half_the_size_and_the_same_features(backbone, tmp_path):
    path = tmp_path / "backbone.onnx"
    export_backbone(backbone, path)
    samples = sound(3)
    with torch.no_grad():
        expected = backbone(torch.from_numpy(samples)).numpy()
    assert np.allclose(OnnxModel(path).run(samples=samples)[0], expected, atol=1e-3)
    large = sum(p.numel() for p in backbone.parameters() if p.numel() >= 4096)
    large += sum(b.numel() for b in backbone.buffers() if b.numel() >= 4096)
    stored = path.stat().st_size
    assert stored < 2 * large + 150_000


def test_the_cut_backbone_gives_the_features_of_whispers_blocks_alone(backbone, tmp_path):
    whole, part = tmp_path / "backbone.onnx", tmp_path / "part.onnx"
    export_backbone(backbone, whole)
    cut_backbone(whole, part)
    samples = sound(3)
    expected = OnnxModel(whole).run(samples=samples)[0]
    kept = OnnxModel(part).run(samples=samples)[0]
    assert 0 < kept.shape[1] < expected.shape[1]
    assert np.array_equal(kept, expected[:, -kept.shape[1] :])
    assert part.stat().st_size < whole.stat().st_size
    assert list(OnnxModel(part).metadata) == ["WhisperBlocks"]


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_the_first_blocks_of_a_cut_backbone_keep_their_features(backbone, tmp_path, blocks):
    whole, part, fewer = (tmp_path / f"{name}.onnx" for name in ("whole", "part", "fewer"))
    export_backbone(backbone, whole)
    cut_backbone(whole, part)
    cut_backbone(whole, fewer, blocks)
    samples = sound(3)
    expected = OnnxModel(part).run(samples=samples)[0]
    kept = OnnxModel(fewer).run(samples=samples)[0]
    assert kept.shape[1] * 3 == expected.shape[1] * blocks
    assert np.array_equal(kept, expected[:, : kept.shape[1]])
    assert OnnxModel(fewer).metadata["WhisperBlocks"].startswith(f"the first {blocks} of")


@pytest.mark.parametrize("blocks", [0, -1, 4])
def test_a_cut_keeps_no_more_blocks_than_there_are(backbone, tmp_path, blocks):
    whole = tmp_path / "backbone.onnx"
    export_backbone(backbone, whole)
    with pytest.raises(ModelError, match=f"3 blocks of Whisper, not {blocks}"):
        cut_backbone(whole, tmp_path / "part.onnx", blocks)
    assert not (tmp_path / "part.onnx").exists()


def test_a_network_without_blocks_is_refused(tmp_path):
    halves = [helper.make_node("Identity", ["samples"], [name]) for name in ("a", "b")]
    joined = helper.make_node("Concat", ["a", "b"], ["features"], axis=1)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])
        for name, width in (("samples", 4), ("features", 8))
    ]
    graph = helper.make_graph([*halves, joined], "foreign", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), tmp_path / "foreign.onnx")
    with pytest.raises(ModelError, match="no blocks of Whisper"):
        cut_backbone(tmp_path / "foreign.onnx", tmp_path / "part.onnx", 2)


def test_only_a_backbone_of_both_networks_is_cut(backbone, tmp_path):
    whole, part = tmp_path / "backbone.onnx", tmp_path / "part.onnx"
    export_backbone(backbone, whole)
    cut_backbone(whole, part)
    with pytest.raises(ModelError, match="two networks"):
        cut_backbone(part, tmp_path / "again.onnx")
    whole.write_bytes(b"not a network")
    with pytest.raises(ModelError, match="no ONNX network"):
        cut_backbone(whole, part)
