"""Processes long recordings as the daemon does, and counts the errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from evaluation.audio_folder import AudioFolder
from evaluation.conditions import through
from evaluation.outcome import Alarm, StreamResult
from evaluation.recordings import LongRecording, join
from radd.errors import AudioError
from radd.files import chunks, lanes, load_speech, open_audio
from radd.types import HOP_SAMPLES, Alert, AlertState, AudioChunk, Event, Score, seconds

log = logging.getLogger(__name__)


class ChunkListener(Protocol):
    """Turns the chunks of one stream into events."""

    def feed(self, chunk: AudioChunk) -> list[Event]: ...
    def flush(self) -> list[Event]: ...


def clip_length_s(folder: AudioFolder, utt: str) -> float:
    """Length of a clip in seconds; 0 if it is missing or unreadable."""
    path = folder.find(utt)
    try:
        with open_audio(path or utt) as file:
            if file.frames is not None:
                return file.frames / file.rate_hz
            return sum(len(piece.frames) / piece.rate_hz for piece in file.pieces())
    except AudioError:
        return 0.0


class Listening:
    """Runs each recording through a new listener, hop by hop."""

    def __init__(self, listener: Callable[[], ChunkListener], folder: AudioFolder, condition: str):
        self._listener, self._folder, self._condition = listener, folder, condition

    def hear(self, recording: LongRecording) -> StreamResult:
        """Raises AudioError for audio that is missing or unreadable."""
        listener, result = self._listener(), StreamResult([], [])
        for chunk in self._sound(recording):
            _keep(result, listener.feed(chunk))
        _keep(result, listener.flush())
        return result

    def _sound(self, recording: LongRecording) -> Iterator[AudioChunk]:
        paths = [self._path(name) for name in recording.clips]
        if len(paths) == 1 and self._condition == "clean":
            plan = lanes(paths[0])
            if plan.note:
                log.warning("%s; used: %s", plan.note, plan.lanes[0].name)
            yield from chunks(paths[0], plan.lanes[0])
            return
        clips = [load_speech(path) for path in paths]
        sound = through(
            self._condition, join(clips) if len(clips) > 1 else clips[0], recording.name
        )
        for start in range(0, len(sound), HOP_SAMPLES):
            yield AudioChunk(sound[start : start + HOP_SAMPLES], start)

    def _path(self, name: str) -> Path:
        path = self._folder.find(name)
        if path is None:
            raise AudioError(f"no audio file named {name}; check --audio")
        return path


def _keep(result: StreamResult, events: list[Event]) -> None:
    for event in events:
        if isinstance(event, Score):
            result.hops.append((event.end, event.llr, event.window_samples))
        elif isinstance(event, Alert) and event.state is AlertState.OPEN:
            result.alarms.append(Alarm(seconds(event.end), None))
        elif isinstance(event, Alert):
            result.alarms[-1] = Alarm(result.alarms[-1].opened_s, seconds(event.end))
