"""A model bundle: a directory with everything that a detector needs. It loads only if every hash
matches.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from radd import features
from radd.bundle_info import BundleInfo
from radd.calibration import Calibration
from radd.cnn import SpectralCnn
from radd.detector import ModelSettings, RaddDetector
from radd.encoder import CorrectedEncoder, Encoder, OnnxEncoder
from radd.errors import ModelError, reason
from radd.gate import GateSettings
from radd.index import BundleIndex
from radd.overlay import Overlay
from radd.types import Detector, Judgement
from radd.window_detector import WindowDetector, WindowModel, WindowNetwork

FORMAT = 1
RADD, WINDOW = KINDS = (
    "radd",
    "window",
)  # detector kinds; a manifest without a kind is of the first
MANIFEST = "manifest.json"
NETWORK = "network.onnx"  # in a bundle of kind window
FRAMES, SCORE, ENCODER = "cnn_frames.onnx", "cnn_score.onnx", "encoder.onnx"
BACKBONE = (
    "backbone.onnx"  # pretrained and frozen; where it is, the encoder is a head on its features
)
VECTORS, REFERENCES, CARD = "index.npy", "references.csv", "card.md"
# of the encoder's score; only in bundles that were retrained from labels
CORRECTION = "correction.npy"
# the scored development set: retraining mixes it with the labels and compares drift with it
REPLAY = "replay.npz"
LEFT_BY_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")  # by showing the directory
WEIGHTS = (
    FRAMES,
    SCORE,
    ENCODER,
    VECTORS,
    REFERENCES,
)  # hashed into the version; the card is not, because numbers may be added to it later


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def feature_settings() -> dict[str, float]:
    """The feature settings that the CNN was trained with; a bundle made with other features does
    not load.
    """
    return {
        name: getattr(features, name)
        for name in ("FFT_SAMPLES", "STEP_SAMPLES", "MEAN_S", "PAUSE_WEIGHT", "FLOOR")
    }


def write_manifest(
    directory: Path, name: str, calibration: Calibration, training: dict[str, Any], metrics: dict
) -> None:
    """Seal all files of `directory` with a manifest; the version is the digest of weights, index
    and calibration.
    """
    encoder_id = encoder_digest(directory)
    own = {"encoder_id": encoder_id, "index_encoder_id": encoder_id, "features": feature_settings()}
    weights = (*WEIGHTS, BACKBONE, CORRECTION)
    _seal(directory, name, own, weights, calibration, training, metrics)


def encoder_digest(directory: Path) -> str:
    """The id of the encoder in `directory`: of all weights between the sound and its vectors."""
    digests = [sha256(directory / f) for f in (ENCODER, BACKBONE) if (directory / f).is_file()]
    if len(digests) == 1:
        return digests[0][:16]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def open_encoder(directory: Path, encoder_id: str) -> OnnxEncoder:
    """The encoder of `directory`, with its backbone if it has one; raises as OnnxEncoder."""
    backbone = directory / BACKBONE
    return OnnxEncoder(directory / ENCODER, encoder_id, backbone if backbone.is_file() else None)


def write_window_manifest(
    directory: Path,
    name: str,
    model: WindowModel,
    calibration: Calibration,
    training: dict[str, Any],
    metrics: dict,
) -> None:
    """Like write_manifest, for a bundle whose file NETWORK scores a whole window."""
    own = {"kind": WINDOW, "model": asdict(model)}
    _seal(directory, name, own, (NETWORK,), calibration, training, metrics)


def _seal(
    directory: Path,
    name: str,
    own: dict[str, Any],
    weights: tuple[str, ...],
    calibration: Calibration,
    training: dict[str, Any],
    metrics: dict,
) -> None:
    names = sorted(p.name for p in directory.iterdir() if p.name != MANIFEST)
    digests = {file: sha256(directory / file) for file in names}
    told = [own["model"]] if "model" in own else []
    parts = [digests[file] for file in weights if file in digests] + [
        json.dumps(p) for p in (*told, asdict(calibration))
    ]
    manifest = {
        "format": FORMAT,
        "name": name,
        "version": hashlib.sha256("".join(parts).encode()).hexdigest()[:12],
        **own,
        "calibration": asdict(calibration),
        "training": training,
        "metrics": metrics,
        "files": digests,
    }
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def usual_distance(directory: Path) -> float | None:
    """The median distance, 1 - cosine, of the bundle's held-back clips from its references; None if
    it has none.
    """
    if not (directory / REPLAY).is_file():
        return None
    try:
        with np.load(directory / REPLAY, allow_pickle=False) as kept:
            return float(np.nanmedian(kept["distance"][kept["held"][kept["clip"]]]))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{directory / REPLAY} cannot be read ({reason(error)}); restore the bundle"
        ) from None


def read_manifest(directory: Path) -> dict[str, Any]:
    """Read the manifest of a bundle and verify that all files are present and unchanged.

    Raises ModelError for a missing directory, manifest or file, another format, kind or features,
    or a hash that does not match.
    """
    if not (directory / MANIFEST).is_file():
        raise ModelError(
            f"{directory} is not a model bundle: it has no {MANIFEST}; name one with --bundle DIR"
        )
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        found, files, kind = manifest["format"], manifest["files"], manifest.get("kind", RADD)
        made_with = manifest["features"] if kind == RADD else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{directory / MANIFEST} is damaged ({error}); restore the bundle"
        ) from None
    # first what another version of this program can explain, then what only damage can
    if found != FORMAT:
        raise ModelError(
            f"{directory} has bundle format {found}, but this program reads format {FORMAT}"
        )
    if kind not in KINDS:
        raise ModelError(
            f"{directory} is a bundle of kind {kind!r}, but this program reads "
            f"{' and '.join(KINDS)}"
        )
    if kind == RADD and made_with != feature_settings():
        raise ModelError(
            f"{directory} was trained with features {made_with}, but this program computes "
            f"{feature_settings()}"
        )
    _refuse_changed(directory, kind, files)
    _refuse_unnamed(directory, files)
    return manifest


def _refuse_changed(directory: Path, kind: str, files: Mapping[str, str]) -> None:
    """Raises ModelError for a file that is missing or differs from its hash in the manifest."""
    for file in dict.fromkeys((*(WEIGHTS if kind == RADD else (NETWORK,)), CARD, *files)):
        path = directory / file
        if not path.is_file():
            raise ModelError(f"the bundle {directory} lacks {file}; restore it")
        if sha256(path) != files.get(file):
            raise ModelError(
                f"{path} differs from the file in its manifest (SHA-256 mismatch); restore the "
                "bundle"
            )


def _refuse_unnamed(directory: Path, files: Collection[str]) -> None:
    """Raises ModelError for a file that the manifest does not name: a network may keep weights in
    such files (ONNX external data), whose change no hash would tell.
    """
    found = {path.name for path in directory.iterdir()}
    if unnamed := sorted(found - {MANIFEST, *files, *LEFT_BY_SYSTEMS}):
        raise ModelError(
            f"the bundle {directory} holds {', '.join(unnamed)}, of which its {MANIFEST} says "
            "nothing; move such files elsewhere, or make the bundle again with them"
        )


class BundledDetector(Detector[Any], Protocol):
    """A Detector that was loaded from a bundle, of any kind. Immutable."""

    @property
    def kind(self) -> str:
        """One of KINDS."""
        ...

    @property
    def bundle(self) -> BundleInfo: ...

    @property
    def encoder(self) -> Encoder | None:
        """Queries the index; None for a detector without an index."""
        ...

    @property
    def encoder_id(self) -> str | None:
        """The id of `encoder`."""
        ...

    @property
    def window_hops(self) -> int:
        """The longest segment of audio that a score depends on, in hops."""
        ...

    @property
    def period_hops(self) -> int:
        """After so many hops the detector's blocks or windows begin in the same places again."""
        ...

    @property
    def usual_distance(self) -> float | None:
        """The usual distance of the bundle, see usual_distance()."""
        ...

    def push(
        self, state: Any, samples: np.ndarray, gated: bool = True, longest: bool = False
    ) -> list[Judgement]:
        """Like Detector.push. If `gated` is False, every hop gets a score, even where the gate
        would reject it. With `longest`, only hops whose window has the greatest length in this call
        are scored.
        """
        ...

    def with_overlay(self, overlay: Overlay) -> BundledDetector:
        """The same detector with this overlay, in place of any other; it continues the streams of
        this one. Raises ModelError for an overlay that does not fit.
        """
        ...


