"""Where recordings wait for their judgement: few at work, few in the queue, and a word to all
others.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import UploadFile

from console.decoding import NAME, Decoders
from console.http_errors import Refused
from console.prediction import Predictor
from console.schemas import Prediction
from console.settings import ServeSettings

BLOCK_BYTES = 1 << 20


class JobQueue:
    """Takes recordings and streams in, as many as the settings allow; owns the threads that
    judge.
    """

    def __init__(self, judge: Predictor, decoders: Decoders, settings: ServeSettings):
        self.decoders, self._judge, self._settings = decoders, judge, settings
        self._workers = ThreadPoolExecutor(settings.workers, "recording")
        self.listeners = ThreadPoolExecutor(settings.workers, "stream")
        """the threads that judge live streams of PCM"""
        self.pipes = ThreadPoolExecutor(2 * settings.streams, "opus")
        """the threads that wait for decoders of live streams"""
        self.taken = self.streams = 0
        self._mean_s = 1.0

    def close(self) -> None:
        for threads in (self._workers, self.listeners, self.pipes):
            threads.shutdown(wait=False, cancel_futures=True)

    async def judge(self, upload: UploadFile) -> Prediction:
        """The judgement of an uploaded file; raises AudioError, and Refused where too many wait
        already.
        """
        if self.taken >= self._settings.workers + self._settings.queue:
            wait_s = 1 + round(self._mean_s * self.taken / self._settings.workers)
            raise Refused(
                503, f"{self.taken} recordings are waiting already; try again in {wait_s} s", wait_s
            )
        self.taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._workers, self._work, upload
            )
        finally:
            self.taken -= 1

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[None]:
        """A place for one live stream; raises Refused where all are taken."""
        if self.streams >= self._settings.streams:
            raise Refused(
                503,
                f"{self.streams} streams are open already, as many as [serve] streams allows",
                5,
            )
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    def _work(self, upload: UploadFile) -> Prediction:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="radd-") as directory:
            sha256 = _copy(upload, Path(directory) / NAME)
            with self.decoders.file(Path(directory)) as sound:
                prediction = self._judge.judge(sound.blocks(), sha256)
                prediction.warnings += [sound.problem] if sound.problem else []
        self._mean_s += 0.1 * (time.monotonic() - began - self._mean_s)
        return prediction


def _copy(upload: UploadFile, path: Path) -> str:
    """The SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        upload.file.seek(0)
        while block := upload.file.read(BLOCK_BYTES):
            file.write(block)
            digest.update(block)
    return digest.hexdigest()
