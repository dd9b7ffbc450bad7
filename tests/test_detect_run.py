"""detect.py from end to end: files, pipes and microphones in; JSON, alerts and rows in the database
out.
"""

import hashlib
import signal
import socket

import pytest
import soundfile
from fixtures_detect import ROOT, of_type, read_event, wait_for
from fixtures_patience import PATIENCE_S
from fixtures_storage import rows

from radd.flac import flac_samples
from storage import tables
from stream.capture.sources import DEMO

DEFAULT = ROOT / "models/default"
NEVER_LIVE = {"torch", "transformers", "tensorflow", "librosa", "scipy", "sklearn", "pandas"}


def kept(url: str, alert: dict) -> bytes:
    """The FLAC bytes that the database holds for an alert that was announced and closed, its row
    checked.
    """
    (row,) = [row for row in rows(url, tables.alerts) if row["id"] == alert["id"]]
    (clip,) = [clip for clip in rows(url, tables.clips) if clip["sha256"] == row["clip_sha256"]]
    assert (row["state"], row["clip_sha256"]) == (alert["state"], alert["clip_sha256"])
    assert row["end_samples"] == alert["ended"] * 16_000 and clip["state"] == "stored"
    assert hashlib.sha256(clip["flac"]).hexdigest() == alert["clip_sha256"]
    return clip["flac"]


def test_a_file_ends_as_an_alert_with_its_clip_in_the_database(
    command, suspicious_bundle, speech, database_url
):
    command.environ["RADD_STORAGE_URL"] = database_url
    events = command.events("--bundle", suspicious_bundle, "--source", speech)
    assert [events[0]["type"], events[-1]["type"], events[-1]["reason"]] == [
        "started",
        "stopped",
        "end",
    ]
    samples, _ = soundfile.read(speech, dtype="float32")
    assert len(of_type(events, "score")) == len(samples) // 2_048
    opened, closed = of_type(events, "alert")
    assert (opened["state"], closed["state"]) == ("open", "close") and opened["id"] == closed["id"]
    clip = flac_samples(kept(database_url, closed))
    assert abs(clip - samples[: len(clip)]).max() < 1e-4
    (stream,) = rows(database_url, tables.streams)
    assert (stream["state"], stream["source"], stream["device"]) == ("ended", str(speech), None)


def test_a_score_is_a_number_or_a_reason_and_without_storage_nothing_is_left_behind(
    command, suspicious_bundle, speech
):
    events = command.events("--no-store", "--bundle", suspicious_bundle, "--source", speech)
    assert of_type(events, "alert") and list(command.directory.iterdir()) == []
    scores = of_type(events, "score")
    measured = [score for score in scores if score["llr"] is not None]
    assert measured[0]["t"] <= 2 and len(measured) > len(scores) / 2
    assert all(score["p_spoof"] == pytest.approx(0.99331, abs=1e-5) for score in measured)
    refused = {score["verdict"] for score in scores if score["llr"] is None}
    assert refused <= {"no_speech", "warming_up", "too_noisy"}
    assert [score["t"] for score in scores] == pytest.approx(
        [0.128 * (i + 1) for i in range(len(scores))]
    )


def test_stdin_gives_what_the_file_gives(command, speech, speech_pcm):
    from_file = of_type(command.events("--no-store", "--source", speech), "score")
    from_pipe = of_type(
        command.events("--no-store", "--source", "-", stdin=speech_pcm + b"\1"), "score"
    )
    assert [score["verdict"] for score in from_pipe] == [score["verdict"] for score in from_file]
    numbers = [[score["llr"] or 0.0 for score in scores] for scores in (from_pipe, from_file)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-4)


