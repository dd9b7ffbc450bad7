"""What scoring a corpus costs beside AASIST: the same clips, one core, one thread, in turns of ten
clips.

    python bench/offline.py --protocol FILE --audio DIR --aasist DIR --weights FILE [--clips 200]
    [--bundle DIR] [--json FILE] python bench/offline.py --protocol FILE --audio DIR --aasist DIR
    --weights FILE --scores FILE

--aasist names a checkout of AASIST (Jung et al. 2022) that you have, with models/AASIST.py,
data_utils.py and config/; its model and its padding are run as they are, once in torch and once in
ONNX Runtime. Time is processor time, from the file on disk to its score, so that other programs on
the machine count as little as possible. With --scores nothing is timed: AASIST, in ONNX Runtime,
scores every trial into FILE, for evaluate.py peers.
"""

from __future__ import annotations

import os

os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"
)  # read when numpy is imported

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.settings import load
from evaluation.audio_folder import AudioFolder
from evaluation.progress import Progress
from evaluation.scoring import ClipScorer
from evaluation.tables import markdown
from radd.bundle import load_detector
from radd.errors import AudioError, ConfigError, ModelError, ProtocolError, RaddError
from radd.files import load_speech
from radd.metrics import eer, error_rates
from radd.onnx import OnnxModel
from radd.score_files import ScoredTrials, write_2019
from radd.trials import Trials, read_protocol
from radd.types import SAMPLE_RATE_HZ

ROOT = Path(__file__).resolve().parent.parent

OURS, TORCH, ONNX = "RADD", "AASIST in torch", "AASIST in ONNX Runtime"
TARGETS = {TORCH: 20, ONNX: 7}
TOLERANCE = 1e-3
TURN = 10  # clips that one system scores before the next one does


def main() -> int:
    arguments = parse()
    try:
        trials, folder = read_protocol(arguments.protocol), AudioFolder(arguments.audio)
        with tempfile.TemporaryDirectory() as scratch:
            aasist = Aasist(arguments.aasist, arguments.weights, Path(scratch) / "aasist.onnx")
        if arguments.scores:
            write_scores(arguments.scores, trials, folder, aasist)
        else:
            table, figures = speed(trials, folder, aasist, arguments.bundle, arguments.clips)
            print(table)
            if arguments.json:
                arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except RaddError as error:
        print(f"bench/offline.py: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--protocol", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--audio", type=Path, required=True, metavar="DIR", help="sound of the trials, 16 kHz"
    )
    parser.add_argument(
        "--aasist",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder that holds models/AASIST.py",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        required=True,
        metavar="FILE",
        help="that a config/*.conf there names",
    )
    parser.add_argument(
        "--clips", type=int, default=200, help="drawn from the protocol and timed, default 200"
    )
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="the model bundle, instead of the configured one"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures, for other programs")
    parser.add_argument(
        "--scores",
        type=Path,
        metavar="FILE",
        help="time nothing: write AASIST's scores of all trials",
    )
    return parser.parse_args()


class Aasist:
    """AASIST of a checkout in torch, and exported in ONNX Runtime; scores are its own, higher =
    bona fide.
    """

    def __init__(self, checkout: Path, weights: Path, exported: Path) -> None:
        """Raises ConfigError where the checkout or its weights are not there, ModelError where the
        export differs.
        """
        try:
            import torch
        except ImportError:
            raise ConfigError("AASIST needs torch; run: pip install -e '.[train]'") from None
        torch.set_num_threads(1)
        self._torch = torch
        self._pad: Callable = _module(checkout / "data_utils.py").pad
        self._model = (
            _module(checkout / "models" / "AASIST.py")
            .Model(_model_config(checkout, weights))
            .eval()
        )
        self._model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.parameters = sum(weight.numel() for weight in self._model.parameters())
        example = 0.1 * torch.randn(
            1, len(self._pad(np.zeros(1))), generator=torch.Generator().manual_seed(0)
        )
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter(
                "ignore"
            )  # the exporter warns of shapes that it traces; the check below covers them
            torch.onnx.export(
                self._model,
                (example,),
                str(exported),
                input_names=["sound"],
                output_names=["hidden", "out"],
                dynamo=False,
                opset_version=17,
            )
        self._onnx = OnnxModel(exported)
        wanted, found = self._in_torch(example.numpy()[0]), self._in_onnx(example.numpy()[0])
        if abs(wanted - found) > TOLERANCE:
            raise ModelError(
                f"exported AASIST scores {found:.4f} where torch scores {wanted:.4f}; try another "
                "torch"
            )

    def sound(self, path: Path) -> np.ndarray:
        """A clip as AASIST reads it: float32 (64600,), cut off or repeated; raises AudioError
        unless 16 kHz mono.
        """
        try:
            samples, rate_hz = soundfile.read(path)
        except soundfile.SoundFileError as error:
            raise AudioError(
                f"{path} cannot be read ({error}); leave it out of the protocol"
            ) from None
        if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
            raise AudioError(
                f"{path} has {rate_hz} Hz and shape {samples.shape}: AASIST knows 16 kHz mono; "
                "convert it"
            )
        return self._pad(samples).astype(np.float32)

    def score(self, samples: np.ndarray) -> float:
        """Of sound (n,) at 16 kHz, in ONNX Runtime."""
        return self._in_onnx(self._pad(samples).astype(np.float32))

    def in_torch(self, path: Path) -> float:
        return self._in_torch(self.sound(path))

    def in_onnx(self, path: Path) -> float:
        return self._in_onnx(self.sound(path))

    def _in_torch(self, sound: np.ndarray) -> float:
        with self._torch.no_grad():
            return float(self._model(self._torch.from_numpy(sound)[None])[1][0, 1])

    def _in_onnx(self, sound: np.ndarray) -> float:
        return float(self._onnx.run(sound=sound[None])[1][0, 1])


