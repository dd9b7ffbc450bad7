"""RTP for the tests: FFmpeg as a sender, and a UDP relay that drops, delays and reorders."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading

import av
import numpy as np
import pytest

CODECS = {
    "pcmu": ("pcm_mulaw", 8_000),
    "pcma": ("pcm_alaw", 8_000),
    "g722": ("g722", 16_000),
    "opus": ("libopus", 48_000),
}


def packets(samples, codec, rate_hz=None, ssrc=7):
    """float32 (n,) as the RTP packets that FFmpeg's own sender makes of it."""
    name, native_hz = CODECS[codec]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiving:
        receiving.bind(("127.0.0.1", 0))
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiving.settimeout(0.2)
        url = f"rtp://127.0.0.1:{receiving.getsockname()[1]}?pkt_size=1200"
        options = {"ssrc": str(ssrc)}
        with av.open(url, "w", format="rtp", options=options) as out:
            stream = out.add_stream(name, rate=native_hz)
            stream.layout = "mono"
            for frame in _frames(samples, native_hz):
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        made = []
        while True:
            try:
                made.append(receiving.recv(2_000))
            except TimeoutError:
                return [one for one in made if one[1] not in range(192, 224)]


def _frames(samples, rate_hz):
    size = rate_hz // 50
    pcm = (samples * 32_767).astype(np.int16)
    for at in range(0, len(pcm) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(pcm[None, at : at + size], "s16", "mono")
        frame.sample_rate, frame.pts = rate_hz, at
        yield frame


def send(port, made, host="127.0.0.1"):
    """Send packets, one after the other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        for one in made:
            sending.sendto(one, (host, port))


def bye(ssrc=7):
    """RTCP BYE."""
    return bytes((0x81, 203, 0, 1)) + ssrc.to_bytes(4, "big")


class Relay:
    """Passes packets on to a port as `choose` says: it maps the list of the last three packets, and
    the number of the last one, to those to send now.
    """

    def __init__(self, to_port, choose):
        self._to_port, self._choose = to_port, choose
        self._in = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._in.bind(("127.0.0.1", 0))
        self.port = self._in.getsockname()[1]
        self.passed = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._in.close()

    def _run(self):
        recent, number = [], 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while data := self._in.recv(2_000):
                recent = [*recent[-2:], data]
                is_media = data[1] not in range(192, 224)
                for one in self._choose(recent, number) if is_media else [data]:
                    out.sendto(one, ("127.0.0.1", self._to_port))
                    self.passed += 1
                number += 1


def ffmpeg(*arguments):
    """FFmpeg's program as a sender in real time; skips the test where it is missing."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("ffmpeg is not installed")
    return subprocess.Popen(
        [program, "-loglevel", "error", "-re", *arguments], stdout=subprocess.DEVNULL
    )
