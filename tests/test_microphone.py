"""The microphone as a Source, with a real sound server."""

import itertools
import json
import queue
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from fixtures_patience import PATIENCE_S

from radd.errors import DeviceError
from radd.types import SAMPLE_RATE_HZ
from stream.capture.devices import Device, find_device
from stream.capture.microphone import MicrophoneSource
from stream.capture.portaudio import CaptureSettings, list_devices

EXACT = {"rate_hz": SAMPLE_RATE_HZ, "channels": 1}


def settings(backend, **changes):
    defaults = {
        "rate_hz": 0,
        "channels": 0,
        "queue_chunks": 64,
        "stall_s": 1.75,
        "loss_tolerance_ms": 200,
    }
    return CaptureSettings(backend=backend, **(defaults | changes))


def noise(seconds, seed):
    whole = np.random.default_rng(seed).integers(-9000, 9000, round(seconds * SAMPLE_RATE_HZ))
    return (np.where(whole == 0, 1, whole) / 32768).astype(np.float32)


class Listening(threading.Thread):
    """Reads a source in a thread of its own until it ends; its chunks, and those not yet looked
    at.
    """

    def __init__(self, source):
        super().__init__()
        self.source, self.chunks, self.fresh, self.failure = source, [], queue.Queue(), None

    def run(self):
        try:
            for chunk in self.source:
                self.chunks.append(chunk)
                self.fresh.put(chunk)
        except Exception as error:
            self.failure = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.source.stop()
        self.join(PATIENCE_S)
        assert not self.is_alive() and self.failure is None

    def wait_for(self, condition):
        """The first fresh chunk that fulfils a condition."""
        while not condition(chunk := self.fresh.get(timeout=PATIENCE_S)):
            pass
        return chunk

    def hear_out(self):
        """Wait until a sound has come and silence after it; silence from before it may still be
        fresh.
        """
        self.wait_for(is_loud)
        self.wait_for(lambda chunk: sounds(chunk) and not is_loud(chunk))


def sounds(chunk):
    return len(chunk.samples) > 0


def is_loud(chunk):
    return np.abs(chunk.samples).max(initial=0) > 1e-3


def timeline(chunks):
    """All chunks on one axis of samples, losses as zeros."""
    whole = np.zeros(max(chunk.end for chunk in chunks), np.float32)
    for chunk in chunks:
        whole[chunk.start : chunk.end] = chunk.samples
    return whole


def position(heard, played):
    """The sample at which `played` begins in `heard`, which must hold it bit for bit."""
    first = heard.tobytes().find(played[:64].tobytes())
    assert first >= 0 and first % 4 == 0, "the sound was not heard"
    begin = first // 4
    assert np.array_equal(heard[begin : begin + len(played)], played)
    return begin


def test_hears_bit_for_bit_what_is_played(virtual_microphone, backend):
    played = noise(1.5, 1)
    with (
        MicrophoneSource(settings(backend, **EXACT), virtual_microphone.device) as source,
        Listening(source) as listening,
    ):
        assert (source.name, source.native_rate_hz, source.native_channels) == (
            "pulse",
            SAMPLE_RATE_HZ,
            1,
        )
        listening.wait_for(sounds)
        virtual_microphone.play(played)
        listening.hear_out()
    position(timeline(listening.chunks), played)
    assert all(before.end == after.start for before, after in itertools.pairwise(listening.chunks))
    assert all(chunk.cause is None and chunk.arrived is not None for chunk in listening.chunks)
    stats = source.stats()
    assert (stats["drops"], stats["reopened"]) == (0, 0) and stats["chunks"] == len(
        listening.chunks
    )


def test_two_sources_hear_at_once_and_the_end_of_one_leaves_the_other(virtual_microphone, backend):
    first, second = (
        MicrophoneSource(settings(backend, **EXACT), virtual_microphone.device) for _ in range(2)
    )
    with first, Listening(first) as one:
        with second, Listening(second) as other:
            one.wait_for(sounds)
            other.wait_for(sounds)
        played = noise(0.5, 3)
        virtual_microphone.play(played)
        one.hear_out()
    position(timeline(one.chunks), played)