def test_several_sources_are_told_apart_and_one_that_breaks_off_is_told_at_the_end(
    command, speech, speech_pcm
):
    command.environ["RADD_STORAGE_URL"] = url = f"sqlite:///{command.directory}/radd.db"
    (command.directory / "cut.wav").write_bytes(speech.read_bytes()[:120_000])
    events = command.events(
        "--source", speech, "--source", "cut.wav", "--source", "-", stdin=speech_pcm, code=3
    )
    ids = {event["source"]: event["stream"] for event in of_type(events, "started")}
    scores = {
        source: [e for e in of_type(events, "score") if e["stream"] == id]
        for source, id in ids.items()
    }
    whole, part, piped = (scores[source] for source in (str(speech), "cut.wav", "-"))
    assert len(whole) == len(piped) == 55 and len(part) == 29
    for other in (part, piped):
        for one, two in zip(whole, other, strict=False):
            assert (one["verdict"], one["llr"]) == (
                two["verdict"],
                two["llr"] and pytest.approx(two["llr"], abs=1e-4),
            )
    reasons = {event["stream"]: event["reason"] for event in of_type(events, "stopped")}
    assert reasons == {ids[str(speech)]: "end", ids["cut.wav"]: "error", ids["-"]: "end"}
    states = {row["id"]: row["state"] for row in rows(url, tables.streams)}
    assert states == {ids[str(speech)]: "ended", ids["cut.wav"]: "interrupted", ids["-"]: "ended"}


def test_raw_sound_of_another_rate_and_format(command, speech_pcm):
    options = ["--source", "-", "--rate", 8_000, "--channels", 2, "--format", "u8"]
    (stopped,) = of_type(
        command.events("--no-store", *options, stdin=bytes([128]) * 32_000), "stopped"
    )
    assert stopped["t"] == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("pace", [[], ["--realtime"]])
def test_duration_ends_a_run(command, speech, pace):
    stopped = command.events("--no-store", "--source", speech, "--duration", "1.5", *pace)[-1]
    assert (stopped["t"], stopped["reason"]) == (1.5, "duration")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_alert_and_the_books(command, suspicious_bundle, speech_pcm, number):
    command.environ["RADD_STORAGE_URL"] = url = f"sqlite:///{command.directory}/radd.db"
    process = command.start("--json", "--bundle", suspicious_bundle, "--source", "-")
    process.stdin.write(speech_pcm)
    process.stdin.flush()
    opened = wait_for(process, "alert", state="open")
    process.send_signal(number)
    closed = wait_for(process, "alert", state="close", id=opened["id"])
    stopped = wait_for(process, "stopped", reason=number.name.lower())
    assert process.wait(PATIENCE_S) == 0 and process.stderr.read() == b""
    assert stopped["totals"]["alerts"] == 1 and stopped["totals"]["storage"]["spool_entries"] == 0
    kept(url, closed)


def test_a_reader_that_goes_away_ends_it_quietly(command, speech_pcm):
    process = command.start("--json", "--no-store", "--source", "-")
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(speech_pcm[:64_000])
    process.stdin.flush()
    assert process.wait(PATIENCE_S) == 0 and process.stderr.read() == b""


def test_a_pipe_that_stalls_is_waited_for(command, speech_pcm):
    process = command.start("--json", "--no-store", "--source", "-")
    for part in (speech_pcm[:16_001], speech_pcm[16_001:32_000]):
        process.stdin.write(part)
        process.stdin.flush()
        wait_for(process, "score")
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0 and b'"t": 1.0, "reason": "end"' in out


def test_a_database_that_is_away_is_no_reason_not_to_listen(
    command, suspicious_bundle, speech, mariadb_url
):
    command.environ |= {
        "RADD_STORAGE_SPOOL": str(command.directory / "spool"),
        "RADD_STORAGE_FLUSH_S": "0.1",
        "RADD_STORAGE_URL": "mysql+mysqlconnector://radd:secret@127.0.0.1:1/radd",
    }
    arguments = ["--bundle", suspicious_bundle, "--source", speech]
    away = command.events(*arguments)
    assert away[-1]["totals"]["storage"]["spool_entries"] > 0
    command.environ |= {"RADD_STORAGE_URL": mariadb_url, "RADD_STORAGE_FLUSH_S": str(PATIENCE_S)}
    back = command.events(*arguments)
    assert back[-1]["totals"]["storage"]["spool_entries"] == 0
    for events in (away, back):
        kept(mariadb_url, of_type(events, "alert")[-1])


