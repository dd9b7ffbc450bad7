"""A model bundle: a directory that holds all a detector needs and loads only if every hash holds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from radd import features
from radd.calibration import Calibration
from radd.cnn import SpectralCnn
from radd.detector import ModelSettings, RaddDetector
from radd.encoder import CorrectedEncoder, Encoder, OnnxEncoder
from radd.errors import ModelError
from radd.gate import GateSettings
from radd.index import FlatIndex
from radd.overlay import Overlay

FORMAT = 1
MANIFEST = "manifest.json"
FRAMES, SCORE, ENCODER = "cnn_frames.onnx", "cnn_score.onnx", "encoder.onnx"
VECTORS, REFERENCES, CARD = "index.npy", "references.csv", "card.md"
CORRECTION = "correction.npy"  # of the encoder's score, in bundles that were retrained from labels
CHAMPION = "champion"  # a file beside the bundles that names the one in use
WEIGHTS = (FRAMES, SCORE, ENCODER, VECTORS, REFERENCES)  # what a version is made of; the card may gain numbers later


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def feature_settings() -> dict[str, float]:
    """What the CNN was trained on; a bundle made with other features does not load."""
    return {name: getattr(features, name) for name in ("FFT_SAMPLES", "STEP_SAMPLES", "MEAN_S", "PAUSE_WEIGHT", "FLOOR")}


def write_manifest(directory: Path, name: str, calibration: Calibration, training: dict[str, Any], metrics: dict) -> None:
    """Seal all files of `directory` with a manifest; the version is the digest of weights, index and calibration."""
    names = sorted(p.name for p in directory.iterdir() if p.name != MANIFEST)
    digests = {file: sha256(directory / file) for file in names}
    parts = [digests[file] for file in (*WEIGHTS, CORRECTION) if file in digests] + [json.dumps(asdict(calibration))]
    manifest = {
        "format": FORMAT,
        "name": name,
        "version": hashlib.sha256("".join(parts).encode()).hexdigest()[:12],
        "encoder_id": digests[ENCODER][:16],
        "index_encoder_id": digests[ENCODER][:16],
        "features": feature_settings(),
        "calibration": asdict(calibration),
        "training": training,
        "metrics": metrics,
        "files": digests,
    }
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def in_use(configured: Path) -> Path:
    """The bundle that the file CHAMPION beside the configured one names; where there is none, the configured one.

    Raises ModelError where that file names no directory beside it.
    """
    alias = configured.parent / CHAMPION
    try:
        name = alias.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return configured
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read {alias}: {error}; name a bundle anew with train.py promote") from None
    if name != Path(name).name or not (alias.parent / name).is_dir():
        raise ModelError(f"{alias} names {name!r}, which is no bundle beside it; name one with train.py promote")
    return alias.parent / name


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of a bundle whose files are all there, unchanged.

    Raises ModelError for a missing directory, manifest or file, another format, other features or a hash that does not
    hold.
    """
    if not (directory / MANIFEST).is_file():
        raise ModelError(f"{directory} is no model bundle: there is no {MANIFEST}; name one with --bundle DIR")
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        found, files, made_with = manifest["format"], manifest["files"], manifest["features"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{directory / MANIFEST} is damaged ({error}); restore the bundle") from None
    if found != FORMAT:
        raise ModelError(f"{directory} has bundle format {found}, this program reads format {FORMAT}")
    if made_with != feature_settings():
        raise ModelError(f"{directory} was trained on features {made_with}, this program computes {feature_settings()}")
    for file in dict.fromkeys((*WEIGHTS, CARD, *files)):
        path = directory / file
        if not path.is_file():
            raise ModelError(f"the bundle {directory} lacks {file}; restore it")
        if sha256(path) != files.get(file):
            raise ModelError(f"{path} is not the file its manifest names (SHA-256 differs); restore the bundle")
    return manifest


def load_detector(
    directory: Path, model: ModelSettings, gate: GateSettings, overlay: Overlay | None = None
) -> RaddDetector:
    """The detector of the bundle `directory`, with an overlay if one is given.

    Raises ModelError where the bundle is damaged or its parts do not belong together.
    """
    manifest = read_manifest(directory)
    encoder, index, calibration = _known_voices(directory, manifest)
    cnn = SpectralCnn(directory / FRAMES, directory / SCORE)
    name = f"{manifest['name']} {manifest['version']}"
    detector = RaddDetector(name, cnn, encoder, index, calibration, model, gate)
    if overlay is not None:
        detector.adopt(detector.prepare(overlay))
    return detector


def load_known_voices(directory: Path) -> tuple[Encoder, FlatIndex, Calibration]:
    """What a bundle compares voices with; raises ModelError as load_detector."""
    return _known_voices(directory, read_manifest(directory))


def _known_voices(directory: Path, manifest: dict[str, Any]) -> tuple[Encoder, FlatIndex, Calibration]:
    try:
        fitted = manifest["calibration"]
        calibration = Calibration(*(_tuples(fitted[key]) for key in ("speech_s", "alone", "fused")),
                                  _tuples(fitted.get("confirmed", ())))
        encoder_id, index_encoder = manifest["encoder_id"], manifest["index_encoder_id"]
    except (KeyError, TypeError) as error:
        raise ModelError(f"{directory / MANIFEST} lacks {error}; restore the bundle") from None
    encoder: Encoder = OnnxEncoder(directory / ENCODER, encoder_id)
    if CORRECTION in manifest["files"]:
        encoder = CorrectedEncoder(encoder, _correction(directory / CORRECTION))
    index = FlatIndex.load(directory / VECTORS, directory / REFERENCES, index_encoder, encoder_id)
    if index.width != encoder.width:
        raise ModelError(f"{directory}: the encoder makes {encoder.width} numbers a block, the index {index.width}")
    return encoder, index, calibration


def _correction(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}); restore the bundle") from None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