def load_detector(
    directory: Path, model: ModelSettings, gate: GateSettings, overlay: Overlay | None = None
) -> BundledDetector:
    """Load the detector of the bundle `directory`, with an optional overlay.

    Raises ModelError if the bundle is damaged, its parts do not belong together, or the overlay
    does not fit.
    """
    manifest = read_manifest(directory)
    name = f"{manifest['name']} {manifest['version']}"
    detector = _DETECTORS[manifest.get("kind", RADD)](directory, manifest, name, model, gate)
    return detector if overlay is None else detector.with_overlay(overlay)


def _radd_detector(
    directory: Path, manifest: dict[str, Any], name: str, model: ModelSettings, gate: GateSettings
) -> RaddDetector:
    encoder, index, calibration = _known_voices(directory, manifest)
    cnn = SpectralCnn(directory / FRAMES, directory / SCORE)
    info = _info(directory, manifest, usual_distance(directory))
    return RaddDetector(name, cnn, encoder, index, calibration, model, gate, info)


def _window_detector(
    directory: Path, manifest: dict[str, Any], name: str, model: ModelSettings, gate: GateSettings
) -> WindowDetector:
    described = WindowModel.read(manifest.get("model"))
    network = WindowNetwork(directory / NETWORK, described, model.runtime)
    calibration, info = _calibration(directory, manifest), _info(directory, manifest)
    return WindowDetector(name, network, described, calibration, gate, info)


