"""Which device is meant, and a sound system that loses devices or never answers."""

import itertools
import os
import signal
import threading

import numpy as np
import pytest
from fixtures_detect import of_type, read_event, wait_for
from fixtures_patience import PATIENCE_S

from radd.errors import DeviceError
from stream.capture import portaudio
from stream.capture.devices import Device, find_again, find_device
from stream.capture.errand import Errand, NoAnswer
from stream.capture.microphone import MicrophoneSource
from stream.capture.portaudio import CaptureSettings


def microphone(card: int, index: int, name: str = "USB Mic: Audio") -> Device:
    return Device(f"{name} (hw:{card},0)", index, 16_000, 1, False, "rooms")


ONE, OTHER = microphone(1, 0), microphone(2, 1)
SAME = [Device("USB Audio", index, 48_000, 1, False, "sounddevice") for index in (3, 5)]


def test_a_full_name_that_two_devices_have_takes_neither():
    with pytest.raises(DeviceError, match=r"of several .*index 3\), .*index 5\); give the"):
        find_device(SAME, "USB Audio")
    with pytest.raises(DeviceError, match=r"several .*hw:1,0\) .*, .*hw:2,0\) .*index 1\)"):
        find_device([ONE, OTHER], ONE.lasting_name)
    assert find_device([ONE, OTHER], OTHER.name) is OTHER and find_device(SAME, 5) is SAME[1]


@pytest.mark.parametrize(
    ("before", "lost", "now", "found"),
    [
        ([ONE], ONE, [microphone(3, 2)], 0),
        ([ONE, OTHER], ONE, [OTHER], None),
        ([ONE, OTHER], OTHER, [ONE], None),
        ([ONE, OTHER], ONE, [OTHER, ONE], 1),
        ([ONE, OTHER], ONE, [microphone(3, 0), OTHER], None),
        ([ONE], ONE, [ONE, OTHER], 0),
        ([ONE], ONE, [OTHER, microphone(3, 2)], None),
        ([ONE], ONE, [], None),
        (SAME, SAME[1], SAME, 1),
        (SAME, SAME[1], SAME[:1], None),
    ],
)
def test_a_device_that_was_lost_is_found_again_or_none_is(before, lost, now, found):
    if found is None:
        with pytest.raises(DeviceError, match="is gone"):
            find_again(now, lost, before)
    else:
        assert find_again(now, lost, before) is now[found]


class Rooms:
    """A sound system of several microphones; each delivers one level, which says which it is."""

    def __init__(self, *devices: Device):
        self.devices_now, self.opened = list(devices), []
        self.looked = threading.Event()

    def __call__(self) -> "Rooms":
        return self

    def devices(self) -> list[Device]:
        self.looked.set()
        return list(self.devices_now)

    def listen(self, device, rate_hz, channels, block_frames, deliver):
        self.opened.append(device)
        deliver(np.full(block_frames, device.index + 1, "<f4").tobytes(), block_frames, False, 0.0)
        return self

    def active(self) -> bool:
        return self.opened[-1] in self.devices_now

    def close(self) -> None:
        pass


def capture(backend: str) -> CaptureSettings:
    return CaptureSettings(backend, 0, 0, 64, 0.5, 200)


@pytest.fixture
def rooms(monkeypatch):
    made = Rooms(ONE, OTHER)
    monkeypatch.setitem(portaudio.BINDINGS, "rooms", made)
    return made


def heard(chunks):
    """The device whose sound comes next."""
    return next(round(float(chunk.samples.max())) - 1 for chunk in chunks if len(chunk.samples))


def test_after_an_unplug_the_other_rooms_microphone_is_not_opened(rooms, caplog):
    with MicrophoneSource(capture("rooms"), ONE.name) as source:
        chunks = iter(source)
        assert heard(chunks) == ONE.index
        rooms.devices_now = [OTHER]
        for _ in range(3):
            assert next(chunk for chunk in chunks if not len(chunk.samples)).cause
        assert rooms.opened == [ONE] and "which device of that name" in caplog.text
        rooms.devices_now = [OTHER, ONE]
        assert heard(chunks) == ONE.index
        assert f"{ONE.name} is back" in caplog.text
        source.stop()


