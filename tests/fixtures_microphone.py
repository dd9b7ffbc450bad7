"""A virtual microphone: a PulseAudio server of one's own, whose only source hears what is played
into it.

Bit-exact at its own 16 kHz, mono, 16 bit. `virtual_microphone.environ` is what another process
needs to hear it too.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from fixtures_patience import PATIENCE_S

from radd.errors import DeviceError
from radd.types import SAMPLE_RATE_HZ
from stream.capture.portaudio import list_devices

PLUG = (
    "module-null-sink",
    "sink_name=vmic",
    "norewinds=1",
    f"rate={SAMPLE_RATE_HZ}",
    "channels=1",
    "format=s16le",
)


class VirtualMicrophone:
    """Plugged in after start(); `device` is its name in PortAudio."""

    device = "pulse"

    def __init__(self, directory: Path):
        self.directory = directory
        self.environ = {"PULSE_SERVER": f"unix:{directory}/socket"}

    def start(self) -> None:
        script = self.directory / "default.pa"
        script.write_text(
            "load-module module-native-protocol-unix auth-anonymous=1 "
            f"socket={self.directory}/socket\n"
        )
        own = {"HOME": str(self.directory), "XDG_RUNTIME_DIR": str(self.directory)}
        options = ["--daemonize=no", "--exit-idle-time=-1", "--disable-shm=1"]
        self._server = subprocess.Popen(
            ["pulseaudio", "-n", "-F", script, *options],
            env=os.environ | own,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE_S
        while self._ask("info", check=False).returncode:
            assert self._server.poll() is None and time.monotonic() < deadline, (
                "the PulseAudio server does not start"
            )
        self.plug()

    def stop(self) -> None:
        self._server.terminate()
        self._server.wait(PATIENCE_S)

    def plug(self) -> None:
        self._module = self._ask("load-module", *PLUG).stdout.strip()
        self._ask("set-default-sink", "vmic")
        self._ask("set-default-source", "vmic.monitor")

    def unplug(self) -> None:
        self._ask("unload-module", self._module)
        self._module = ""

    @property
    def plugged(self) -> bool:
        return bool(self._module)

    def play(self, samples: np.ndarray) -> None:
        """Play float32 (n,), full scale +-1, 16 kHz into it, in real time; returns when all has
        been heard.
        """
        pcm = np.round(samples * 32768).astype("<i2").tobytes()
        form = [f"--rate={SAMPLE_RATE_HZ}", "--channels=1", "--format=s16le"]
        subprocess.run(
            ["pacat", "--raw", "--latency-msec=1000", *form],
            input=pcm,
            env=self._client(),
            check=True,
        )

    def _ask(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["pactl", *words], env=self._client(), check=check, capture_output=True, text=True
        )

    def _client(self) -> dict[str, str]:
        return (
            os.environ
            | self.environ
            | {"HOME": str(self.directory), "XDG_RUNTIME_DIR": str(self.directory)}
        )


@pytest.fixture(scope="session")
def _sound_server():
    missing = [program for program in ("pulseaudio", "pactl", "pacat") if not shutil.which(program)]
    if missing:
        pytest.skip(
            "PulseAudio is not installed: apt install pulseaudio pulseaudio-utils "
            "libasound2-plugins"
        )
    with tempfile.TemporaryDirectory(
        prefix="vmic"
    ) as directory:  # short, as the path of a socket must be
        microphone = VirtualMicrophone(Path(directory))
        microphone.start()
        yield microphone
        microphone.stop()


@pytest.fixture
def virtual_microphone(_sound_server, monkeypatch):
    """The microphone, plugged in, and heard by this process too."""
    if not _sound_server.plugged:
        _sound_server.plug()
    for name, value in _sound_server.environ.items():
        monkeypatch.setenv(name, value)
    try:
        names = [device.name for device in list_devices("sounddevice")]
    except DeviceError as error:
        pytest.skip(str(error))
    if VirtualMicrophone.device not in names:
        pytest.skip("PortAudio does not see PulseAudio: apt install libasound2-plugins")
    return _sound_server


@pytest.fixture(params=["sounddevice", "pyaudio"])
def backend(request):
    """Each binding of the microphone in turn."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed: pip install -e '.[pyaudio]'")
    return request.param
