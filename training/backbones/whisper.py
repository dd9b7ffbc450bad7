"""The first blocks of Whisper's encoder (Radford et al. 2023).

The blocks near the input carry the traces of synthesis; later ones keep the words and drop them.
The weights come from transformers or from CTranslate2's converted file, which both hold the same
published model (MIT licence).
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers.audio_utils import mel_filter_bank

from radd.errors import ModelError
from radd.types import SAMPLE_RATE_HZ
from training.backbones.spectrum import Fourier

BLOCKS = 3
FFT_SAMPLES, STEP_SAMPLES, BANDS = 400, 160, 80
FLOOR, RANGE = 1e-10, 8.0  # power, and decades below the loudest point that are kept
_CT2_TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
_CT2_HEADER = "WhisperSpec"


class EncoderBlock(nn.Module):
    """A transformer block with the layer norms before its two parts."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Frames (batch, time, width) after this block."""
        batch, time, width = x.shape
        depth = width // self.heads
        joined = self.query_key_value(self.attention_norm(x))
        query, key, value = (
            joined.reshape(batch, time, 3, self.heads, depth).permute(2, 0, 3, 1, 4).unbind(0)
        )
        share = torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(depth), -1)
        x = x + self.out((share @ value).transpose(1, 2).reshape(batch, time, width))
        return x + self.narrow(gelu(self.widen(self.ffn_norm(x))))


class WhisperBlocks(nn.Module):
    """Sound -> the frames after each of the first blocks, 20 ms apart."""

    bank: Tensor
    positions: Tensor

    def __init__(self, width: int, heads: int, positions: Tensor, blocks: int = BLOCKS) -> None:
        super().__init__()
        self.width = width
        self.fourier = Fourier(FFT_SAMPLES, STEP_SAMPLES, FFT_SAMPLES // 2)
        bank = mel_filter_bank(
            FFT_SAMPLES // 2 + 1,
            BANDS,
            0,
            SAMPLE_RATE_HZ / 2,
            SAMPLE_RATE_HZ,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("bank", torch.tensor(bank.T, dtype=torch.float32))
        self.register_buffer("positions", positions.float())
        self.first = nn.Conv1d(BANDS, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(EncoderBlock(width, heads) for _ in range(blocks))

    def forward(self, samples: Tensor) -> Tensor:
        """Frames (batch, blocks, time, width) of samples (batch, n), full scale +-1."""
        real, imaginary = self.fourier(samples)
        power = self.bank @ (real.square() + imaginary.square())[..., :-1]
        decades = power.clamp(min=FLOOR).log10()
        loud = torch.maximum(decades, decades.amax((1, 2), keepdim=True) - RANGE)
        x = gelu(self.second(gelu(self.first((loud + 4) / 4)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        layers = []
        for block in self.blocks:
            x = block(x)
            layers.append(x)
        return torch.stack(layers, 1)


def load(named: str) -> WhisperBlocks:
    """The cut encoder of a CTranslate2 file `model.bin`, or of a Whisper model of transformers by
    hub name or directory.

    Raises ModelError where it is neither.
    """
    path = Path(named)
    return from_ctranslate2(path) if path.is_file() else from_transformers(named)


def from_transformers(name: str) -> WhisperBlocks:
    """The cut encoder of a Whisper model by hub name or directory, or a ModelError."""
    from transformers import WhisperModel

    from training.networks.encoder import from_hub

    model = from_hub(WhisperModel.from_pretrained, name, f"backbone {name!r}", "a Whisper model")
    encoder = model.encoder
    heads = model.config.encoder_attention_heads
    network = WhisperBlocks(model.config.d_model, heads, encoder.embed_positions.weight.detach())
    _copy(network.first, encoder.conv1.weight, encoder.conv1.bias)
    _copy(network.second, encoder.conv2.weight, encoder.conv2.bias)
    for block, layer in zip(_blocks(network), encoder.layers, strict=False):
        attention = layer.self_attn
        projections = attention.q_proj, attention.k_proj, attention.v_proj
        no_bias = torch.zeros(network.width)  # Whisper's keys have none
        biases = [no_bias if p.bias is None else p.bias for p in projections]
        _copy(block.query_key_value, torch.cat([p.weight for p in projections]), torch.cat(biases))
        _copy(block.out, attention.out_proj.weight, attention.out_proj.bias)
        _copy(
            block.attention_norm, layer.self_attn_layer_norm.weight, layer.self_attn_layer_norm.bias
        )
        _copy(block.ffn_norm, layer.final_layer_norm.weight, layer.final_layer_norm.bias)
        _copy(block.widen, layer.fc1.weight, layer.fc1.bias)
        _copy(block.narrow, layer.fc2.weight, layer.fc2.bias)
    return network.eval()


def from_ctranslate2(path: Path) -> WhisperBlocks:
    """The cut encoder of CTranslate2's `model.bin`; raises ModelError where the file is no such."""
    weights = read_ctranslate2(path)

    def get(name: str) -> Tensor:
        try:
            return torch.from_numpy(weights[f"encoder/{name}"].astype(np.float32))
        except KeyError:
            raise ModelError(f"{path} has no encoder/{name}; expected a Whisper model") from None

    first = get("conv1/weight")
    network = WhisperBlocks(len(first), int(get("num_heads")), get("position_encodings/encodings"))
    _copy(network.first, first, get("conv1/bias"))
    _copy(network.second, get("conv2/weight"), get("conv2/bias"))
    for k, block in enumerate(_blocks(network)):
        parts = {
            "self_attention/layer_norm": block.attention_norm,
            "self_attention/linear_0": block.query_key_value,
            "self_attention/linear_1": block.out,
            "ffn/layer_norm": block.ffn_norm,
            "ffn/linear_0": block.widen,
            "ffn/linear_1": block.narrow,
        }
        for name, part in parts.items():
            scale, shift = ("gamma", "beta") if name.endswith("norm") else ("weight", "bias")
            at = f"layer_{k}/{name}"
            _copy(part, get(f"{at}/{scale}"), get(f"{at}/{shift}"))
    return network.eval()


def _blocks(network: WhisperBlocks) -> list[EncoderBlock]:
    return [block for block in network.blocks if isinstance(block, EncoderBlock)]


def _copy(part: nn.Module, weight: Tensor, bias: Tensor) -> None:
    part.get_parameter("weight").data.copy_(weight.detach())
    part.get_parameter("bias").data.copy_(bias.detach())


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a CTranslate2 model file by name; raises ModelError where it is not one."""
    try:
        return dict(_ctranslate2_arrays(path.read_bytes()))
    except (OSError, struct.error, KeyError, ValueError) as error:
        raise ModelError(
            f"{path} is no CTranslate2 model of Whisper ({error}); expected its model.bin"
        ) from None


def _ctranslate2_arrays(data: bytes):
    at = 4  # behind the format's version

    def number(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
        return value

    def text() -> str:
        nonlocal at
        size = number("<H")
        at += size
        return data[at - size : at].rstrip(b"\0").decode("utf-8", "replace")

    if (spec := text()) != _CT2_HEADER:
        raise ValueError(f"it begins with {spec[:20]!r}, not {_CT2_HEADER!r}")
    number("<I")  # the specification's revision
    for _ in range(number("<I")):
        name, rank = text(), number("B")
        shape = [number("<I") for _ in range(rank)]
        kind, size = np.dtype(_CT2_TYPES[number("B")]), number("<I")
        yield name, np.frombuffer(data, kind, size // kind.itemsize, at).reshape(shape)
        at += size
