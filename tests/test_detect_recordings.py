"""detect.py over recordings that are stereo, damaged, joined or piped."""

import numpy as np
import pytest
import soundfile
from fixtures_detect import of_type, read_event
from fixtures_recordings import coded, damaged

from radd.files import load_speech
from radd.types import SAMPLE_RATE_HZ
from stream.capture.sources import DEMO

FAKE_S = 8


@pytest.fixture(scope="module")
def fake():
    return load_speech(DEMO)[14 * SAMPLE_RATE_HZ : (14 + FAKE_S) * SAMPLE_RATE_HZ]


def measured(events, source=None):
    ids = {e["stream"] for e in of_type(events, "started") if source in (None, e["source"])}
    scores = [e for e in of_type(events, "score") if e["stream"] in ids]
    return [e["llr"] for e in scores if e["llr"] is not None]


def test_a_fake_beside_noise_raises_the_alert_that_it_raises_alone(command, fake):
    noise = np.random.default_rng(0).normal(0, 0.1, len(fake))
    soundfile.write(command.directory / "mono.wav", fake, SAMPLE_RATE_HZ)
    soundfile.write(command.directory / "call.wav", np.stack([noise, fake], 1), SAMPLE_RATE_HZ)
    alone = command.events("--no-store", "--source", "mono.wav")
    done = command.run("--no-store", "--json", "--source", "call.wav")
    assert done.returncode == 0, done.stderr
    beside = [read_event(line) for line in done.stdout.splitlines()]
    assert measured(beside) == pytest.approx(measured(alone), abs=0.01)
    assert len(of_type(beside, "alert")) == len(of_type(alone, "alert")) > 0
    assert of_type(beside, "started")[0]["source"] == "call.wav (right)"
    assert "holds 2 different channels" in done.stderr and "judged: right" in done.stderr


def test_split_makes_each_channel_a_stream(command, fake):
    soundfile.write(command.directory / "a.wav", np.stack([0 * fake, fake], 1), SAMPLE_RATE_HZ)
    events = command.events("--no-store", "--source", "a.wav", "--use-channel", "split")
    assert measured(events, "a.wav (left)") == [] and measured(events, "a.wav (right)")


def test_a_damaged_stretch_is_a_gap_line_and_the_rest_is_judged(command, fake):
    (command.directory / "a.flac").write_bytes(damaged(coded(np.tile(fake, 2), "flac"), 0.5, 3_000))
    events = command.events("--no-store", "--source", "a.flac", code=3)
    (gap,) = of_type(events, "gap")
    assert "damaged" in gap["cause"] and gap["lost_s"] < 2 and FAKE_S - 1 < gap["t"] < FAKE_S + 2
    after = [e for e in of_type(events, "score") if e["t"] > gap["t"] and e["llr"] is not None]
    assert len(after) > 10 and of_type(events, "stopped")[0]["t"] > 2 * FAKE_S - 0.5


def test_a_file_on_stdin_gives_what_the_file_gives(command, fake):
    (command.directory / "a.flac").write_bytes(data := coded(fake, "flac"))
    from_file = command.events("--no-store", "--source", "a.flac")
    from_pipe = command.events("--no-store", "--source", "-", stdin=data)
    assert measured(from_pipe) == pytest.approx(measured(from_file), abs=1e-4)
    assert len(measured(from_file)) > 10


def test_options_of_raw_pcm_beside_a_file_are_told_to_have_no_effect(command, fake):
    (command.directory / "a.wav").write_bytes(coded(fake[:32_000], "wav"))
    done = command.run("--no-store", "--source", "a.wav", "--rate", "8000")
    assert done.returncode == 0 and "have no effect here" in done.stderr
    done = command.run("--no-store", "--source", "a.wav")
    assert done.returncode == 0 and "no effect" not in done.stderr


@pytest.mark.parametrize(
    "options", [["--use-channel", "up"], ["--use-channel", "0"], ["--track", "0"]]
)
def test_a_channel_that_is_none_is_refused(call, options):
    done = call.run("--source", "-", *options)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_a_name_that_is_not_utf_8_is_stored_and_shown(command, fake):
    name = b"caf\xe9.flac".decode("utf-8", "surrogateescape")
    (command.directory / name).write_bytes(coded(fake, "flac"))
    command.environ["RADD_STORAGE_URL"] = f"sqlite:///{command.directory}/radd.db"
    events = command.events("--source", name)
    assert of_type(events, "started")[0]["source"] == "caf\\xe9.flac" and of_type(events, "alert")
