"""Sound of strangers, decoded in a process of its own with a limit on time, memory and
length.

Nothing but tagged bytes comes back from that process: whatever a hostile file makes of a decoder,
it stays there.
"""

from __future__ import annotations

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
from pathlib import Path

import numpy as np

from radd.errors import AudioError
from radd.files import open_audio, open_stream
from radd.resampling import Converter
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, seconds

NAME = "recording"  # what a file is called here, whatever the client called it
SOUND, PROBLEM, FAILURE, END = b"s", b"p", b"f", b"."
AT_ONCE_SAMPLES = 64 * HOP_SAMPLES
OPEN_FILES = 32
PATIENCE = 5  # a busy machine needs more time than its processor takes
STREAM_S, STREAM_CPU_S = 86_400, 3_600  # a live stream may last a day


@dataclass(frozen=True, slots=True)
class Limits:
    """What one decoder may take."""

    cpu_s: int
    memory_mb: int
    """on top of what the process has to begin with"""
    length_s: int
    """of the decoded sound"""


class DecodedSound:
    """What one decoder sends."""

    def __init__(
        self,
        pipe: Connection,
        process: multiprocessing.Process,
        limits: Limits,
        silence_s: float | None,
    ):
        self._pipe, self._process, self._limits, self._silence_s = pipe, process, limits, silence_s
        self.problem: str | None = None
        """what is wrong with the sound, known once its blocks have been read; None if nothing is"""

    def blocks(self) -> Iterator[np.ndarray]:
        """The decoded sound in order, float32 (n,), mono, 16 kHz.

        Raises AudioError for what is no sound, is too long, or takes the decoder too much time or
        memory.
        """
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
            else:
                yield np.frombuffer(body, np.float32)

    def _died(self) -> str:
        self._process.join(PATIENCE)
        if self._process.exitcode == -signal.SIGXCPU:
            return self._too_slow()
        return (
            "this sound cannot be decoded: it is damaged, or needs more than "
            f"{self._limits.memory_mb} MB to decode; convert it to WAV or FLAC first"
        )

    def _too_slow(self) -> str:
        return (
            f"decoding takes more than {self._limits.cpu_s} s; send a shorter recording, or "
            "convert it to WAV first"
        )


class Decoders:
    """Starts decoders by forking a process that has imported what they need, and nothing else. A
    context manager.
    """

    def __init__(self, limits: Limits):
        self.limits = limits
        self._context = multiprocessing.get_context("forkserver")

    def __enter__(self) -> Decoders:
        self._context.set_forkserver_preload([__name__, "av"])
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(
            sys.path
        )  # the fork server does not know this process's own
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
    def file(self, directory: Path) -> Iterator[DecodedSound]:
        """The sound of the file NAME in `directory`."""
        with self._run(_decode_file, str(directory), self.limits) as (pipe, process):
            yield DecodedSound(pipe, process, self.limits, float(PATIENCE * self.limits.cpu_s))

    @contextmanager
    def stream(self) -> Iterator[tuple[Connection, DecodedSound]]:
        """A pipe for the bytes of an Ogg or WebM stream in pieces of any size, closed at their end,
        and its sound.
        """
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
    ) -> Iterator[tuple[Connection, multiprocessing.Process]]:
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


def _decode_file(directory: str, pipe: Connection, limits: Limits) -> None:
    os.chdir(directory)
    _confine(limits)
    _send(pipe, limits, lambda: open_audio(NAME))


def _decode_stream(source: Connection, pipe: Connection, limits: Limits) -> None:
    _confine(limits)
    _send(pipe, limits, lambda: open_stream(Incoming(source)), at_once=1)


def _confine(limits: Limits) -> None:
    """Take from this process what a decoder does not need."""
    with (
        suppress(OSError, ValueError),
        open("/proc/self/statm", encoding="ascii") as statm,
    ):  # Linux alone has it
        has = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + limits.memory_mb * 1_000_000,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))


def _send(
    pipe: Connection, limits: Limits, open_sound: Callable, at_once: int = AT_ONCE_SAMPLES
) -> None:
    try:
        with open_sound() as file:
            if (file.frames or 0) > limits.length_s * file.rate_hz:
                raise AudioError(_too_long(file.frames / file.rate_hz, limits))
            _send_sound(pipe, limits, file, at_once)
            if file.problem:
                pipe.send_bytes(PROBLEM + file.problem.encode())
        pipe.send_bytes(END)
    except AudioError as error:
        pipe.send_bytes(FAILURE + str(error).encode())
    except MemoryError:
        pipe.send_bytes(
            FAILURE + f"this sound needs more than {limits.memory_mb} MB to decode".encode()
        )
    except ConnectionError:
        pass  # nobody wants the sound any more


def _send_sound(pipe: Connection, limits: Limits, file, at_once: int) -> None:
    converter, waiting, size = Converter(file.rate_hz, file.channels), [], 0

    def send(samples: np.ndarray, least: int) -> None:
        nonlocal waiting, size
        waiting.append(samples)
        size += len(samples)
        if size >= least:
            pipe.send_bytes(SOUND + np.concatenate(waiting).tobytes())
            waiting, size = [], 0
        if converter.end > limits.length_s * SAMPLE_RATE_HZ:
            raise AudioError(_too_long(seconds(converter.end), limits))

    for block in file.blocks():
        send(converter.push(block).samples, at_once)
    send(converter.flush().samples, 1)


def _too_long(found_s: float, limits: Limits) -> str:
    return (
        f"the recording is at least {found_s:.0f} s long, at most {limits.length_s} s are taken; "
        "cut it, or raise max_duration_s in [serve] of config.toml"
    )


class Incoming:
    """Pieces from a pipe as a file that can be read once."""

    def __init__(self, pipe: Connection):
        self._pipe, self._rest = pipe, b""

    def read(self, size: int) -> bytes:
        while not self._rest:
            try:
                self._rest = self._pipe.recv_bytes()
            except EOFError:
                return b""
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
