"""Features of blocks are computed once for each clip, whatever other clips it comes with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures_backbone import distill_mos_weights

from radd.dataset import Clip
from radd.encoder import BLOCK_SAMPLES
from radd.errors import ConfigError
from radd.parallel import Workers
from radd.types import SAMPLE_RATE_HZ
from radd.vad import BLOCK_SAMPLES as SPEECH_SAMPLES

pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")
pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install -e '.[train]'"
)
from training.backbones.backbone import Backbone, export_backbone
from training.backbones.distill_mos import DistillMosCnn
from training.backbones.whisper import from_transformers
from training.block_features import BlockFeatures, block_features


class Spoken:
    """Clips of noise that count as speech, or as silence, throughout."""

    def __init__(self, utts: list[str], *, speech: float = 1.0) -> None:
        self.clips = [Clip(u, Path(u), "spoof", "-", "-", "page", "-", "en") for u in utts]
        self._speech = speech

    def __len__(self) -> int:
        return len(self.clips)

    def samples(self, index: int) -> np.ndarray:
        seed = sum(map(ord, self.clips[index].utt))
        return np.random.default_rng(seed).normal(0, 0.1, 5 * BLOCK_SAMPLES).astype(np.float32)

    def speech(self, index: int) -> np.ndarray:
        return np.full(5 * BLOCK_SAMPLES // SPEECH_SAMPLES, self._speech, np.float32)


def quieter(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return samples + rng.normal(0, 0.01, len(samples)).astype(np.float32)


@pytest.fixture(scope="module")
def network(whisper, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("backbone") / "backbone.onnx"
    backbone = Backbone(DistillMosCnn(distill_mos_weights()), from_transformers(str(whisper)))
    export_backbone(backbone.eval(), path)
    return path


def features(clips: Spoken, network: Path, cache: Path, copied: float = 1.0) -> BlockFeatures:
    return block_features(clips, network, quieter, copied, 1, cache, Workers(1))  # type: ignore[arg-type]


def of_clip(blocks: BlockFeatures, clip: int) -> np.ndarray:
    return blocks.features[blocks.clip == clip]


def test_a_clip_has_the_same_features_in_any_company(network, tmp_path):
    alone = features(Spoken(["b"]), network, tmp_path / "one")
    together = features(Spoken(["a", "b", "c"]), network, tmp_path / "two")
    assert np.array_equal(of_clip(together, 1), of_clip(alone, 0))
    assert not np.array_equal(of_clip(together, 0), of_clip(together, 1))


def test_a_corpus_that_grew_costs_only_what_is_new(network, tmp_path):
    features(Spoken(["a", "b"]), network, tmp_path)
    known = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")}
    features(Spoken(["c", "b", "a"]), network, tmp_path)
    after = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")}
    assert known.items() <= after.items()
    assert len(after) == len(known) * 3 // 2


def test_a_higher_share_of_copies_keeps_those_there_were(network, tmp_path):
    clips = Spoken([f"u{k}" for k in range(12)])
    few, many = (features(clips, network, tmp_path, copied) for copied in (0.3, 0.7))
    assert 0 < few.altered.sum() < many.altered.sum() < 12
    assert set(few.clip[few.altered]) < set(many.clip[many.altered])


def test_blocks_are_taken_from_the_whole_clip_and_copies_differ_from_them(network, tmp_path):
    blocks = features(Spoken(["a"]), network, tmp_path)
    own = blocks.start[~blocks.altered] / SAMPLE_RATE_HZ
    assert own[0] == 0.0
    assert own[-1] == 4 * BLOCK_SAMPLES / SAMPLE_RATE_HZ
    assert blocks.altered.sum() == 1
    assert not np.isin(blocks.features[blocks.altered], blocks.features[~blocks.altered]).all()


def test_a_corpus_without_speech_is_refused(network, tmp_path):
    with pytest.raises(ConfigError, match="none of 2 clips"):
        features(Spoken(["a", "b"], speech=0.0), network, tmp_path)
