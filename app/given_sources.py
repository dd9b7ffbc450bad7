"""The sources of a command line: folders and patterns expanded, many recordings in batches."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from app.settings import Settings
from radd.channels import ChannelChoice
from radd.errors import AudioError, ConfigError
from radd.types import Source
from stream.capture.recordings import is_path, recordings
from stream.capture.sources import SourceOptions, open_sources
from stream.failures import Failures

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GivenSource:
    """One source of the command line."""

    spec: str
    is_found: bool
    """one of many files, such as those of a folder: if it cannot be read, the others go on"""


@dataclass(frozen=True, slots=True)
class OpenedSources:
    """Sources that run side by side, and the files that could not be read."""

    sources: list[Source]
    refused: list[tuple[str, AudioError]]


def given_sources(arguments: argparse.Namespace) -> list[GivenSource]:
    """What the command line names; without a name, the default source unless calls come.

    Raises ConfigError if two would read the same stdin, and AudioError for a folder or pattern
    without a recording.
    """
    named = [(spec, False) for spec in arguments.source or []]
    named += [(spec, True) for spec in arguments.files]
    if not named and not arguments.listen:
        named = [("auto", False)]
    if [spec for spec, _ in named].count("-") > 1:
        raise ConfigError(
            "--source - was given more than once, but there is only one stdin; pass the others as "
            "files"
        )
    given = []
    for spec, is_found in named:
        found = recordings(spec)
        given += (
            [GivenSource(spec, is_found)]
            if found is None
            else [GivenSource(path, True) for path in found]
        )
    return given


def in_batches(
    given: Sequence[GivenSource], arguments: argparse.Namespace, at_once: int
) -> list[Sequence[GivenSource]]:
    """Groups of sources that run side by side, one group after the other: recordings of folders
    `at_once`, all others in the first group.
    """
    is_live = arguments.realtime or arguments.listen or not all(is_path(g.spec) for g in given)
    first = [g for g in given if not g.is_found]
    found = [g for g in given if g.is_found]
    if is_live:
        return [[*first, *found]]
    room = max(0, at_once - len(first))
    rest = [found[at : at + at_once] for at in range(room, len(found), at_once)]
    return [[*first, *found[:room]], *rest]


def open_batch(
    batch: Sequence[GivenSource], arguments: argparse.Namespace, settings: Settings
) -> OpenedSources:
    """One or more sources for each that is given. Raises AudioError if one that is not `is_found`
    cannot be read.
    """
    options = source_options(arguments, [given.spec for given in batch])
    opened, failures = OpenedSources([], []), Failures()
    for given in batch:
        try:
            opened.sources.extend(open_sources(given.spec, settings.capture, options))
        except AudioError as error:
            if given.is_found:
                opened.refused.append((given.spec, error))
            else:
                failures.add(given.spec, error)
    failures.raise_gravest()
    return opened


def all_sources(arguments: argparse.Namespace, settings: Settings) -> list[Source]:
    """Everything that the command line names, to run side by side. Raises AudioError if one cannot
    be read.
    """
    opened = open_batch(given_sources(arguments), arguments, settings)
    if opened.refused:
        raise opened.refused[0][1]
    return opened.sources


def source_options(arguments: argparse.Namespace, specs: Sequence[str]) -> SourceOptions:
    """How the sources are read; options without effect are reported."""
    raw = {
        "rate_hz": arguments.rate,
        "channels": arguments.channels,
        "pcm_format": arguments.format,
    }
    given = {name: value for name, value in raw.items() if value is not None}
    if given and "-" not in specs:
        log.warning(
            "--rate, --channels and --format apply to raw PCM on stdin (--source -) and have "
            "no effect here"
        )
    choice = ChannelChoice(arguments.use_channel, arguments.track)
    return SourceOptions(arguments.realtime, choice=choice, **given)
