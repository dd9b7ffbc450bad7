"""Decodes untrusted audio in a separate process with limits on time, memory and length.

That process returns only tagged bytes: a hostile file that takes over a decoder cannot reach the
console.
"""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.forkserver
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from radd.channels import Lane, columns
from radd.containers import open_stream
from radd.errors import AudioError
from radd.files import open_audio
from radd.resampling import Piece, convert
from radd.types import HOP_SAMPLES, AudioChunk

NAME = "recording"  # fixed file name, whatever the client called it
HEADER, SOUND, GAP, PROBLEM, FAILURE, END = b"h", b"s", b"g", b"p", b"f", b"."
AT_ONCE_SAMPLES = 64 * HOP_SAMPLES  # fewer messages through the pipe than one per hop
OPEN_FILES = 32  # a decoder needs few; a hostile file must not open many
PATIENCE = 5  # wall-clock seconds per CPU second, for busy machines
STREAM_S, STREAM_CPU_S = 86_400, 3_600  # a live stream may last a day


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of one decoder."""

    cpu_s: int
    memory_mb: int
    """in addition to what the process uses at the start"""
    length_s: int
    """of the decoded audio"""


class DecodedSound:
    """The output of one decoder."""

    def __init__(
        self,
        pipe: Connection,
        process: BaseProcess,
        limits: Limits,
        silence_s: float | None,
    ):
        self._pipe, self._process, self._limits, self._silence_s = pipe, process, limits, silence_s
        self.problem: str | None = None
        """what is wrong with the audio, known once its blocks have been read; None if nothing is"""

    def chunks(self) -> Iterator[AudioChunk]:
        """The decoded audio in order, mono, 16 kHz; missing parts are gaps.

        Raises AudioError if it is not audio, is too long, or needs too much time or memory.
        """
        end, cause = 0, None
        for tag, body in self._messages():
            if tag == GAP:
                gap = json.loads(body)
                end, cause = gap["start"], gap["cause"]
            if tag == SOUND:
                chunk = AudioChunk(np.frombuffer(body, np.float32), end, cause)
                end, cause = chunk.end, None
                yield chunk

    def columns(self) -> Iterator[np.ndarray]:
        """Every channel of Decoders.channels, float32 (n, channels), 16 kHz. Raises like
        chunks().
        """
        channels = 1
        for tag, body in self._messages():
            if tag == HEADER:
                channels = json.loads(body)["channels"]
            if tag == SOUND:
                yield np.frombuffer(body, np.float32).reshape(-1, channels)

    def track_channels(self) -> list[int]:
        """The numbers of channels of every audio track. Raises like chunks()."""
        return next(json.loads(body)["tracks"] for tag, body in self._messages() if tag == HEADER)

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            if not self._pipe.poll(self._silence_s):
                raise AudioError(self._too_slow())
            try:
                message = self._pipe.recv_bytes()
            except (EOFError, ConnectionError):
                raise AudioError(self._died()) from None
            tag, body = message[:1], message[1:]
            if tag == END:
                return
            if tag == FAILURE:
                raise AudioError(body.decode(errors="replace"))
            if tag == PROBLEM:
                self.problem = body.decode(errors="replace")
            yield tag, body

    def _died(self) -> str:
        self._process.join(PATIENCE)
        if self._process.exitcode == -signal.SIGXCPU:
            return self._too_slow()
        return (
            "this audio cannot be decoded: it is damaged, or needs more than "
            f"{self._limits.memory_mb} MB to decode; convert it to WAV or FLAC first"
        )

    def _too_slow(self) -> str:
        return (
            f"decoding takes more than {self._limits.cpu_s} s; send a shorter recording, or "
            "convert it to WAV first"
        )


class Decoders:
    """Starts decoders by forking a process that has imported only what they need. A context
    manager.
    """

    def __init__(self, limits: Limits):
        self.limits = limits
        self._context = multiprocessing.get_context("forkserver")

    def __enter__(self) -> Decoders:
        self._context.set_forkserver_preload([__name__, "av"])
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # the fork server is another process
        try:
            multiprocessing.forkserver.ensure_running()
        finally:
            del os.environ["PYTHONPATH"]
            if before is not None:
                os.environ["PYTHONPATH"] = before
        return self

    def __exit__(self, *exc) -> None:
        pass

    @contextmanager
    def file(self, directory: Path, lane: Lane | None = None) -> Iterator[DecodedSound]:
        """The audio of one lane of the file NAME in `directory`; None: the mean of the channels of
        its first track.
        """
        source = str(directory), lane or Lane()
        with self._run(_decode_lane, source, self.limits) as (pipe, process):
            yield DecodedSound(pipe, process, self.limits, float(PATIENCE * self.limits.cpu_s))

    @contextmanager
    def channels(self, directory: Path, track: int) -> Iterator[DecodedSound]:
        """All channels of a track, from 0, of the file NAME in `directory`: for columns()."""
        source = str(directory), track
        with self._run(_decode_channels, source, self.limits) as (pipe, process):
            yield DecodedSound(pipe, process, self.limits, float(PATIENCE * self.limits.cpu_s))

    @contextmanager
    def stream(self) -> Iterator[tuple[Connection, DecodedSound]]:
        """A pipe for the bytes of a container stream, closed at their end, and its audio."""
        ours, theirs = self._context.Pipe()
        try:
            limits = replace(self.limits, cpu_s=STREAM_CPU_S, length_s=STREAM_S)
            with self._run(_decode_stream, theirs, limits) as (pipe, process):
                theirs.close()
                yield ours, DecodedSound(pipe, process, limits, None)
        finally:
            ours.close()

    @contextmanager
    def _run(
        self, target: Callable, source, limits: Limits
    ) -> Iterator[tuple[Connection, BaseProcess]]:
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=target, args=(source, sender, limits), daemon=True)
        process.start()
        sender.close()
        try:
            yield receiver, process
        finally:
            receiver.close()
            process.kill()
            process.join()
            process.close()


def _decode_lane(source: tuple[str, Lane], pipe: Connection, limits: Limits) -> None:
    directory, lane = source
    os.chdir(directory)
    _confine(limits)
    _send(pipe, limits, lambda: open_audio(NAME, lane.track), _Lane(lane.channel, AT_ONCE_SAMPLES))


def _decode_channels(source: tuple[str, int], pipe: Connection, limits: Limits) -> None:
    directory, track = source
    os.chdir(directory)
    _confine(limits)
    _send(pipe, limits, lambda: open_audio(NAME, track), _send_columns)


def _decode_stream(source: Connection, pipe: Connection, limits: Limits) -> None:
    _confine(limits)
    _send(pipe, limits, lambda: open_stream(Incoming(source)), _Lane(None, 1))


def _confine(limits: Limits) -> None:
    """Drop every privilege that a decoder does not need."""
    with (
        suppress(OSError, ValueError),
        open("/proc/self/statm", encoding="ascii") as statm,
    ):  # Linux only
        has = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + limits.memory_mb * 1_000_000,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))


def _send(pipe: Connection, limits: Limits, open_sound: Callable, send_sound: Callable) -> None:
    try:
        with open_sound() as file:
            if (file.frames or 0) > limits.length_s * file.rate_hz:
                raise AudioError(_too_long(file.frames / file.rate_hz, limits))
            header = {"tracks": file.track_channels, "channels": file.channels}
            pipe.send_bytes(HEADER + json.dumps(header).encode())
            send_sound(pipe, _bounded(file.pieces(), limits), file.channels)
            if file.problem:
                pipe.send_bytes(PROBLEM + file.problem.encode())
        pipe.send_bytes(END)
    except AudioError as error:
        pipe.send_bytes(FAILURE + str(error).encode())
    except MemoryError:
        pipe.send_bytes(
            FAILURE + f"this audio needs more than {limits.memory_mb} MB to decode".encode()
        )
    except ConnectionError:
        pass  # the reader is gone


def _bounded(pieces: Iterator[Piece], limits: Limits) -> Iterator[Piece]:
    """The pieces. Raises AudioError if they are too long, including gaps."""
    length_s = 0.0
    for piece in pieces:
        length_s += piece.lost_s + len(piece.frames) / piece.rate_hz
        if length_s > limits.length_s:
            raise AudioError(_too_long(length_s, limits))
        yield piece


class _Lane:
    """Sends one channel, or the mean of all, in parts of at least `at_once` samples."""

    def __init__(self, channel: int | None, at_once: int):
        self._channel, self._at_once = channel, at_once

    def __call__(self, pipe: Connection, pieces: Iterator[Piece], channels: int) -> None:
        waiting: list[np.ndarray] = []
        end = 0
        for chunk in convert(pieces, self._channel):
            if chunk.start > end:
                _send_sound(pipe, waiting)
                gap = {"start": chunk.start, "cause": chunk.cause}
                pipe.send_bytes(GAP + json.dumps(gap).encode())
            waiting.append(chunk.samples)
            end = chunk.end
            if sum(map(len, waiting)) >= self._at_once:
                _send_sound(pipe, waiting)
        _send_sound(pipe, waiting)


def _send_sound(pipe: Connection, waiting: list[np.ndarray]) -> None:
    if waiting:
        pipe.send_bytes(SOUND + np.concatenate(waiting).tobytes())
        waiting.clear()


def _send_columns(pipe: Connection, pieces: Iterator[Piece], channels: int) -> None:
    for sound in columns(pieces, channels):
        if len(sound):
            pipe.send_bytes(SOUND + np.ascontiguousarray(sound, np.float32).tobytes())


def _too_long(found_s: float, limits: Limits) -> str:
    return (
        f"the recording is at least {found_s:.0f} s long, but at most {limits.length_s} s are "
        "accepted; "
        "cut it, or raise max_duration_s in [serve] of config.toml"
    )


class Incoming:
    """Pieces from a pipe as a file that can be read once."""

    def __init__(self, pipe: Connection):
        self._pipe, self._rest = pipe, b""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end of the pipe."""
        while not self._rest:
            try:
                self._rest = self._pipe.recv_bytes()
            except EOFError:
                return b""
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
