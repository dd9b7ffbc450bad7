"""The queue of recordings: a few are processed, a few wait, all others are rejected."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from fastapi import UploadFile

from console.clients import Shares, SoundMeter, SoundQuota
from console.decoding import NAME, Decoders
from console.prediction import Predictor
from console.schemas import Prediction
from console.settings import ServeSettings
from radd.channels import ChannelChoice, Lane, Plan, plan
from radd.errors import AudioError
from radd.private_files import opener
from radd.types import SAMPLE_RATE_HZ, AudioChunk, Score, seconds

BLOCK_BYTES = 1 << 20  # uploads are copied in blocks, so that memory does not depend on their size
STREAM_RETRY_S = 5
T = TypeVar("T")


class Turns:
    """Round-robin slots: clients take turns, so that one with many recordings does not block
    others. For one event loop.
    """

    def __init__(self, places: int):
        self._free = places
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Hold a slot, waiting for this client's turn."""
        await self._come(client)
        try:
            yield
        finally:
            self._give()

    async def _come(self, client: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give()
            raise

    def _give(self) -> None:
        """Give the slot to the next client, who then moves to the end."""
        while self._waiting:
            client, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._free += 1


class JobQueue:
    """Accepts recordings and streams up to the configured limits; owns the scoring threads."""

    def __init__(self, judge: Predictor, decoders: Decoders, settings: ServeSettings):
        self.decoders, self._judge, self._settings = decoders, judge, settings
        self._workers = ThreadPoolExecutor(settings.workers, "recording")
        self._turns = Turns(settings.workers)
        self._recordings = Shares(
            settings.workers + settings.queue, "recordings are waiting", "[serve] queue"
        )
        self._streams = Shares(settings.streams, "streams are open", "[serve] streams")
        self.quota = SoundQuota(settings.sound_h)
        self.listeners = ThreadPoolExecutor(settings.workers, "stream")
        """threads that score live streams of PCM"""
        self.pipes = ThreadPoolExecutor(2 * settings.streams, "opus")
        """threads that wait for decoders of live streams"""
        self._mean_s = 1.0

    @property
    def taken(self) -> int:
        """Recordings that are waiting or being scored."""
        return self._recordings.taken

    @property
    def streams(self) -> int:
        """Live streams in progress."""
        return self._streams.taken

    def close(self) -> None:
        """Stop the threads."""
        for threads in (self._workers, self.listeners, self.pipes):
            threads.shutdown(wait=False, cancel_futures=True)

    async def judge(
        self, upload: UploadFile, client: str, choice: ChannelChoice | None = None
    ) -> Prediction:
        """Score an uploaded file. Raises AudioError, and Refused if the queue is full or this
        client's quota is used up.
        """
        meter = self.quota.meter(client)
        return await self._in_turn(
            client, lambda: self._work(upload, meter, choice or ChannelChoice())
        )

    async def heard(
        self, upload: UploadFile, client: str, longest_s: int
    ) -> tuple[np.ndarray, list[Score]]:
        """The audio of an uploaded file, float32 (n,), 16 kHz, and its scores. Raises like judge,
        and AudioError for more than one voice or more than `longest_s`.
        """
        meter = self.quota.meter(client)
        return await self._in_turn(client, lambda: self._hear(upload, meter, longest_s))

    async def _in_turn(self, client: str, work: Callable[[], T]) -> T:
        wait_s = 1 + round(self._mean_s * self.taken / self._settings.workers)
        with self._recordings.place(client, wait_s):
            async with self._turns.place(client):
                return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    @contextmanager
    def stream(self, client: str) -> Iterator[None]:
        """A slot for one live stream. Raises Refused if none is free."""
        with self._streams.place(client, STREAM_RETRY_S):
            yield

    def _judge_lanes(
        self, directory: Path, sha256: str, choice: ChannelChoice, meter: SoundMeter
    ) -> Prediction:
        """The result of the most synthetic channel or track among those that contain speech."""
        found = self._plan(directory, choice)
        judged = [self._judge_lane(directory, sha256, lane, meter) for lane in found.lanes]
        worst = min(judged, key=lambda one: float("inf") if one.llr is None else one.llr)
        worst.warnings += [found.note] if found.note else []
        if len(judged) > 1:
            verdicts = (
                f"{lane.name}: {one.verdict}" for lane, one in zip(found.lanes, judged, strict=True)
            )
            worst.warnings.append(
                f"{', '.join(verdicts)}; told here: {found.lanes[judged.index(worst)].name}"
            )
        return worst

    def _plan(self, directory: Path, choice: ChannelChoice) -> Plan:
        def heard(track: int) -> Iterator[np.ndarray]:
            with self.decoders.channels(directory, track) as sound:
                yield from sound.columns()

        with self.decoders.file(directory) as sound:
            track_channels = sound.track_channels()
        return plan("this file", track_channels, heard, choice)

    def _judge_lane(
        self, directory: Path, sha256: str, lane: Lane, meter: SoundMeter
    ) -> Prediction:
        with self.decoders.file(directory, lane) as sound:
            prediction = self._judge.judge(_metered(sound.chunks(), meter), sha256)
            prediction.warnings += [sound.problem] if sound.problem else []
        return prediction

    def _hear(
        self, upload: UploadFile, meter: SoundMeter, longest_s: int
    ) -> tuple[np.ndarray, list[Score]]:
        with tempfile.TemporaryDirectory(prefix="radd-") as directory:
            _copy(upload, Path(directory) / NAME)
            found = self._plan(Path(directory), ChannelChoice())
            if len(found.lanes) > 1:
                raise AudioError(f"{found.note}; one label cannot hold for all: send each alone")
            with self.decoders.file(Path(directory), found.lanes[0]) as sound:
                parts = [chunk.samples for chunk in _metered(sound.chunks(), meter)]
        samples = np.concatenate([np.zeros(0, np.float32), *parts])
        if len(samples) > longest_s * SAMPLE_RATE_HZ:
            raise AudioError(
                f"the recording has {seconds(len(samples)):.0f} s, but at most {longest_s} s are "
                "kept with one label; cut out the part that the label holds for"
            )
        return samples, self._judge.scores(samples)

    def _work(self, upload: UploadFile, meter: SoundMeter, choice: ChannelChoice) -> Prediction:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="radd-") as directory:
            sha256 = _copy(upload, Path(directory) / NAME)
            prediction = self._judge_lanes(Path(directory), sha256, choice, meter)
        self._mean_s += 0.1 * (time.monotonic() - began - self._mean_s)
        return prediction


def _metered(chunks: Iterator[AudioChunk], meter: SoundMeter) -> Iterator[AudioChunk]:
    for chunk in chunks:
        meter.add(len(chunk.samples))
        yield chunk


def _copy(upload: UploadFile, path: Path) -> str:
    """Copy an upload and return its SHA-256."""
    digest = hashlib.sha256()
    with open(path, "xb", opener=opener) as file:
        upload.file.seek(0)
        while block := upload.file.read(BLOCK_BYTES):
            file.write(block)
            digest.update(block)
    return digest.hexdigest()
