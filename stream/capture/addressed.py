"""Audio at an address: http://, https://, rtsp://, and HLS playlists. Pulled, so a source."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Generator, Iterator
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

import numpy as np

from radd.channels import ChannelChoice
from radd.containers import AddressFile
from radd.errors import AudioError
from radd.resampling import Piece, PieceConverter
from radd.types import SAMPLE_RATE_HZ, AudioChunk

SCHEMES = ("http://", "https://", "rtsp://")
BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0)
LONGEST_OUTAGE_S = 60.0  # after which a live address counts as gone
SOUND_S, MOST_SHORT = 10.0, 8  # a connection that lasts less so often in a row is no live stream
NOTHING = np.zeros((0, 1), np.float32)
SILENT = "the address delivers no audio"

log = logging.getLogger(__name__)


def is_address(spec: str) -> bool:
    """Whether a --source is an address."""
    return spec.lower().startswith(SCHEMES)


def public_name(url: str) -> str:
    """The address without user, password and query, which may be secrets."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"


class AddressSource:
    """A Source that fetches a recording or a live stream.

    Entering raises AudioError if nothing answers, or what answers is not audio. A recording ends
    where it ends, and one that breaks off raises AudioError, like a damaged file. A live stream
    ends when its server ends it. If the connection breaks, that is a gap: the address is opened
    again, for at most LONGEST_OUTAGE_S; then AudioError is raised.
    """

    def __init__(self, url: str, choice: ChannelChoice | None = None):
        try:
            self.name = public_name(url)
        except ValueError as error:
            raise AudioError(f"--source: this address cannot be read: {error}") from None
        self._url, self._choice = url, choice or ChannelChoice()
        self._choice.for_one_stream("an address")
        self.native_rate_hz = self.native_channels = 0
        self.length_samples: int | None = None
        self._file: AddressFile | None = None
        self._stopped = False
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._chunks = self._reopened = self._short = 0
        self._opened = 0.0

    def __enter__(self) -> AddressSource:
        self._file = file = self._open()
        self._choice.check(self.name, file.channels)
        self.native_rate_hz, self.native_channels = file.rate_hz, file.channels
        if file.frames is not None and not file.is_live:
            self.length_samples = round(file.frames * SAMPLE_RATE_HZ / file.rate_hz)
        return self

    def __exit__(self, *exc) -> None:
        if self._file is not None:
            self._file.__exit__(*exc)
            self._file = None

    def stop(self) -> None:
        self._stopped = True
        self._wake.put(None)

    def stats(self) -> dict[str, int]:
        return {"chunks": self._chunks, "reopened": self._reopened}

    def __iter__(self) -> Iterator[AudioChunk]:
        for chunk in self._listen():
            if len(chunk.samples) or chunk.cause:
                self._chunks += 1
                yield chunk

    def _open(self) -> AddressFile:
        self._opened = time.monotonic()
        return AddressFile(self._url, self.name, (self._choice.track or 1) - 1)

    def _listen(self) -> Iterator[AudioChunk]:
        converter, lost = PieceConverter(self._choice.number), Piece(NOTHING, SAMPLE_RATE_HZ)
        while (file := self._file) is not None and not self._stopped:
            for piece in file.pieces():
                if lost.lost_s:
                    piece = piece._replace(lost_s=lost.lost_s, cause=lost.cause)
                    lost = lost._replace(lost_s=0.0)
                yield from converter.push(piece, time.monotonic())
                if self._stopped:
                    break
            broke_at = time.monotonic()
            yield from converter.flush(broke_at)
            lasted = broke_at - self._opened > SOUND_S
            self._short = 0 if lasted else self._short + 1
            if self._stopped or not (file.is_live and file.is_broken) or self._short > MOST_SHORT:
                self._check(file)
                return
            lost = yield from self._reopen(converter, broke_at)

    def _check(self, file: AddressFile) -> None:
        if file.problem and not self._stopped:
            raise AudioError(file.problem)

    def _reopen(
        self, converter: PieceConverter, broke_at: float
    ) -> Generator[AudioChunk, None, Piece]:
        """Report the loss, and open the address again; returns what is lost beyond that. Raises
        AudioError if it takes too long.
        """
        end, attempt, cause = converter.end, 0, f"{SILENT}: {self.name}"
        self.__exit__()
        while not self._stopped:
            outage_s = time.monotonic() - broke_at
            converter.end = end + round(outage_s * SAMPLE_RATE_HZ)
            yield AudioChunk(NOTHING[:, 0], converter.end, cause, 0, time.monotonic())
            if self._short > 1:
                self._wait(BACK_OFF_S[min(self._short, len(BACK_OFF_S)) - 1])
            try:
                self._file = self._open()
            except AudioError as error:
                if outage_s > LONGEST_OUTAGE_S:
                    raise
                log.warning("%s", error)
            else:
                self._reopened += 1
                log.warning("%s is back", self.name)
                break
            self._wait(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)])
            attempt += 1
        lost_s = time.monotonic() - broke_at - (converter.end - end) / SAMPLE_RATE_HZ
        return Piece(NOTHING, SAMPLE_RATE_HZ, max(0.0, lost_s), cause)

    def _wait(self, for_s: float) -> None:
        with contextlib.suppress(Empty):
            self._wake.get(timeout=for_s)