def _module(path: Path) -> ModuleType:
    """A file of the checkout; its folders are no packages, and some bear the names of ours."""
    if not path.is_file():
        raise ConfigError(
            f"{path} is missing: name with --aasist a checkout of github.com/clovaai/aasist, or "
            "the folder Baseline-AASIST of one of github.com/asvspoof-challenge/asvspoof5"
        )
    spec = spec_from_file_location(f"aasist_{path.stem}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _model_config(checkout: Path, weights: Path) -> dict:
    """The sizes of the network that goes with these weights."""
    for path in sorted((checkout / "config").glob("*.conf")):
        config = json.loads(path.read_text(encoding="utf-8"))
        if (checkout / config["model_path"]).resolve() == weights.resolve() and weights.is_file():
            return config["model_config"]
    raise ConfigError(
        f"{weights} is missing, or no {checkout / 'config' / '*.conf'} has it as its model_path; "
        "name weights of that checkout with --weights, such as models/weights/AASIST.pth"
    )


def speed(
    trials: Trials, folder: AudioFolder, aasist: Aasist, bundle: Path | None, clips: int
) -> tuple[str, dict[str, dict[str, float]]]:
    """The table of all systems on some clips, and of each its figures."""
    drawn = np.random.default_rng(0).permutation(len(trials))[:clips]
    trials = trials.select(np.sort(drawn))
    find = partial(find_sound, folder)
    settings = load()
    model = replace(settings.model, cache_blocks=0)  # a corpus holds every clip once
    scorer = ClipScorer(
        load_detector(bundle or ROOT / settings.model.bundle, model, settings.gate), folder
    )
    systems = {
        OURS: lambda utt: scorer.score(utt).llr,
        TORCH: lambda utt: aasist.in_torch(find(utt)),
        ONNX: lambda utt: aasist.in_onnx(find(utt)),
        f"{OURS}, decoding alone": lambda utt: load_speech(find(utt)),
        "AASIST, decoding alone": lambda utt: aasist.sound(find(utt)),
    }
    results, seconds = take_turns(systems, trials.utts)
    medians = {name: 1000 * float(np.median(taken)) for name, taken in seconds.items()}
    rows, figures = [], {}
    for name in systems:
        figures[name] = {
            "clips": len(trials),
            "median, ms": medians[name],
            "p99, ms": 1000 * np.percentile(seconds[name], 99),
        }
        row = [name, f"{medians[name]:.1f}", f"{len(trials) / sum(seconds[name]):.1f}"]
        if name in (OURS, *TARGETS):
            scored = ScoredTrials(trials, np.array(results[name]))
            rate = eer(error_rates(scored.bonafide(), scored.spoof()))[0]
            target = f"at least {TARGETS[name]}" if name in TARGETS else ""
            figures[name] |= {"times": medians[name] / medians[OURS], "EER, %": 100 * rate}
            row += [f"{medians[name] / medians[OURS]:.1f}", target, f"{100 * rate:.1f}"]
        rows.append(row + [""] * (6 - len(row)))
    length = sum(soundfile.info(find(utt)).duration for utt in trials.utts) / len(trials)
    header = ["system", "median of a clip, ms", "clips/s", "times RADD", "target", "EER, %"]
    return f"{markdown(header, rows)}\n\n{len(trials)} clips of {length:.2f} s on average", figures


def take_turns(
    systems: dict[str, Callable], utts: list[str]
) -> tuple[dict[str, list], dict[str, list[float]]]:
    """What each system says of each clip, and the seconds of one core that it takes."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for system in systems.values():
        system(utts[0])  # the first run of a network prepares it
    results, seconds = ({name: [] for name in systems} for _ in range(2))
    tell = Progress("timed")
    for begin in range(0, len(utts), TURN):
        turn = utts[begin : begin + TURN]
        for name, system in systems.items():
            for utt in turn:
                begun = time.process_time()
                results[name].append(system(utt))
                seconds[name].append(time.process_time() - begun)
        tell(begin + len(turn), len(utts))
    return results, seconds


def write_scores(out: Path, trials: Trials, folder: AudioFolder, aasist: Aasist) -> None:
    scores, tell = [], Progress("scored")
    for utt in trials.utts:
        scores.append(aasist.in_onnx(find_sound(folder, utt)))
        tell(len(scores), len(trials))
    write_2019(out, ScoredTrials(trials, np.array(scores)))


def find_sound(folder: AudioFolder, utt: str) -> Path:
    """The file of a trial; raises ProtocolError where there is none."""
    path = folder.find(utt)
    if path is None:
        raise ProtocolError(
            f"there is no file for trial {utt}: name the sound of this protocol with --audio"
        )
    return path


if __name__ == "__main__":
    sys.exit(main())
