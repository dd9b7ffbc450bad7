"""What people say of the clips that RADD kept: ask, answer, exchange, delete.

`list` begins with the clips that a label would teach most: where the model was uncertain (the
entropy of its posterior), the sound is novel (unlike every known voice) and its nearest references
dispute the verdict; the mean of the three is the order. Samples of unflagged speech stand at random
among them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radd.resources import resource

if TYPE_CHECKING:
    from app.settings import Settings
    from storage.review import Reviews

EXIT_CODES = (
    "exit codes: 0 done, 1 a bug, 2 command line, configuration or import, 3 sound, 4 model, 5 "
    "storage"
)
LABELS = ("fake", "real", "unsure")
STATES = ("pending", *LABELS, "conflict", "expired")
LONGEST_SHOWN = 200


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parse(argv)
    sys.stdout.reconfigure(errors="backslashreplace")
    from app.exit import exit_code

    return exit_code(lambda: run(arguments))


def run(arguments: argparse.Namespace) -> None:
    from app.settings import load
    from radd.errors import silence_broken_pipe
    from storage.review import Reviews

    settings = load(arguments.config)
    with Reviews(arguments.url or settings.storage.url, settings.review.quorum) as reviews:
        try:
            arguments.command(reviews, arguments, settings)
            sys.stdout.flush()
        except BrokenPipeError:  # nobody reads on, as with `| head`
            silence_broken_pipe(sys.stdout)


def list_clips(reviews: Reviews, arguments: argparse.Namespace, settings: Settings) -> None:
    from storage.review import Question

    names = ("state", "kind", "stream", "label", "unlabelled_by", "since", "after", "limit")
    found = reviews.list(Question(**{name: getattr(arguments, name) for name in names}))
    for row in found:
        print(as_json(row) if arguments.json else line(row, settings.review.quorum))
    if not arguments.json:
        print(more(found, arguments))


def line(row: dict[str, Any], quorum: int) -> str:
    """A clip of the list in a line."""
    kind = "sample" if row["state"] == "sample" else "alert "
    peak = "  -  " if row["peak_p_spoof"] is None else f"{row['peak_p_spoof']:5.2f}"
    said = f"  said: {', '.join(row['labels'])}" if row["labels"] else ""
    return (
        f"{row['id']}  {row['informative']:.2f}  {row['began_utc']:%Y-%m-%d %H:%M:%S}  {kind}  "
        f"{row['review']:8}  p_spoof{peak}  {row['length_samples'] / 16_000:5.1f} s  "
        f"{shown(row['source'], 40)}{said}"
    )


def more(found: list[dict[str, Any]], arguments: argparse.Namespace) -> str:
    if not found:
        return f"no clips are {arguments.state} and fit"
    rest = f"; the next page: --after {found[-1]['id']}" if len(found) == arguments.limit else ""
    return f"{len(found)} clips, the most informative first{rest}"


def show(reviews: Reviews, arguments: argparse.Namespace, settings: Settings) -> None:
    found = reviews.show(arguments.id)
    if arguments.json:
        print(as_json(found))
        return
    for part in ("alert", "stream", "clip"):
        print(part)
        for name, value in found[part].items():
            print(f"  {name:20} {shown(value)}")
    start, scores = found["alert"]["clip_start_samples"], found["trace"]
    print("score trace: seconds into the clip, llr (higher = a person)")
    for end, llr in scores:
        print(
            f"  {(end - start) / 16_000:8.3f}  {'not measured' if llr is None else f'{llr:+.2f}'}"
        )
    print("nearest references: cosine, label, system, name")
    for one in found["neighbours"]:
        print(
            f"  {shown(one['similarity'])}  {shown(one['label'])}  {shown(one['system'])}  "
            f"{shown(one['id'])}"
        )
    print("gaps of the stream before the end: from, to, cause")
    for gap in found["gaps"]:
        print(
            f"  {gap['start_samples'] / 16_000:.3f} s  {gap['end_samples'] / 16_000:.3f} s  "
            f"{shown(gap['cause'])}"
        )
    print(f"labels, quorum {settings.review.quorum}: {found['alert']['review']}")
    for said in found["labels"]:
        when = f"{said['labelled_utc']:%Y-%m-%d %H:%M:%S}"
        print(
            f"  {said['number']}  {when}  {said['label']:6}  {shown(said['reviewer'])}  "
            f"{shown(said['reason'])}"
        )
    print("index: encoder, blocks that were learnt from it")
    for entry in found["index"]:
        print(f"  {entry['encoder_id']}  {entry['blocks']}")


def play(reviews: Reviews, arguments: argparse.Namespace, settings: Settings) -> None:
    from radd.errors import ConfigError, DeviceError
    from radd.flac import flac_samples
    from stream.capture.portaudio import play

    id, flac = reviews.sound(arguments.id)
    if arguments.out is None:
        try:
            play(flac_samples(flac))
            return
        except DeviceError as error:
            print(f"{error}; the sound goes into a file", file=sys.stderr)
    out = arguments.out or Path(f"{id}.flac")
    try:
        out.write_bytes(flac)
    except OSError as error:
        raise ConfigError(
            f"cannot write {out}: {error.strerror}; name another file with --out"
        ) from None
    print(out)


def label(reviews: Reviews, arguments: argparse.Namespace, settings: Settings) -> None:
    from storage.review import Label

    now = reviews.label(arguments.ids, Label(arguments.label), arguments.reviewer, arguments.reason)
    for id, state in now.items():
        print(f"{id}  {state}")
    remember(reviews, arguments, settings)


def remember(reviews: Reviews, arguments: argparse.Namespace, settings: Settings) -> None:
    """Bring what is agreed into the index of the bundle; what is in the way is told, and tried
    again next time.
    """
    from app.options.index import NOT_HEEDED
    from radd.bundle import RADD, load_known_voices, read_manifest
    from radd.hub import bundle_directory
    from radd.registry import in_use

    bundle = arguments.bundle or in_use(bundle_directory(resource(), settings.model.bundle))
    if (kind := read_manifest(bundle).get("kind", RADD)) != RADD:
        print(
            f"{bundle} is a bundle of kind {kind}, without an index: labels wait for one that has "
            "an index",
            file=sys.stderr,
        )
        return
    encoder, _, calibration = load_known_voices(bundle)
    learnt = reviews.remember(encoder)
    if learnt and not calibration.closeness:
        print(NOT_HEEDED, file=sys.stderr)
    for sha256, result in learnt.items():
        if isinstance(result, str):
            print(f"warning: clip {sha256} does not enter the index: {result}", file=sys.stderr)
        else:
            print(f"the index has learnt {result} blocks of clip {sha256}")


def export_clips(reviews: Reviews, arguments: argparse.Namespace, settings: Settings) -> None:
    from storage.clip_archive import export_clips

    count = export_clips(reviews, arguments.directory, arguments.state or list(STATES))
    print(f"{count} clips are in {arguments.directory}")


def import_clips(reviews: Reviews, arguments: argparse.Namespace, settings: Settings) -> None:
    from storage.clip_archive import import_clips

    print("new: " + counted(import_clips(reviews, arguments.directory)))
    remember(reviews, arguments, settings)


def stats(reviews: Reviews, arguments: argparse.Namespace, settings: Settings) -> None:
    found = reviews.stats()
    if arguments.json:
        print(as_json(found))
        return
    for kind, states in found["clips"].items():
        print(f"{kind}s: {counted({name: states.get(name, 0) for name in STATES})}")
    samples = found["clips"]["sample"]
    if answered := samples.get("fake", 0) + samples.get("real", 0):
        print(
            f"missed: {samples.get('fake', 0)} of {answered} samples that people have judged are "
            "fake"
        )
    for name, counts in found["reviewers"].items():
        print(f"reviewer {shown(name, 40)}: {counted(counts)}")
    for entry in found["index"]:
        print(
            f"index of encoder {entry['encoder_id']}: {entry['blocks']} blocks of "
            f"{entry['clips']} clips"
        )


def delete(reviews: Reviews, arguments: argparse.Namespace, settings: Settings) -> None:
    from storage.deletion import delete

    removed = delete(reviews.database, arguments.id, arguments.stream, arguments.before)
    print(
        f"removed: {counted(removed)}; training keeps no copies, it reads the clips of the database"
    )


def counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def shown(value: Any, longest: int = LONGEST_SHOWN) -> str:
    """A value of any origin for a terminal: characters that would steer it are spelt out, and the
    end is cut off.
    """
    text = "-" if value is None else str(value)
    safe = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:longest]
    )
    return safe if len(text) <= longest else f"{safe}... ({len(text)} characters)"


def as_json(value: Any) -> str:
    return json.dumps(value, default=lambda moment: moment.isoformat(timespec="milliseconds"))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("review.py", description=__doc__, epilog=EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, help: str, json: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help)
        added.set_defaults(command=run)
        added.add_argument(
            "--config", type=Path, metavar="FILE", help="settings that override config.toml"
        )
        added.add_argument("--url", help="the database, instead of the one in [storage]")
        if json:
            added.add_argument("--json", action="store_true", help="print JSON")
        return added

    add = command(
        "list", list_clips, "what to review, the most informative first", json=True
    ).add_argument
    add(
        "--state",
        choices=STATES,
        default="pending",
        help="what the labels come to, default pending",
    )
    add(
        "--kind",
        choices=("alert", "sample"),
        help="only alerts, or only samples of unflagged speech",
    )
    add("--stream", metavar="ID", help="only of this stream")
    add("--label", choices=LABELS, help="only what somebody has called so")
    add("--unlabelled-by", metavar="NAME", help="only what this reviewer has not answered")
    add(
        "--since",
        type=moment,
        metavar="TIME",
        help="only what began then or later, as 2026-03-01T12:00 UTC",
    )
    add("--after", metavar="ID", help="the page that follows this clip")
    add("--limit", type=page, default=20, metavar="N", help="clips on a page, default 20")
    command("show", show, "everything that is known of one clip", json=True).add_argument(
        "id", metavar="ID"
    )
    playing = command(
        "play", play, "hear a clip, or write it into a file where there is no sound card"
    )
    playing.add_argument("id", metavar="ID")
    playing.add_argument(
        "--out", type=Path, metavar="FILE", help="write the FLAC there and play nothing"
    )
    labelling = command(
        "label", label, "say what clips are; what is agreed enters the index at once"
    )
    labelling.add_argument("label", choices=LABELS)
    labelling.add_argument(
        "ids", nargs="+", metavar="ID", help="as `list` shows it, or how it begins"
    )
    me = os.environ.get("USER", "")
    labelling.add_argument(
        "--reviewer", default=me, metavar="NAME", help="who says so, default $USER"
    )
    labelling.add_argument("--reason", default="", metavar="TEXT")
    exporting = command(
        "export", export_clips, "write clips and all that is known of them to a directory"
    )
    exporting.add_argument("directory", type=Path, metavar="DIR")
    exporting.add_argument(
        "--state", choices=STATES, action="append", help="may be given many times; default all"
    )
    importing = command("import", import_clips, "add what another database has exported")
    importing.add_argument("directory", type=Path, metavar="DIR")
    for learning in (labelling, importing):
        learning.add_argument(
            "--bundle", type=Path, metavar="DIR", help="the bundle, instead of the configured one"
        )
    command(
        "stats", stats, "how much is reviewed, by whom, and what the index learnt of it", json=True
    )
    deleting = command(
        "delete", delete, "remove sound, rows, labels and index entries for good, and say what went"
    )
    deleting.add_argument(
        "--id", action="append", default=[], metavar="ID", help="a clip; may be given many times"
    )
    deleting.add_argument("--stream", metavar="ID", help="a stream and all that was heard in it")
    deleting.add_argument(
        "--before", type=moment, metavar="TIME", help="alerts that began, streams that ended before"
    )
    arguments = parser.parse_args(argv)
    if arguments.command is delete and not (arguments.id or arguments.stream or arguments.before):
        deleting.error("say what: --id, --stream or --before")
    return arguments


def moment(text: str) -> datetime:
    """A time as the tables have it: UTC without a zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a date or time such as 2026-03-01T12:00"
        ) from None
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def page(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 10_000):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to 10000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