def test_plain_lines_where_stdout_is_no_terminal(command, suspicious_bundle, speech):
    done = command.run("--no-store", "--bundle", suspicious_bundle, "--source", speech)
    lines = done.stdout.splitlines()
    assert "listening to" in lines[0] and "stopped (end)" in lines[-5] and done.returncode == 0
    assert sum("ALERT" in line for line in lines) == 1 and len(lines) < 20


def test_listening_never_imports_what_training_needs(command, speech):
    imported = command.imported("--source", speech)
    assert "onnxruntime" in imported and not imported & NEVER_LIVE


def test_the_demo_recording_raises_an_alert(command):
    events = command.events("--bundle", DEFAULT, "--source", DEMO)
    assert [alert["state"] for alert in of_type(events, "alert")][:2] == ["open", "close"]


def test_a_person_reading_raises_no_alert(command, speech):
    events = command.events("--bundle", DEFAULT, "--source", speech)
    assert of_type(events, "alert") == []


def test_the_devices_are_listed_for_people_and_for_programs(command, virtual_microphone, backend):
    command.environ |= {"RADD_CAPTURE_BACKEND": backend}
    assert f"  {virtual_microphone.device}  " in command.run("--list-devices").stdout
    listed = command.run("--list-devices", "--json")
    assert f'"name": "{virtual_microphone.device}"' in listed.stdout


def test_a_microphone_ends_as_an_alert_with_its_clip_in_the_database(
    command, suspicious_bundle, speech, database_url, virtual_microphone, backend
):
    command.environ |= {"RADD_CAPTURE_BACKEND": backend, "RADD_STORAGE_URL": database_url}
    source = f"mic:{virtual_microphone.device}"
    process = command.start("--json", "--bundle", suspicious_bundle, "--source", source)
    wait_for(process, "started", source=virtual_microphone.device)
    samples, _ = soundfile.read(speech, dtype="float32", frames=64_000)
    virtual_microphone.play(samples)
    opened = wait_for(process, "alert", state="open")
    process.send_signal(signal.SIGTERM)
    closed = wait_for(process, "alert", state="close", id=opened["id"])
    wait_for(process, "stopped", reason="sigterm")
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert abs(flac_samples(kept(database_url, closed))).max() > 0.1
    (stream,) = rows(database_url, tables.streams)
    assert stream["device"] == virtual_microphone.device


def test_without_a_microphone_the_demo_is_played(command, no_microphone):
    started, *_ = command.events("--no-store", "--duration", "0.2")
    assert started["source"].startswith("demo recording (")


def test_sound_that_cannot_be_kept_is_told_at_once_and_by_the_exit_code(
    command, suspicious_bundle, speech_pcm
):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        command.environ |= {
            "RADD_STORAGE_URL": f"mysql+mysqlconnector://radd:x@127.0.0.1:{port}/radd",
            "RADD_STORAGE_SPOOL_QUOTA_MB": "1",
            "RADD_STORAGE_FLUSH_S": "0",
            "RADD_ALERTS_MAX_CLIP_S": "120",
        }
        arguments = ["--json", "--bundle", suspicious_bundle, "--source", "-"]
        done = command.run(*arguments, stdin=speech_pcm * 12)
    events = [read_event(line) for line in done.stdout.splitlines()]
    closed = next(event for event in of_type(events, "alert") if event["state"] == "close")
    lost = next(event for event in of_type(events, "lost") if event["what"] == "sound")
    assert lost["id"] == closed["id"] and events.index(lost) < len(events) - 1
    assert done.returncode == 5 and f"the sound of alert {closed['id']} is lost" in done.stderr
    assert "the sound of 1 others are lost for good" in done.stderr.splitlines()[-1]
    assert of_type(events, "stats")[-1]["alerts_lost"] == 0
