"""WS /v1/stream: audio in, in packets of any size; the score and alert objects of detect.py out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from starlette.types import Message

from console.clients import SoundMeter, client_of
from console.http_errors import Refused
from console.job_queue import JobQueue
from console.metrics import Metrics
from radd.errors import AudioError, ConfigError, RaddError
from radd.hot_swap import HotSwapDetector, SwapState
from radd.recognition import is_container
from radd.resampling import Converter
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, AudioChunk, Event, seconds
from stream.capture.pcm import PcmFrames
from stream.json_lines import as_json
from stream.monitor import Monitor
from stream.run_events import ModelChanged, Notice

AT_ONCE_SAMPLES = 64 * HOP_SAMPLES  # a late stream catches up in one call
OPUS = "opus"
NORMAL, REFUSED, TRY_LATER = 1000, 1008, 1013  # WebSocket close codes (RFC 6455 and its registry)
LEAST_S = 1.0  # of audio within idle_s
PACKETS = 8  # of a stream that are buffered; then its sender waits
CLOSE = '{"type": "close"}'


class StreamSession:
    """One stream: audio as it arrives -> objects to send, as printed by detect.py --json. For one
    thread at a time.
    """

    def __init__(
        self,
        champion: HotSwapDetector,
        monitor: Callable[[HotSwapDetector], Monitor[SwapState]],
        meter: SoundMeter,
    ):
        self._meter = meter
        self._detector, self._monitor, self._model = champion, monitor(champion), champion.name
        self.end = 0

    def hear(self, chunk: AudioChunk) -> list[dict]:
        """The objects for one chunk."""
        self._meter.add(len(chunk.samples))
        events, start, cause = [], chunk.start, chunk.cause
        for at in range(0, len(chunk.samples), AT_ONCE_SAMPLES):
            part = chunk.samples[at : at + AT_ONCE_SAMPLES]
            events += self._feed(AudioChunk(part, start + at, cause, chunk.damaged, chunk.arrived))
            self.end, cause = start + at + len(part), None
        return [as_json(event) for event in events]

    def _feed(self, chunk: AudioChunk) -> list[Event | Notice]:
        batch = self._monitor.hear(chunk)
        scored = self._detector.push(batch.state, batch.samples) if len(batch.samples) else []
        notices: list[Notice] = []
        if scored and batch.state.name != self._model:
            self._model = batch.state.name
            notices = [ModelChanged(chunk.start, self._model)]
        return [*notices, *self._monitor.judged(batch, scored)]

    def flush(self) -> list[dict]:
        """The last objects of the stream."""
        return [as_json(event) for event in self._monitor.flush()]


class PcmSession:
    """A StreamSession for raw PCM. Raises ConfigError for an unknown format and AudioError for an
    impossible sample rate.
    """

    def __init__(self, ear: StreamSession, pcm_format: str, rate_hz: int, channels: int):
        self.ear, self._frames, self._converter = (
            ear,
            PcmFrames(pcm_format, channels),
            Converter(rate_hz, channels),
        )

    def push(self, data: bytes, arrived: float) -> list[dict]:
        """The objects for raw PCM; `arrived` is when its first byte arrived, on the scale of
        time.monotonic().
        """
        return self.ear.hear(self._converter.push(self._frames.push(data), arrived))

    def flush(self) -> list[dict]:
        """The last objects of the stream."""
        return self.ear.hear(self._converter.flush()) + self.ear.flush()


class Packets:
    """The packets of a WebSocket, as long as they bring audio: a client that holds a stream but
    sends next to nothing is disconnected. For one task.
    """

    def __init__(self, socket: WebSocket, ear: StreamSession, idle_s: float):
        self._socket, self._ear, self._idle_s = socket, ear, idle_s
        self._end, self._until = 0, time.monotonic() + idle_s

    async def next(self) -> bytes | None:
        """The next packet; None once the client has said that it was the last.

        Raises AudioError if less than LEAST_S of audio arrived within idle_s.
        """
        if self._ear.end - self._end >= LEAST_S * SAMPLE_RATE_HZ:
            self._end, self._until = self._ear.end, time.monotonic() + self._idle_s
        try:
            async with asyncio.timeout(self._until - time.monotonic()):
                return _packet(await self._socket.receive())
        except TimeoutError:
            raise AudioError(
                f"less than {LEAST_S} s of audio arrived within {self._idle_s:g} s; open a new "
                "stream "
                "when there is audio"
            ) from None


def routes(
    desk: JobQueue,
    open_ear: Callable[[SoundMeter], StreamSession],
    meters: Metrics,
    idle_s: float,
) -> APIRouter:
    """The route of live streams over the network."""
    router = APIRouter(prefix="/v1")

    @router.websocket("/stream")
    async def stream(
        socket: WebSocket,
        format: Annotated[
            str,
            Query(
                description="of raw PCM: s16le, f32le ...; opus: a container. Containers such as "
                "Ogg, WebM, WAV, MP3 and FLAC are also recognised by their first bytes"
            ),
        ] = "s16le",
        rate: int = SAMPLE_RATE_HZ,
        channels: int = 1,
    ) -> None:
        """Score audio as it arrives; `{"type": "close"}` flushes and ends."""
        await socket.accept()
        client = client_of(socket.scope)
        ear = open_ear(desk.quota.meter(client))
        packets = Packets(socket, ear, idle_s)
        try:
            with desk.stream(client):
                pcm = None if format == OPUS else PcmSession(ear, format, rate, channels)
                head = b"" if pcm is None else await _head(packets)
                if pcm is None or is_container(head, is_all=True):
                    await _contained(packets, head, socket, ear, desk)
                else:
                    await _pcm(packets, head, socket, pcm, desk)
                await socket.close(NORMAL)
        except (RaddError, Refused) as error:
            await _refuse(socket, error)
        except WebSocketDisconnect:
            pass
        finally:
            meters.sound.labels("stream").inc(seconds(ear.end))

    return router


async def _head(packets: Packets) -> bytes:
    """The first bytes, enough to tell a container from raw PCM; fewer if the stream ends."""
    head = b""
    while is_container(head) is None and (data := await packets.next()) is not None:
        head += data
    return head


async def _pcm(
    incoming: Packets, head: bytes, socket: WebSocket, session: PcmSession, desk: JobQueue
) -> None:
    """Score everything that has arrived in one step: a late stream then costs less and
    catches up.
    """
    loop = asyncio.get_running_loop()
    packets: asyncio.Queue[tuple[bytes, float] | None] = asyncio.Queue(PACKETS)

    async def receive() -> None:
        try:
            while (data := await incoming.next()) is not None:
                await packets.put((data, time.monotonic()))
        except Exception:  # not if this task is cancelled: then nobody reads the queue
            await packets.put(None)
            raise
        await packets.put(None)

    packets.put_nowait((head, time.monotonic()))
    receiving = asyncio.create_task(receive())
    try:
        while (packet := await packets.get()) is not None:
            (data, arrived), ended = packet, False
            while not packets.empty() and not ended:
                more = packets.get_nowait()
                ended = more is None
                data += b"" if more is None else more[0]
            await _tell(
                socket, await loop.run_in_executor(desk.listeners, session.push, data, arrived)
            )
            if ended:
                break
        await receiving
        await _tell(socket, await loop.run_in_executor(desk.listeners, session.flush))
    finally:
        receiving.cancel()


async def _contained(
    packets: Packets, head: bytes, socket: WebSocket, ear: StreamSession, desk: JobQueue
) -> None:
    """Score a container as it arrives."""
    loop = asyncio.get_running_loop()

    def listen() -> None:
        for chunk in sound.chunks():
            asyncio.run_coroutine_threadsafe(_tell(socket, ear.hear(chunk)), loop).result()
        asyncio.run_coroutine_threadsafe(_tell(socket, ear.flush()), loop).result()
        if sound.problem:
            raise AudioError(sound.problem)

    with desk.decoders.stream() as (pipe, sound):
        listening = loop.run_in_executor(desk.pipes, listen)
        try:
            data: bytes | None = head
            while not listening.done() and data is not None:
                with suppress(OSError):  # the decoder has ended and reported why
                    await loop.run_in_executor(desk.pipes, pipe.send_bytes, data)
                data = await packets.next()
            pipe.close()
            await listening
        except BaseException:
            pipe.close()
            with suppress(Exception):
                await listening
            raise


def _packet(message: Message) -> bytes | None:
    """The audio of a message; None for CLOSE."""
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", NORMAL))
    if message.get("bytes") is not None:
        return message["bytes"]
    with suppress(ValueError):
        if json.loads(message["text"]) == json.loads(CLOSE):
            return None
    raise ConfigError(
        f"text {message['text'][:80]!r}: expected packets of audio, or {CLOSE} at the end"
    )


async def _tell(socket: WebSocket, objects: list[dict]) -> None:
    for one in objects:
        await socket.send_text(json.dumps(one, allow_nan=False))


async def _refuse(socket: WebSocket, error: RaddError | Refused) -> None:
    """Say why, then close; a disconnected client receives neither."""
    code = TRY_LATER if isinstance(error, Refused) else REFUSED
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.send_text(
            json.dumps({"type": "problem", "detail": getattr(error, "detail", str(error))})
        )
        await socket.close(code)