def test_a_device_that_comes_back_under_another_number_is_named(rooms, caplog):
    rooms.devices_now = [ONE]
    again = microphone(4, 7)
    with MicrophoneSource(capture("rooms"), ONE.name) as source:
        chunks = iter(source)
        assert heard(chunks) == ONE.index
        rooms.devices_now = [again]
        assert heard(chunks) == again.index
        assert f"{ONE.name} is back as {again.name}" in caplog.text and source.name == again.name
        source.stop()


def test_an_errand_that_takes_long_can_be_waited_for_again_and_raises_what_it_raises():
    go_on = threading.Event()
    errand = Errand(lambda: go_on.wait(PATIENCE_S))
    with pytest.raises(NoAnswer, match="has not answered for 0.01 s"):
        errand.wait(0.01)
    errand.wake()
    with pytest.raises(NoAnswer):
        errand.wait(PATIENCE_S)
    go_on.set()
    assert errand.wait(PATIENCE_S) is True
    with pytest.raises(ZeroDivisionError):
        Errand(lambda: 1 // 0).wait(PATIENCE_S)


class Frozen(Rooms):
    """Rooms whose sound system stops answering when it is told to."""

    def __init__(self, *devices: Device):
        super().__init__(*devices)
        self.answers = threading.Event()
        self.answers.set()

    def devices(self) -> list[Device]:
        self.answers.wait(PATIENCE_S)
        return super().devices()

    def close(self) -> None:
        self.answers.wait(PATIENCE_S)


def test_a_frozen_sound_system_is_told_again_and_again_and_keeps_no_end_waiting(
    monkeypatch, caplog
):
    frozen = Frozen(ONE)
    monkeypatch.setitem(portaudio.BINDINGS, "rooms", frozen)
    with MicrophoneSource(capture("rooms"), ONE.name) as source:
        chunks = iter(source)
        assert heard(chunks) == ONE.index
        frozen.devices_now = []
        frozen.answers.clear()
        outage = [next(c for c in chunks if not len(c.samples)) for _ in range(3)]
        assert all(before.start < after.start for before, after in itertools.pairwise(outage))
        assert "has not answered" in caplog.text
        source.stop()
        assert list(chunks) == []
    frozen.answers.set()


def test_a_frozen_sound_server_keeps_no_signal_from_ending_the_daemon(virtual_microphone, command):
    command.environ |= virtual_microphone.environ | {"RADD_CAPTURE_STALL_S": "0.5"}
    source = f"mic:{virtual_microphone.device}"
    process = command.start("--json", "--no-store", "--source", source)
    wait_for(process, "score")
    server = virtual_microphone._server.pid
    os.kill(server, signal.SIGSTOP)
    try:
        for _ in range(3):
            wait_for(process, "gap")
        process.send_signal(signal.SIGTERM)
        events = [read_event(line) for line in process.stdout]
        code = process.wait(PATIENCE_S)
    finally:
        os.kill(server, signal.SIGCONT)
    assert (code, of_type(events, "stopped")[0]["reason"]) == (0, "sigterm")
    assert b"has not answered" in process.stderr.read()


def test_a_sound_server_that_is_frozen_from_the_start_is_told(virtual_microphone, command):
    command.environ |= virtual_microphone.environ
    server = virtual_microphone._server.pid
    os.kill(server, signal.SIGSTOP)
    try:
        done = command.run("--no-store", "--source", f"mic:{virtual_microphone.device}")
    finally:
        os.kill(server, signal.SIGCONT)
    assert done.returncode == 3 and "has not answered" in done.stderr.splitlines()[-1]
