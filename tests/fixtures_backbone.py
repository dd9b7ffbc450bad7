"""A small backbone with random weights, in the layout of the published ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from radd.encoder import BLOCK_SAMPLES

WIDTH, HEADS = 16, 2


@pytest.fixture(scope="session")
def whisper(tmp_path_factory) -> Path:
    """A small Whisper model with random weights, saved by transformers."""
    import torch
    import transformers

    torch.manual_seed(3)
    config = transformers.WhisperConfig(
        d_model=WIDTH,
        encoder_layers=4,
        encoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_layers=1,
        decoder_attention_heads=HEADS,
        decoder_ffn_dim=4 * WIDTH,
        max_source_positions=BLOCK_SAMPLES // 320,
        vocab_size=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    directory = tmp_path_factory.mktemp("whisper")
    transformers.WhisperModel(config).save_pretrained(directory)
    return directory


def distill_mos_weights() -> dict:
    """Random weights in the layout of the published network, narrower."""
    import torch

    torch.manual_seed(4)
    widths, weights = (2, 4, 4, 6), {}
    for k in range(3):
        weights[f"cnn.cnn.{2 * k}.weight"] = 0.3 * torch.randn(widths[k + 1], widths[k], 3, 3)
        weights[f"cnn.cnn.{2 * k}.bias"] = 0.1 * torch.randn(widths[k + 1])
    return weights


@pytest.fixture(scope="session")
def distill_mos(tmp_path_factory) -> Path:
    """A file of such weights, as the package has it."""
    import torch

    path = tmp_path_factory.mktemp("distillmos") / "weights.pt"
    torch.save({"model": distill_mos_weights()}, path)
    return path
