"""Sources by address: recordings and live streams over HTTP, HLS, what breaks off, what is secret
in them."""

import functools
import http.server
import io
import socket
import struct
import threading
from contextlib import contextmanager

import av
import numpy as np
import pytest
import soundfile
from fixtures_patience import PATIENCE_S

from radd.errors import AudioError
from radd.types import SAMPLE_RATE_HZ
from stream.capture.addressed import AddressSource, public_name
from stream.capture.portaudio import CaptureSettings
from stream.capture.sources import SourceOptions, open_sources

CAPTURE = CaptureSettings("sounddevice", 0, 0, 64, 1.75, 200)
TONE = (0.3 * np.sin(np.arange(3 * 44_100) * 0.05)).astype(np.float32)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextmanager
def served(handler, kind=http.server.ThreadingHTTPServer):
    server = kind(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(PATIENCE_S)
        server.server_close()


@pytest.fixture
def site(tmp_path):
    with served(functools.partial(Quiet, directory=tmp_path)) as url:
        yield tmp_path, url


def heard(source):
    with source:
        chunks = list(source)
    return np.concatenate([chunk.samples for chunk in chunks]) if chunks else np.zeros(0)


@pytest.mark.parametrize(("name", "form"), [("a.wav", "WAV"), ("a.flac", "FLAC"), ("a.mp3", "MP3")])
def test_a_recording_at_an_address_is_heard_whole(site, name, form):
    directory, url = site
    soundfile.write(directory / name, TONE, 44_100, format=form)
    (source,) = open_sources(f"{url}/{name}", CAPTURE, SourceOptions())
    assert len(heard(source)) == pytest.approx(3 * SAMPLE_RATE_HZ, abs=2_000)
    assert source.native_rate_hz == 44_100 and source.name == f"{url}/{name}"


def adts():
    """A stream that does not say how long it is."""
    file = io.BytesIO()
    with av.open(file, "w", format="adts") as out:
        encoded(out)
    return file.getvalue()


def encoded(out):
    stream = out.add_stream("aac", rate=44_100)
    stream.layout = "mono"
    for at in range(0, len(TONE) - 1_023, 1_024):
        frame = av.AudioFrame.from_ndarray(TONE[None, at : at + 1_024], "fltp", "mono")
        frame.sample_rate, frame.pts = 44_100, at
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def test_an_hls_playlist_is_heard_whole(site):
    directory, url = site
    with av.open(str(directory / "a.m3u8"), "w", format="hls", options={"hls_time": "1"}) as out:
        encoded(out)
    assert len(heard(AddressSource(f"{url}/a.m3u8"))) == pytest.approx(3 * SAMPLE_RATE_HZ, rel=0.1)


def test_a_playlist_cannot_name_files_of_this_machine(site):
    directory, url = site
    soundfile.write(directory / "a.wav", TONE, 44_100)
    lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:3", "#EXTINF:3,", f"file://{directory}/a.wav")
    (directory / "a.m3u8").write_text("\n".join((*lines, "#EXT-X-ENDLIST")))
    with pytest.raises(AudioError):
        heard(AddressSource(f"{url}/a.m3u8"))


@pytest.mark.parametrize("path", ["missing.wav", "text.wav"])
def test_an_address_without_audio_is_refused_when_it_is_opened(site, path):
    directory, url = site
    (directory / "text.wav").write_text("Dear diary, " * 100)
    with (
        pytest.raises(AudioError, match=f"{path} cannot be read.*expected"),
        AddressSource(f"{url}/{path}"),
    ):
        pass


def test_a_live_stream_whose_connection_breaks_goes_on_with_a_gap():
    data, asked = adts(), []

    class Live(Quiet):
        """Resets the connection the first time, and ends in order the second time."""

        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "audio/aac")
            if len(asked) > 1:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            if len(asked) == 1:
                reset = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)

    class Server(http.server.ThreadingHTTPServer):
        """Closes without the polite half of a shutdown."""

        def shutdown_request(self, request):
            self.close_request(request)

    with served(Live, Server) as url, AddressSource(f"{url}/live") as source:
        chunks = list(source)
    assert len(asked) == 2 and source.stats()["reopened"] == 1
    assert any(chunk.cause and "delivers no audio" in chunk.cause for chunk in chunks)
    ends = [chunk.end for chunk in chunks]
    assert ends == sorted(ends) and ends[-1] > 4.5 * SAMPLE_RATE_HZ


def test_a_source_that_is_stopped_ends(site):
    directory, url = site
    soundfile.write(directory / "a.wav", np.tile(TONE, 20), 44_100)
    with AddressSource(f"{url}/a.wav") as source:
        for _ in source:
            source.stop()
        assert source.stats()["chunks"] < 10


def test_secrets_of_an_address_are_not_shown():
    url = "https://ann:geheim@radd.example:8443/live.mp3?token=geheim"
    assert public_name(url) == AddressSource(url).name == "https://radd.example:8443/live.mp3"
