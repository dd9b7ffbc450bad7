"""Microphones through the bindings to PortAudio. The only module that imports sounddevice and
pyaudio.

PortAudio is initialised when a binding is created, not on import.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from radd.errors import DeviceError
from radd.ranges import check, check_choice
from radd.types import SAMPLE_RATE_HZ
from stream.capture.devices import Device
from stream.capture.errand import ANSWER_S, Errand

Deliver = Callable[[bytes, int, bool, float], None]
"""Arguments of a capture callback: bytes of float32 frames, their count, whether an overflow was
flagged, time.monotonic()
"""


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """[capture] of config.toml."""

    backend: str
    rate_hz: int
    """0: native rate of the device"""
    channels: int
    """0: native channels of the device, at most 2"""
    queue_chunks: int
    stall_s: float
    loss_tolerance_ms: int

    def __post_init__(self):
        check_choice(self, backend=tuple(BINDINGS))
        check(self, queue_chunks=(2, 10_000), stall_s=(0.5, 60), loss_tolerance_ms=(150, 5_000))
        if self.rate_hz:
            check(self, rate_hz=(8_000, 384_000))
        check(self, channels=(0, 64))


class InputStream(Protocol):
    """An open input device."""

    def active(self) -> bool:
        """Whether callbacks may still come; an unplugged device may be active and silent."""
        ...

    def close(self) -> None: ...


class Binding(Protocol):
    """A library that accesses PortAudio; it is initialised when the binding is created, and
    released by close().
    """

    def devices(self) -> list[Device]: ...
    def listen(
        self, device: Device, rate_hz: int, channels: int, block_frames: int, deliver: Deliver
    ) -> InputStream: ...
    def close(self) -> None: ...


class SoundDevice:
    """The sounddevice binding.

    It refreshes the device list only while no stream is open in this process, because refreshing
    would end every open stream. While others are open, a reconnected device is therefore found only
    if it kept its index.
    """

    _listening = 0
    """number of open streams"""

    def __init__(self):
        try:
            import sounddevice
        except ImportError:
            raise DeviceError(
                "the Python package sounddevice is missing; pip install sounddevice"
            ) from None
        except OSError:
            raise DeviceError(_MISSING_LIBRARY) from None
        atexit.unregister(sounddevice._exit_handler)  # with a frozen server it never returns
        self._library = sounddevice
        if SoundDevice._listening:
            return
        try:
            while sounddevice._initialized:  # PortAudio lists devices only when it is initialised
                sounddevice._terminate()
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            raise _not_started(error) from None

    def devices(self) -> list[Device]:
        default = self._library.default.device[0]
        return [
            Device(
                each["name"],
                each["index"],
                round(each["default_samplerate"]),
                each["max_input_channels"],
                each["index"] == default,
                "sounddevice",
            )
            for each in self._library.query_devices()
            if each["max_input_channels"] > 0
        ]

    def listen(
        self, device: Device, rate_hz: int, channels: int, block_frames: int, deliver: Deliver
    ) -> InputStream:
        def callback(frames, count, moment, flags):
            deliver(bytes(frames), count, flags.input_overflow, time.monotonic())

        try:
            stream = self._library.RawInputStream(
                device=device.index,
                samplerate=rate_hz,
                channels=channels,
                dtype="float32",
                blocksize=block_frames,
                callback=callback,
            )
        except (self._library.PortAudioError, ValueError) as error:
            raise _refused(device, rate_hz, channels, error) from None
        try:
            stream.start()
        except self._library.PortAudioError as error:
            stream.close()
            raise _refused(device, rate_hz, channels, error) from None
        SoundDevice._listening += 1
        return _SoundDeviceStream(stream)

    def close(self) -> None:
        pass


class _SoundDeviceStream:
    def __init__(self, stream):
        self._stream = stream

    def active(self) -> bool:
        return self._stream.active

    def close(self) -> None:
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)
        SoundDevice._listening -= 1


class PyAudio:
    """The pyaudio binding."""

    def __init__(self):
        try:
            import pyaudio
        except ImportError as error:
            if "portaudio" in str(error):
                raise DeviceError(_MISSING_LIBRARY) from None
            raise DeviceError(
                "the Python package pyaudio is missing; pip install -e '.[pyaudio]', "
                'or set [capture] backend = "sounddevice"'
            ) from None
        self._library = pyaudio
        try:
            self._port = pyaudio.PyAudio()
        except OSError as error:
            raise _not_started(error) from None

    def devices(self) -> list[Device]:
        try:
            default = self._port.get_default_input_device_info()["index"]
        except OSError:
            default = -1
        found = [
            self._port.get_device_info_by_index(i) for i in range(self._port.get_device_count())
        ]
        return [
            Device(
                each["name"],
                each["index"],
                round(each["defaultSampleRate"]),
                each["maxInputChannels"],
                each["index"] == default,
                "pyaudio",
            )
            for each in found
            if each["maxInputChannels"] > 0
        ]

    def listen(
        self, device: Device, rate_hz: int, channels: int, block_frames: int, deliver: Deliver
    ) -> InputStream:
        overflow, go_on = self._library.paInputOverflow, (None, self._library.paContinue)

        def callback(frames, count, moment, flags):
            deliver(frames, count, bool(flags & overflow), time.monotonic())
            return go_on

        try:
            stream = self._port.open(
                rate=rate_hz,
                channels=channels,
                format=self._library.paFloat32,
                input=True,
                input_device_index=device.index,
                frames_per_buffer=block_frames,
                stream_callback=callback,
            )
        except (OSError, ValueError) as error:
            raise _refused(device, rate_hz, channels, error) from None
        return _PyAudioStream(stream)

    def close(self) -> None:
        self._port.terminate()


class _PyAudioStream:
    def __init__(self, stream):
        self._stream = stream

    def active(self) -> bool:
        try:
            return self._stream.is_active()
        except OSError:
            return False

    def close(self) -> None:
        self._stream.close()


BINDINGS: dict[str, Callable[[], Binding]] = {"sounddevice": SoundDevice, "pyaudio": PyAudio}


def list_devices(backend: str) -> list[Device]:
    """The input devices that are available now.

    Raises DeviceError if the binding or PortAudio is missing, or the sound system does not answer.
    """
    return Errand(lambda: _list_devices(backend)).wait(ANSWER_S)


def _list_devices(backend: str) -> list[Device]:
    binding = BINDINGS[backend]()
    try:
        return binding.devices()
    finally:
        binding.close()


def play(samples: np.ndarray) -> None:
    """Play float32 (n,), full scale +-1, 16 kHz, mono on the default sound card; returns at the
    end.

    Raises DeviceError if there is no sound card or PortAudio is missing.
    """
    library = SoundDevice()._library
    try:
        library.play(samples, SAMPLE_RATE_HZ, blocking=True)
    except library.PortAudioError as error:
        raise DeviceError(f"no sound card can play this: {error}") from None


def _refused(device: Device, rate_hz: int, channels: int, error: Exception) -> DeviceError:
    return DeviceError(
        f"the microphone {device.name!r} does not open at {rate_hz} Hz with {channels} channels: "
        f"{error}; close other programs that use it, allow this program to record, or set rate_hz "
        "and "
        "channels in [capture]"
    )


def _not_started(error: Exception) -> DeviceError:
    return DeviceError(f"PortAudio does not start: {error}; check the audio system of this machine")


_MISSING_LIBRARY = "the PortAudio library is missing; " + (
    "brew install portaudio" if sys.platform == "darwin" else "apt install libportaudio2"
)