def test_converts_from_the_devices_own_rate_and_channels(virtual_microphone, backend):
    played = np.convolve(noise(1.0, 2), np.ones(8) / 8, "same").astype(np.float32)
    with (
        MicrophoneSource(settings(backend), virtual_microphone.device) as source,
        Listening(source) as listening,
    ):
        assert (source.native_rate_hz, source.native_channels) == (44_100, 2)
        listening.wait_for(sounds)
        virtual_microphone.play(played)
        listening.hear_out()
    heard = timeline(listening.chunks)
    size = len(heard) + len(played)
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size)), size)
    begin = int(np.argmax(likeness[: len(heard)]))
    assert np.corrcoef(heard[begin : begin + len(played)], played)[0, 1] > 0.95


def test_unplugged_it_tells_within_two_seconds_and_goes_on_when_plugged_in(
    virtual_microphone, backend
):
    first, second = noise(0.7, 3), noise(0.7, 4)
    with (
        MicrophoneSource(settings(backend, **EXACT), virtual_microphone.device) as source,
        Listening(source) as listening,
    ):
        listening.wait_for(sounds)
        virtual_microphone.play(first)
        listening.hear_out()
        virtual_microphone.unplug()
        outage = listening.wait_for(lambda chunk: not sounds(chunk))
        stopped = max(chunk.end for chunk in listening.chunks if sounds(chunk))
        assert (outage.start - stopped) / SAMPLE_RATE_HZ < 2.5
        assert "pulse" in outage.cause
        virtual_microphone.plug()
        resumed = listening.wait_for(sounds)
        assert resumed.cause == outage.cause and resumed.start >= outage.start
        virtual_microphone.play(second)
        listening.hear_out()
    heard = timeline(listening.chunks)
    places = [position(heard, played) for played in (first, second)]
    one, other = (
        next(chunk for chunk in listening.chunks if chunk.end > place) for place in places
    )
    assert (other.end - one.end) / SAMPLE_RATE_HZ == pytest.approx(
        other.arrived - one.arrived, abs=0.4
    )
    assert all(before.end <= after.start for before, after in itertools.pairwise(listening.chunks))
    assert source.stats()["reopened"] >= 1


def test_a_slow_listener_loses_the_oldest_and_is_told_how_much(virtual_microphone, backend):
    played = noise(1.5, 5)
    with MicrophoneSource(
        settings(backend, queue_chunks=4, **EXACT), virtual_microphone.device
    ) as source:
        chunks = iter(source)
        before = next(chunks)
        virtual_microphone.play(played)  # in the meantime nobody takes anything from the queue
        least = source.stats()["drops"]
        after = next(chunks)
        dropped = (before.start + after.start - before.end) / 2048
        assert (
            4 <= least <= dropped <= source.stats()["drops"]
        )  # the microphone goes on while it is asked
        assert dropped == int(dropped)
        assert "queue was full" in after.cause
        source.stop()
        assert len(list(chunks)) <= 4


def test_lists_devices_as_data(virtual_microphone, backend):
    devices = list_devices(backend)
    assert [device.index for device in devices] == sorted({device.index for device in devices})
    pulse = find_device(devices, virtual_microphone.device)
    assert pulse.backend == backend and pulse.rate_hz > 0 and pulse.channels > 0
    assert find_device(devices, pulse.index) == pulse
    assert find_device(devices, None).default


def test_a_wrong_name_suggests_the_closest(virtual_microphone, backend):
    with pytest.raises(DeviceError, match="no microphone is called 'pulze'; did you mean 'pulse'?"):
        MicrophoneSource(settings(backend), "pulze").__enter__()
    with pytest.raises(DeviceError, match="no microphone has index 999"):
        MicrophoneSource(settings(backend), 999).__enter__()


def test_a_device_that_refuses_says_what_was_asked(virtual_microphone, backend):
    virtual_microphone.unplug()
    with pytest.raises(
        DeviceError, match="the microphone 'pulse' does not open at 16000 Hz with 1 channels"
    ):
        MicrophoneSource(settings(backend, **EXACT), virtual_microphone.device).__enter__()


USB = [
    Device("USB Mic: Audio (hw:1,0)", 0, 48_000, 1, False, "sounddevice"),
    Device("HDA Intel: ALC256 (hw:0,0)", 1, 44_100, 2, True, "sounddevice"),
    Device("HDA Intel: Digital (hw:0,2)", 2, 44_100, 2, False, "sounddevice"),
]


def test_a_part_of_a_name_in_any_case_finds_a_device():
    assert find_device(USB, "usb") is USB[0]
    assert find_device(USB, "ALC256") is USB[1]
    assert find_device(USB, None) is USB[1]


