"""The microphone as a Source: native frames in, numbered chunks of mono 16 kHz out, every loss
marked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

import numpy as np

from radd.errors import DeviceError
from radd.resampling import Converter, SplitConverter
from radd.types import SAMPLE_RATE_HZ, AudioChunk
from stream.capture.capture_queue import Block, CaptureQueue
from stream.capture.devices import Device, find_again, find_device
from stream.capture.errand import ANSWER_S, Errand, NoAnswer
from stream.capture.frame_clock import FrameClock
from stream.capture.portaudio import BINDINGS, Binding, CaptureSettings, InputStream

log = logging.getLogger(__name__)

BLOCK_S = 0.128  # one hop per callback
CLOSE_S = 2.0  # a device that does not close by then is left to the system
WAITS = 8  # this many empty waits in a row are a stall
# a device that was unplugged for a moment returns at once, others cost little
BACK_OFF_S = (0.1, 0.2, 0.4, 0.8, 1.6)
SILENT = "the microphone delivers no audio"
OVERLOADED = "the detector was too slow: the capture queue was full"
UNTOLD = "frames were lost between the microphone and this program"


class MicrophoneSource:
    """A Source that listens to a device: the default one for None, else the one with that index or
    part of a name.

    Entering raises DeviceError if there is no such device, if it does not open, or if PortAudio is
    missing. A device that falls silent or disappears later ends nothing: a chunk without samples
    reports it, the device is searched by name, and capture continues at the position given by the
    clock.
    """

    def __init__(
        self,
        settings: CaptureSettings,
        wanted: str | int | None = None,
        channel: int | None = None,
        apart: bool = False,
    ):
        """`channel` is the one that is heard, from 0; None: the mean of all. `apart`: the samples
        of its chunks are (n, channels), for SplitSource.
        """
        self.apart = apart
        self.settings, self.wanted, self.channel = settings, wanted, channel
        self.name = "microphone" if wanted is None else f"microphone {wanted}"
        self.native_rate_hz = self.native_channels = 0
        self._inbox: CaptureQueue[Block] = CaptureQueue(settings.queue_chunks)
        self._binding: Binding | None = None
        self._stream: InputStream | None = None
        self._errand: Errand[None] | None = None
        """that looks for the device again and has not come back"""
        self._stopped = False
        self._chunks = self._overruns = self._reopened = 0
        self._received = self._expected = 0

    def __enter__(self) -> MicrophoneSource:
        opening = Errand(lambda: self._open(lambda devices: find_device(devices, self.wanted)))
        opening.wait(ANSWER_S)
        self._end, self._end_time = (
            0,
            time.monotonic(),
        )  # where the audio stopped: in samples, and by the clock
        self._converter: Converter | SplitConverter | None = self._new_converter(0)
        return self

    def __exit__(self, *exc) -> None:
        if self._errand is not None:
            return  # the sound system answers nothing any more
        try:
            Errand(self._close).wait(CLOSE_S)
        except NoAnswer as error:
            log.warning("%s: %s; it is left open", self.name, error)

    def stop(self) -> None:
        self._stopped = True
        self._inbox.wake()
        if (errand := self._errand) is not None:
            errand.wake()

    def stats(self) -> dict[str, int]:
        return {
            "chunks": self._chunks,
            "drops": self._inbox.drops,
            "overruns": self._overruns,
            "queue_depth": len(self._inbox),
            "queue_length": self._inbox.length,
            "reopened": self._reopened,
        }

    def __iter__(self) -> Iterator[AudioChunk]:
        for chunk in self._listen():
            if len(chunk.samples) or chunk.cause:
                self._chunks += 1
                yield chunk

    def _listen(self) -> Iterator[AudioChunk]:
        # counted instead of timed, because the clock also runs while the whole process is paused
        empty_waits = 0
        while not self._stopped:
            block = self._inbox.take(self.settings.stall_s / WAITS)
            if block is not None:
                empty_waits = 0
                yield from self._accept(block)
                continue
            empty_waits += 1
            if empty_waits >= WAITS or self._stream is None or not self._stream.active():
                empty_waits = 0
                yield from self._finish()
                yield from self._reopen()
        yield from self._finish()

    def _accept(self, block: Block) -> Iterator[AudioChunk]:
        dropped = block.first - self._expected
        self._expected = block.first + block.frames
        for each, lost in self._clock.push(
            (block, dropped), block.first + block.frames, block.arrived
        ):
            yield from self._convert(*each, lost)

    def _convert(self, block: Block, dropped: int, lost: int) -> Iterator[AudioChunk]:
        if self._converter is None:
            self._converter = self._resume(block)
        elif dropped or lost:
            yield self._converter.flush(self._end_time)
            start = self._converter.end + round(
                (dropped + lost) * SAMPLE_RATE_HZ / self.native_rate_hz
            )
            cause = OVERLOADED if dropped else UNTOLD
            self._converter = self._new_converter(start, cause)
        frames = np.frombuffer(block.data, np.float32).reshape(-1, self.native_channels)
        self._end_time = block.arrived
        yield self._converter.push(frames, block.arrived)

    def _resume(self, block: Block) -> Converter | SplitConverter:
        """A converter that starts at the clock's position of the first block after an outage."""
        start = max(self._told, self._now(block.arrived - block.frames / self.native_rate_hz))
        return self._new_converter(start, self._cause)

    def _new_converter(self, start: int, cause: str | None = None) -> Converter | SplitConverter:
        if self.apart:
            return SplitConverter(self.native_rate_hz, self.native_channels, start, cause)
        channel = None if self.channel is None else min(self.channel, self.native_channels - 1)
        return Converter(self.native_rate_hz, self.native_channels, start, cause, channel)

    def _now(self, time_s: float) -> int:
        """The sample position at a time after the audio stopped."""
        return self._end + max(0, round((time_s - self._end_time) * SAMPLE_RATE_HZ))

    def _finish(self) -> Iterator[AudioChunk]:
        """All received audio, up to a stop or an outage."""
        for each, lost in self._clock.release():
            yield from self._convert(*each, lost)
        if self._converter is not None:
            yield self._converter.flush(self._end_time)
            self._end, self._converter = self._converter.end, None

    def _reopen(self) -> Iterator[AudioChunk]:
        """Search for the device until it opens or stop() is called, and report the loss before each
        attempt and while the sound system does not answer.
        """
        self._cause = f"{SILENT}: {self.name}"
        lost, attempt, said = self.name, 0, ""
        while not self._stopped:
            self._told = self._now(time.monotonic())
            yield AudioChunk(np.zeros(0, np.float32), self._told, self._cause)
            problem = self._try_again()
            if problem is None:
                self._reopened += 1
                log.warning("%s is back%s", lost, f" as {self.name}" * (lost != self.name))
                return
            if str(problem) != said and not self._stopped:
                said = str(problem)
                log.warning("%s", said)
            if not isinstance(problem, NoAnswer):
                self._inbox.take(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)])
                attempt += 1

    def _try_again(self) -> DeviceError | None:
        """Begin to look for the device, or wait longer for the look that was begun; what is in the
        way, None once it is open.
        """
        if self._errand is None:
            self._errand = Errand(self._look_again)
        try:
            self._errand.wait(self.settings.stall_s)
        except NoAnswer as error:
            return error
        except DeviceError as error:
            self._errand = None
            return error
        self._errand = None
        return None

    def _look_again(self) -> None:
        self._close()
        self._open(lambda devices: find_again(devices, self._device, self._before))

    def _open(self, choose: Callable[[list[Device]], Device]) -> None:
        self._binding = BINDINGS[self.settings.backend]()
        try:
            devices = self._binding.devices()
            device = choose(devices)
            rate_hz = self.settings.rate_hz or device.rate_hz
            channels = self.settings.channels or min(device.channels, 2)
            if self.channel is not None and self.channel >= channels:
                raise DeviceError(
                    f"{device.name} is opened with {channels} channels, and channel "
                    f"{self.channel + 1} was asked for: choose --use-channel 1 to {channels}, or "
                    "set [capture] channels"
                )
            self._receive(rate_hz, channels)
            self._stream = self._binding.listen(
                device, rate_hz, channels, round(rate_hz * BLOCK_S), self._deliver
            )
        except DeviceError:
            self._close()
            raise
        self._device, self._before, self.name = device, devices, device.name

    def _receive(self, rate_hz: int, channels: int) -> None:
        """Prepare for the first block of a stream."""
        self.native_rate_hz, self.native_channels = rate_hz, channels
        self._inbox.clear()
        self._received = self._expected = 0
        self._clock: FrameClock[tuple[Block, int]] = FrameClock(
            rate_hz, self.settings.loss_tolerance_ms / 1000
        )

    def _deliver(self, data: bytes, frames: int, overflow: bool, arrived: float) -> None:
        """PortAudio's callback."""
        self._overruns += overflow
        self._inbox.put(Block(data, frames, self._received, arrived))
        self._received += frames

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self._binding is not None:
            self._binding.close()
            self._binding = None
