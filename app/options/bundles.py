"""The options of the commands of train.py that make, describe and list bundles."""

from __future__ import annotations

from pathlib import Path

from app.options.values import Commands, at_least, named_file, named_label
from radd.resources import resource, writable


def add_card(commands: Commands) -> None:
    """Add `train.py card`."""
    numbers = commands.add_parser(
        "card", help="copy numbers measured by evaluate.py into a bundle's card"
    )
    numbers.set_defaults(command="bundles.card")
    numbers.add_argument("--bundle", type=Path, default=resource("models/default"), metavar="DIR")
    numbers.add_argument(
        "--metrics",
        type=named_file,
        action="append",
        required=True,
        metavar="NAME=FILE",
        help="name of the run, and its metrics.json, stream.json or heard.json; repeatable",
    )
    numbers.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write a copy with the numbers and leave the bundle unchanged",
    )


def add_backbone(commands: Commands) -> None:
    """Add `train.py backbone`."""
    joining = commands.add_parser(
        "backbone", help="cut and join the pretrained networks that a head learns on"
    )
    joining.set_defaults(command="backbone.make")
    whence = joining.add_mutually_exclusive_group(required=True)
    whence.add_argument(
        "--whisper",
        metavar="NAME|DIR|FILE",
        help="a Whisper model of transformers, or CTranslate2's model.bin; needs --distill-mos",
    )
    whence.add_argument(
        "--cut",
        type=Path,
        metavar="FILE",
        help="a backbone of both networks, such as backbone.onnx of models/default, of which "
        "Whisper's blocks alone are kept",
    )
    joining.add_argument(
        "--distill-mos",
        type=Path,
        metavar="FILE",
        help="distill_mos_v7.pt of the package distillmos",
    )
    joining.add_argument(
        "--blocks",
        type=int,
        metavar="N",
        help="with --cut, keep the first N of Whisper's blocks; default: all of them",
    )
    joining.add_argument("--out", type=Path, required=True, metavar="FILE")


def add_import(commands: Commands) -> None:
    """Add `train.py import`."""
    foreign = commands.add_parser(
        "import",
        help="convert an audio classifier from the hub, or saved by transformers, to a bundle",
    )
    foreign.set_defaults(command="bundles.import_from_hub")
    foreign.add_argument("named", metavar="hf:NAME|hf:DIR")
    foreign.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="output bundle; default: where --bundle hf:NAME looks for it",
    )
    foreign.add_argument(
        "--label",
        type=named_label,
        action="append",
        default=[],
        metavar="CLASS=bonafide|spoof",
        help="meaning of a class with an ambiguous name; repeatable",
    )
    foreign.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="corpus whose development set calibrates the scores; repeatable",
    )
    foreign.add_argument(
        "--work", type=Path, default=writable("build/import"), metavar="DIR", help="decoded audio"
    )
    foreign.add_argument(
        "--jobs",
        type=at_least(1),
        default=1,
        metavar="N",
        help="number of decoding processes, default 1",
    )


def add_models(commands: Commands) -> None:
    """Add `train.py models`."""
    shelf = commands.add_parser("models", help="list the bundles and whether they are intact")
    shelf.set_defaults(command="bundles.models")
    shelf.add_argument(
        "directory",
        type=Path,
        nargs="?",
        default=resource("models"),
        metavar="DIR",
        help="default models",
    )