def test_a_part_of_several_names_is_refused_with_all_of_them():
    with pytest.raises(
        DeviceError,
        match="'Intel' is part of several names: HDA Intel: ALC256 .*, HDA Intel: Digital",
    ):
        find_device(USB, "Intel")


def test_a_device_keeps_its_name_when_alsa_numbers_it_anew():
    again = Device("USB Mic: Audio (hw:3,0)", 7, 48_000, 1, False, "sounddevice")
    assert find_device([*USB[1:], again], USB[0].lasting_name) is again


def test_no_device_and_no_default_say_what_to_do():
    with pytest.raises(DeviceError, match="no microphone was found; connect one, or pass a file"):
        find_device([], None)
    with pytest.raises(DeviceError, match="there is no default microphone; choose one"):
        find_device([USB[0]], None)


def run(script, **environ):
    """What a script prints as JSON in a fresh process."""
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, env=environ
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


OPEN_AUTO = """
import json
from stream.capture.portaudio import CaptureSettings
from stream.capture.sources import DEMO, SourceOptions, open_sources
capture = CaptureSettings("{backend}", 0, 0, 64, 1.75, 200)
with open_sources("auto", capture, SourceOptions())[0] as source:
    print(json.dumps([type(source).__name__, source.name, getattr(source, "realtime", None)]))
"""
NO_LIBRARY = """
import sys
# ctypes finds a library with the help of programs, and takes this for their absence
def search(event, arguments):
    if event == "subprocess.Popen":
        raise OSError("no such program")
sys.addaudithook(search)
"""


@pytest.fixture
def without_microphone():
    """The environment in which a process finds no microphone."""
    environ = {"PULSE_SERVER": "unix:/nonexistent"}
    script = (
        "from stream.capture.portaudio import list_devices; print(len(list_devices('sounddevice')))"
    )
    if run(script, **environ):
        pytest.skip("this machine has a microphone of its own")
    return environ


def test_auto_without_a_microphone_plays_the_demo_and_says_why(without_microphone, backend):
    kind, name, realtime = run(OPEN_AUTO.format(backend=backend), **without_microphone)
    assert (kind, realtime) == ("FileSource", True)
    assert name.startswith("demo recording (no microphone was found")


def test_auto_with_a_microphone_listens_to_it(virtual_microphone, backend):
    with MicrophoneSource(settings(backend), None) as default:
        name = default.name
    assert run(OPEN_AUTO.format(backend=backend), **virtual_microphone.environ) == [
        "MicrophoneSource",
        name,
        None,
    ]


def test_without_portaudio_the_error_says_what_to_install():
    script = (
        NO_LIBRARY
        + """
from radd.errors import DeviceError
from stream.capture.portaudio import list_devices
try:
    list_devices("sounddevice")
except DeviceError as error:
    print(__import__("json").dumps(str(error)))
"""
    )
    expected = "brew install portaudio" if sys.platform == "darwin" else "apt install libportaudio2"
    assert run(script) == f"the PortAudio library is missing; {expected}"


def test_without_portaudio_auto_plays_the_demo():
    _, name, _ = run(NO_LIBRARY + OPEN_AUTO.format(backend="sounddevice"))
    assert name.startswith("demo recording (the PortAudio library is missing")


@pytest.mark.parametrize("name", ["sounddevice", "pyaudio"])
def test_without_the_binding_the_error_says_what_to_install(name):
    script = f"""
import json, sys
sys.modules["{name}"] = None
from radd.errors import DeviceError
from stream.capture.portaudio import list_devices
try:
    list_devices("{name}")
except DeviceError as error:
    print(json.dumps(str(error)))
"""
    assert f"the Python package {name} is missing; pip install" in run(script)


def test_portaudio_is_not_touched_for_a_file():
    script = """
import json, sys
from stream.capture.portaudio import CaptureSettings
from stream.capture.sources import DEMO, SourceOptions, open_sources
capture = CaptureSettings("sounddevice", 0, 0, 64, 1.75, 200)
with open_sources(str(DEMO), capture, SourceOptions())[0] as source:
    count = sum(len(chunk.samples) for chunk in source)
print(json.dumps([count, sorted({"sounddevice", "_sounddevice", "pyaudio"} & set(sys.modules))]))
"""
    count, loaded = run(script)
    assert count > 20 * SAMPLE_RATE_HZ and loaded == []
