"""An audio classifier from the hub -> a bundle of kind window for ONNX Runtime."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, PreTrainedModel
from transformers.audio_utils import mel_filter_bank

from radd.bundle import CARD, NETWORK, write_window_manifest
from radd.calibration import Calibration
from radd.dataset import DecodedClips
from radd.errors import ModelError
from radd.gate import GateSettings
from radd.hub import source_of
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ
from radd.window_detector import WindowDetector, WindowModel, WindowNetwork
from training.baselines.fit import UNCALIBRATED, score_windows
from training.card import refuse_other, replace_bundle, write_card
from training.export import export_network
from training.fusion import calibrate
from training.networks.encoder import from_hub
from training.selection import Selection, decoded

LABELS = ("bonafide", "spoof")
WORDS = {
    "bonafide": {"bonafide", "real", "human", "genuine", "authentic", "original", "natural"},
    "spoof": {
        "spoof",
        "spoofed",
        "fake",
        "deepfake",
        "synthetic",
        "generated",
        "ai",
        "aigenerated",
        "aivoice",
        "cloned",
    },
}
WAVEFORMS = (
    "data2vec-audio",
    "hubert",
    "sew",
    "sew-d",
    "unispeech",
    "unispeech-sat",
    "wav2vec2",
    "wav2vec2-conformer",
    "wavlm",
)
SPECTROGRAMS = ("audio-spectrogram-transformer",)
MOST_PARAMETERS = 500_000_000  # of four bytes, leaving some room in two gigabytes
WINDOW_HOPS, STRIDE_HOPS = 31, 8  # 3.97 s, as long as a clip of the usual corpora; once a second


class Standardised(nn.Module):
    """Zero mean and unit variance of each row, where the model expects it."""

    def forward(self, samples: Tensor) -> Tensor:
        centred = samples - samples.mean(1, keepdim=True)
        return centred / torch.sqrt(centred.square().mean(1, keepdim=True) + 1e-7)


class FilterBank(nn.Module):
    """Log mel energies of 25 ms frames every 10 ms, as the Audio Spectrogram Transformer expects
    (Gong et al. 2021).

    Subtracting the frame's mean, pre-emphasis, window and Fourier transform are linear, so they
    form one convolution.
    """

    bank: Tensor
    mel: Tensor

    def __init__(self, extractor) -> None:
        super().__init__()
        self.frames, self.mean, self.scale = extractor.max_length, extractor.mean, 2 * extractor.std
        if not extractor.do_normalize:
            self.mean, self.scale = 0.0, 1.0
        length, fft = 400, 512
        centred = np.eye(length) - 1 / length
        emphasis = np.eye(length) - 0.97 * np.eye(length, k=-1)
        emphasis[0, 0] = 0.03
        turned = np.fft.rfft(np.hanning(length)[:, None] * (emphasis @ centred), fft, axis=0)
        bank = np.concatenate([turned.real, turned.imag])[:, None]
        self.register_buffer("bank", torch.tensor(bank, dtype=torch.float32))
        mel = mel_filter_bank(
            fft // 2 + 1,
            extractor.num_mel_bins,
            20,
            SAMPLE_RATE_HZ // 2,
            SAMPLE_RATE_HZ,
            mel_scale="kaldi",
            triangularize_in_mel_space=True,
        )
        self.register_buffer("mel", torch.tensor(mel, dtype=torch.float32))

    def forward(self, samples: Tensor) -> Tensor:
        real, imaginary = nn.functional.conv1d(samples[:, None], self.bank, stride=160).chunk(2, 1)
        energies = (real.square() + imaginary.square()).transpose(1, 2) @ self.mel
        fit = energies.clamp(min=float(np.finfo(np.float32).eps)).log()[:, : self.frames]
        padded = nn.functional.pad(fit, (0, 0, 0, self.frames - fit.shape[1]))
        return (padded - self.mean) / self.scale


class TwoLabels(nn.Module):
    """Samples -> logits of bona fide and spoof; classes with the same meaning are added up."""

    def __init__(
        self, front: nn.Module, model: nn.Module, classes: Mapping[str, list[int]]
    ) -> None:
        super().__init__()
        self.front, self.model = front, model
        self.classes = [classes[label] for label in LABELS]

    def forward(self, samples: Tensor) -> Tensor:
        logits = self.model(self.front(samples)).logits
        return torch.stack([logits[:, which].logsumexp(1) for which in self.classes], 1)


def import_model(
    named: str,
    out: Path,
    labels: Mapping[str, str],
    data: list[Path],
    work: Path,
    gate: GateSettings,
    jobs: int,
) -> None:
    """Make the bundle `out` of the audio classifier hf:NAME or hf:DIR.

    `labels` says what classes with ambiguous names mean. The score is the difference of the logits,
    calibrated on the development sets of the corpora `data`, if any; `work` caches their decoded
    audio. Raises ModelError for a model that is unavailable,
    unsupported, too large, has another sampling rate or ambiguous classes, and ConfigError for an
    unsuitable corpus and if `out` is neither empty nor a bundle.
    """
    refuse_other(out)
    # before the model is downloaded: an unsuitable corpus is then reported at once
    dev = decoded(data, "dev", Selection(), work, jobs, {}) if data else None
    model, front_end = _model(named)
    parameters = _counted(named, model)
    names: Mapping[Any, str] = model.config.id2label or {}
    classes = classes_of(named, names, labels)
    making = _empty(out.with_name(out.name + ".making"))
    _export(TwoLabels(front_end, model, classes).eval(), making / NETWORK)
    described = WindowModel("waveform", {"rms": 0.0}, WINDOW_HOPS, STRIDE_HOPS, LABELS, parameters)
    network = WindowNetwork(making / NETWORK, described)
    calibration = _calibrated(WindowDetector(named, network, described, UNCALIBRATED, gate), dev)
    origin = {
        "imported": named,
        "kind": model.config.model_type,
        "parameters": parameters,
        "classes": _names(classes, names),
        "calibrated_on": [] if dev is None else sorted({clip.source for clip in dev.clips}),
    }
    write_card(making / CARD, origin, {})
    write_window_manifest(making, named, described, calibration, origin, {})
    replace_bundle(making, out)
    shutil.rmtree(making)


def _calibrated(detector: WindowDetector, dev: DecodedClips | None) -> Calibration:
    return UNCALIBRATED if dev is None else calibrate(score_windows(dev, detector, None, 0), dev)


def _counted(named: str, model: nn.Module) -> int:
    """The number of parameters. Raises ModelError for more than an ONNX file holds."""
    parameters = sum(p.numel() for p in model.parameters())
    if parameters > MOST_PARAMETERS:
        raise ModelError(
            f"{named} has {parameters:,} parameters; an ONNX file holds {MOST_PARAMETERS:,}; "
            "choose a smaller model"
        )
    return parameters


def _names(classes: dict[str, list[int]], names: Mapping[int, str]) -> dict[str, list[str]]:
    return {label: [names[i] for i in which] for label, which in classes.items()}


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _model(named: str) -> tuple[PreTrainedModel, nn.Module]:
    """The classifier and the layer that computes its input from samples."""
    name = source_of(named)
    # the other implementations of attention do not export to ONNX
    load = partial(AutoModelForAudioClassification.from_pretrained, attn_implementation="eager")
    model = from_hub(load, name, named, "an audio classifier").eval()
    kind = model.config.model_type
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of mel bands narrower than a bin, as in that transformer
        extractor = from_hub(partial(_extractor, kind), name, named, "an audio classifier")
        front_end = front(named, kind, extractor)
    if extractor.sampling_rate != SAMPLE_RATE_HZ:
        raise ModelError(
            f"{named} expects {extractor.sampling_rate} Hz, but this program uses "
            f"{SAMPLE_RATE_HZ} Hz"
        )
    return model, front_end


def _export(network: nn.Module, path: Path) -> None:
    example = 0.1 * torch.randn(
        2, WINDOW_HOPS * HOP_SAMPLES, generator=torch.Generator().manual_seed(1)
    )
    export_network(network, (example,), ["samples"], ["logits"], {"samples": {0: "batch"}}, path)


def classes_of(
    named: str, names: Mapping[int, str], labels: Mapping[str, str]
) -> dict[str, list[int]]:
    """Which classes mean bona fide and which spoof. Raises ModelError if any class is ambiguous."""
    unknown = set(labels) - set(names.values())
    if unknown:
        raise ModelError(
            f"{named} has no class {', '.join(sorted(unknown))}; it has {', '.join(names.values())}"
        )
    classes: dict[str, list[int]] = {label: [] for label in LABELS}
    unclear: list[str] = []
    for i, name in sorted(names.items()):
        plain = re.sub(r"[^a-z]", "", name.lower())
        label = labels.get(name) or next(
            (label for label, words in WORDS.items() if plain in words), None
        )
        if label is None:
            unclear.append(name)
        else:
            classes[label].append(i)
    if unclear or not all(classes.values()):
        request = (
            f"say what {', '.join(unclear)} mean"
            if unclear
            else "they cannot all mean the same: say what they mean"
        )
        options = " ".join(f"--label {name}=bonafide|spoof" for name in unclear or names.values())
        raise ModelError(
            f"{named} has the classes {', '.join(names.values())}; {request} with {options}"
        )
    return classes


def _extractor(kind: str, name: str):
    """The feature extractor of the model; the usual one of its family if none was saved."""
    try:
        return AutoFeatureExtractor.from_pretrained(name)
    except OSError:
        from transformers import ASTFeatureExtractor, Wav2Vec2FeatureExtractor

        return ASTFeatureExtractor() if kind in SPECTROGRAMS else Wav2Vec2FeatureExtractor()


def front(named: str, kind: str, extractor) -> nn.Module:
    """The layer that computes the model's input from samples. Raises ModelError for an unknown kind
    of model.
    """
    if kind in SPECTROGRAMS:
        return FilterBank(extractor)
    if kind not in WAVEFORMS:
        raise ModelError(
            f"{named} is a model of kind {kind}; this program converts "
            f"{', '.join((*WAVEFORMS, *SPECTROGRAMS))}"
        )
    return Standardised() if extractor.do_normalize else nn.Identity()