def _info(directory: Path, manifest: dict[str, Any], distance: float | None = None) -> BundleInfo:
    card = (directory / CARD).read_text(encoding="utf-8")
    return BundleInfo(directory, manifest, card, distance)


_DETECTORS: dict[str, Callable[..., BundledDetector]] = {
    RADD: _radd_detector,
    WINDOW: _window_detector,
}


def load_known_voices(directory: Path) -> tuple[Encoder, BundleIndex, Calibration]:
    """Load the encoder and the index of a bundle. Raises ModelError like load_detector, and for a
    bundle without an index.
    """
    return _known_voices(directory, read_manifest(directory))


def encoder_of(directory: Path) -> str:
    """The id of the encoder that queries a bundle's index. Raises ModelError like
    load_known_voices.
    """
    return _encoder_ids(directory, read_manifest(directory))[0]


def _encoder_ids(directory: Path, manifest: dict[str, Any]) -> tuple[str, str]:
    """The ids of the bundle's encoder and of the encoder that made its index."""
    if (kind := manifest.get("kind", RADD)) != RADD:
        raise ModelError(
            f"{directory} is a bundle of kind {kind}: it has no index of known voices, so "
            "nothing can be added, looked up or learned from labels; name a bundle with an "
            "index: --bundle DIR"
        )
    try:
        return manifest["encoder_id"], manifest["index_encoder_id"]
    except KeyError as error:
        raise ModelError(f"{directory / MANIFEST} lacks {error}; restore the bundle") from None


def _calibration(directory: Path, manifest: dict[str, Any]) -> Calibration:
    try:
        fitted = manifest["calibration"]
        return Calibration(
            _tuples(fitted["speech_s"]),
            _tuples(fitted["alone"]),
            _tuples(fitted["fused"]),
            _tuples(fitted.get("closeness", ())),
        )
    except (KeyError, TypeError) as error:
        raise ModelError(f"{directory / MANIFEST} lacks {error}; restore the bundle") from None


def _known_voices(
    directory: Path, manifest: dict[str, Any]
) -> tuple[Encoder, BundleIndex, Calibration]:
    encoder_id, index_encoder = _encoder_ids(directory, manifest)
    calibration = _calibration(directory, manifest)
    if not calibration.fused:
        raise ModelError(
            f"{directory / MANIFEST} lacks the fused rows of its calibration; restore the bundle"
        )
    encoder: Encoder = open_encoder(directory, encoder_id)
    if CORRECTION in manifest["files"]:
        encoder = CorrectedEncoder(encoder, _correction(directory / CORRECTION))
    index = BundleIndex.load(directory / VECTORS, directory / REFERENCES, index_encoder, encoder_id)
    if index.width != encoder.width:
        raise ModelError(
            f"{directory}: the encoder makes {encoder.width} numbers a block, the index "
            f"{index.width}"
        )
    return encoder, index, calibration


def _correction(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({reason(error)}); restore the bundle") from None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
