"""A Pipecat processor that tells a voice agent when its caller is synthetic.

The only module that imports Pipecat; detect.py does not import it. docs/notify.md has an example.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import Any

import numpy as np
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    StartFrame,
    SystemFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from radd.resampling import Converter
from radd.types import SAMPLE_RATE_HZ, Alert, AlertState, AudioChunk, Detector, Event, seconds
from stream.alerts import AlertSettings
from stream.decision import DecisionSettings
from stream.monitor import Monitor

log = logging.getLogger(__name__)

MOST_WAITING_SAMPLES = 10 * SAMPLE_RATE_HZ
"""audio that may wait for the detector; above it new audio is dropped and reported as a gap"""
FULL_SCALE = 32_768


@dataclasses.dataclass
class SyntheticVoiceFrame(SystemFrame):
    """The caller's voice was found to be synthetic, or is so no longer."""

    alert: str = ""
    """UUID, the same for both frames of an alert"""
    is_open: bool = True
    """False: the alert has closed"""
    p_spoof: float = 0.0
    """highest posterior probability of a synthetic voice so far, 0 to 1"""
    since_began_s: float = 0.0
    """seconds from the start of the evidence"""


class SyntheticVoiceProcessor(FrameProcessor):
    """Passes every frame on at once, and adds a SyntheticVoiceFrame where an alert opens or closes.

    It scores the input audio of one caller in another thread, so the pipeline never waits for it,
    except at its end: there it scores the rest first. `dropped_samples` counts what it could not
    keep up with.
    """

    def __init__(
        self,
        detector: Detector,
        decision: DecisionSettings,
        alerts: AlertSettings,
        stream_id: str,
        **options: Any,
    ):
        """`stream_id` is a UUID; `options` are those of a FrameProcessor."""
        super().__init__(**options)
        self._monitor: Monitor = Monitor(detector, decision, alerts, stream_id)
        self._converter: Converter | None = None
        self._waiting: asyncio.Queue[AudioChunk | None] = asyncio.Queue()
        self._waiting_samples = 0
        self._task: asyncio.Task | None = None
        self._lost = 0
        self.dropped_samples = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Handle one frame of the pipeline."""
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._task = self.create_task(self._score())
        elif isinstance(frame, InputAudioRawFrame):
            self._hear(frame)
        elif isinstance(frame, EndFrame):
            await self._finish()
        elif isinstance(frame, CancelFrame) and self._task:
            await self.cancel_task(self._task)
            self._task = None
        await self.push_frame(frame, direction)

    def _hear(self, frame: InputAudioRawFrame) -> None:
        chunk = self._converted(frame)
        if self._waiting_samples + len(chunk.samples) > MOST_WAITING_SAMPLES:
            if not self.dropped_samples:
                log.warning("this machine is too slow: audio of the caller is not scored")
            self.dropped_samples += len(chunk.samples)
            self._lost += len(chunk.samples)
            return
        cause = "the detector did not keep up" if self._lost else chunk.cause
        self._lost = 0
        self._waiting_samples += len(chunk.samples)
        self._waiting.put_nowait(dataclasses.replace(chunk, cause=cause))

    def _converted(self, frame: InputAudioRawFrame) -> AudioChunk:
        rate_hz, channels = frame.sample_rate, frame.num_channels
        before = self._converter
        if before is None or (before.rate_hz, before.channels) != (rate_hz, channels):
            self._converter = Converter(rate_hz, channels, before.end if before else 0)
        assert self._converter is not None
        pcm = np.frombuffer(frame.audio, "<i2").astype(np.float32) / FULL_SCALE
        return self._converter.push(pcm.reshape(-1, channels))

    async def _score(self) -> None:
        """Score what waits until None comes."""
        while chunk := await self._waiting.get():
            events = await asyncio.to_thread(self._monitor.feed, chunk)
            self._waiting_samples -= len(chunk.samples)
            await self._tell(events)

    async def _finish(self) -> None:
        if self._task:
            self._waiting.put_nowait(None)
            await self._task
            self._task = None
            await self._tell(await asyncio.to_thread(self._monitor.flush))

    async def _tell(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Alert):
                await self.push_frame(
                    SyntheticVoiceFrame(
                        event.id,
                        event.state is AlertState.OPEN,
                        event.peak_p_spoof,
                        seconds(event.end - event.began),
                    )
                )
