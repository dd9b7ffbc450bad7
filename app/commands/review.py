"""review.py: labels of the clips that RADD stored."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from app.commands.index import NOT_HEEDED
from app.installation import Installation, installation
from app.options.review import STATES
from console.clip_lines import as_json, counted, details, line, shown
from radd.bundle import RADD, load_known_voices, read_manifest
from radd.errors import ConfigError, DeviceError, silence_broken_pipe
from radd.flac import flac_samples
from radd.private_files import write_bytes
from retraining.confirmed_clips import index_confirmed
from storage.clip_archive import export_clips as write_archive
from storage.clip_archive import import_clips as read_archive
from storage.deletion import delete as delete_for_good
from storage.review import Label, Question, Reviews
from storage.undo import undo as take_back
from storage.undo import work_of
from stream.capture.portaudio import play as play_sound


def review(arguments: argparse.Namespace) -> None:
    """Run the command line's action on the labels of the database."""
    here = installation(arguments.config, getattr(arguments, "bundle", None))
    url = arguments.url or here.settings.storage.url
    with Reviews(url, here.settings.quorum) as reviews:
        try:
            ACTIONS[arguments.action](reviews, arguments, here)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader went away, as with `| head`
            silence_broken_pipe(sys.stdout)


def list_clips(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    """Print a page of clips to review."""
    names = ("state", "kind", "stream", "label", "unlabelled_by", "since", "after", "limit")
    found = reviews.list(Question(**{name: getattr(arguments, name) for name in names}))
    for row in found:
        print(as_json(row) if arguments.json else line(row, here.settings.review.quorum))
    if not arguments.json:
        print(more(found, arguments))


def more(found: list[dict[str, Any]], arguments: argparse.Namespace) -> str:
    if not found:
        return f"no {arguments.state} clips match"
    rest = f"; the next page: --after {found[-1]['id']}" if len(found) == arguments.limit else ""
    return f"{len(found)} clips, highest review priority first{rest}"


def show(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    """Print all data of one clip."""
    found = reviews.show(arguments.id)
    if arguments.json:
        print(as_json(found))
        return
    for text in details(found, here.settings.review.quorum):
        print(text)


def play(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    """Play a clip, or write it to a file."""
    id, flac = reviews.sound(arguments.id)
    if arguments.out is None:
        try:
            play_sound(flac_samples(flac))
            return
        except DeviceError as error:
            print(f"{error}; writing the audio to a file", file=sys.stderr)
    out = arguments.out or Path(f"{id}.flac")
    try:
        write_bytes(out, flac)
    except OSError as error:
        raise ConfigError(
            f"cannot write {out}: {error.strerror}; name another file with --out"
        ) from None
    print(out)


def label(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    """Add a label to clips and update the index."""
    now = reviews.label(arguments.ids, Label(arguments.label), arguments.reviewer, arguments.reason)
    for id, state in now.items():
        print(f"{id}  {state}")
    remember(reviews, arguments, here)


def remember(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    """Add agreed clips to the index of the bundle; problems are reported, and tried again next
    time.
    """
    bundle = here.bundle()
    if (kind := read_manifest(bundle).get("kind", RADD)) != RADD:
        print(
            f"{bundle} is a bundle of kind {kind}, which has no index: labels are kept for a "
            "bundle "
            "with an index",
            file=sys.stderr,
        )
        return
    encoder, _, calibration = load_known_voices(bundle)
    learnt = index_confirmed(reviews, encoder)
    if learnt and not calibration.closeness:
        print(NOT_HEEDED, file=sys.stderr)
    for sha256, result in learnt.items():
        if isinstance(result, str):
            print(f"warning: clip {sha256} was not added to the index: {result}", file=sys.stderr)
        else:
            print(f"the index has learned {result} blocks of clip {sha256}")


def export_clips(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    """Write clips and their data to a directory."""
    count = write_archive(reviews, arguments.directory, arguments.state or list(STATES))
    print(f"{count} clips are in {arguments.directory}")


def import_clips(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    """Add an export of another database."""
    print("new: " + counted(read_archive(reviews, arguments.directory, flac_samples)))
    remember(reviews, arguments, here)


def stats(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    """Print counts of clips, labels and index entries."""
    found = reviews.stats()
    if arguments.json:
        print(as_json(found))
        return
    for kind, states in found["clips"].items():
        print(f"{kind}s: {counted({name: states.get(name, 0) for name in STATES})}")
    samples = found["clips"]["sample"]
    if answered := samples.get("fake", 0) + samples.get("real", 0):
        print(f"missed: {samples.get('fake', 0)} of {answered} labelled samples are fake")
    for name, counts in found["reviewers"].items():
        print(f"reviewer {shown(name, 40)}: {counted(counts)}")
    for entry in found["index"]:
        print(
            f"index of encoder {entry['encoder_id']}: {entry['blocks']} blocks of "
            f"{entry['clips']} clips"
        )


def reviewer(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    found = work_of(reviews, arguments.name)
    if arguments.json:
        print(as_json(found))
        return
    for row in found["labels"]:
        print(f"{row['id']}  {row['labelled_utc']:%Y-%m-%d %H:%M:%S}  {row['label']}", end="  ")
        print(shown(row["reason"]))
    for what in ("added", "removed"):
        for row in found[what]:
            print(f"{what}: {'  '.join(shown(value) for value in row.values())}")
    print(counted({name: len(rows) for name, rows in found.items()}))


def undo(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    undone = take_back(reviews, arguments.name, arguments.by, arguments.reason)
    print(f"undone: {counted(undone)}")
    remember(reviews, arguments, here)


def delete(reviews: Reviews, arguments: argparse.Namespace, here: Installation) -> None:
    """Permanently delete clips, a stream or everything before a time."""
    removed = delete_for_good(reviews.database, arguments.id, arguments.stream, arguments.before)
    print(
        f"removed: {counted(removed)}; training reads clips from the database and keeps no copies"
    )


ACTIONS = {
    "list": list_clips,
    "show": show,
    "play": play,
    "label": label,
    "export": export_clips,
    "import": import_clips,
    "stats": stats,
    "delete": delete,
    "reviewer": reviewer,
    "undo": undo,
}
