"""Enrolment in the console: an admin's uploads, their outcome, undo."""

import io

import numpy as np
import pytest
import soundfile
from fixtures_console import ADMIN, REVIEWER, VIEWER
from fixtures_storage import until
from test_console_auth import bearer
from test_console_recordings import problem

from app.console import enrol_command
from app.installation import installation
from console.enrolling import MOST_FILES
from radd.resources import resource
from storage.enrolments import EnrolledRecording, Enrolments, Measured

PLACE = "/v1/enrolments"


def wav(seconds=1.0):
    out = io.BytesIO()
    soundfile.write(out, np.zeros(round(16_000 * seconds)), 16_000, format="WAV")
    return out.getvalue()


def uploads(kind, n=1, name="ann/1.wav"):
    return [(kind, (name, wav(), "audio/wav"))] * n


@pytest.fixture
def enrolling(console, tmp_path):
    """A console whose enrolments run as they do, on a database of its own."""
    url = f"sqlite:///{tmp_path}/enrol.db"
    config = tmp_path / "config.toml"
    config.write_text(f'[storage]\nurl = "{url}"\n', encoding="utf-8")
    command = enrol_command(config, installation(config, resource("models/default")))
    tokens = {"viewer_token": VIEWER, "reviewer_token": REVIEWER, "admin_token": ADMIN}
    return url, console(url, parts={"enrol_command": command}, **tokens)


def test_only_an_admin_enrols_and_sees_what_is_enrolled(enrolling):
    _, client = enrolling
    problem(client.get(PLACE), 401)
    for token in (VIEWER, REVIEWER):
        for answer in (
            client.get(PLACE, headers=bearer(token)),
            client.post(PLACE, files=uploads("real"), headers=bearer(token)),
            client.post(f"{PLACE}/undo", json={"id": "0" * 36}, headers=bearer(token)),
        ):
            assert "admin" in problem(answer, 403)
    assert client.get(PLACE, headers=bearer(ADMIN)).json() == {"run": None, "enrolments": []}


def test_a_refusal_is_told_in_the_words_of_the_command_and_nothing_stays(enrolling):
    url, client = enrolling
    answer = client.post(PLACE, files=uploads("real", 2, "../../ann/1.wav"), headers=bearer(ADMIN))
    assert answer.status_code == 202 and answer.json()["state"] == "running"
    problem(client.post(PLACE, files=uploads("real"), headers=bearer(ADMIN)), 409)

    def ended():
        run = client.get(PLACE, headers=bearer(ADMIN)).json()["run"]
        return run if run["state"] != "running" else None

    run = until(ended)
    assert run["state"] == "refused"
    assert "0 usable recordings of 0 people" in run["lines"][-1]
    assert "left out: ann/0-1.wav: too little speech" in run["lines"][-1]
    with Enrolments(url) as store:
        assert store.entries() == []


@pytest.mark.parametrize(
    "files, code",
    [
        ([], 422),
        (uploads("fake"), 422),
        (uploads("real") + uploads("own_voice"), 422),
        (uploads("real", MOST_FILES + 1), 413),
    ],
)
def test_what_cannot_be_enrolled_is_refused_at_once(enrolling, files, code):
    _, client = enrolling
    told = {"files": files} if files else {"data": {"reason": "nothing"}}
    problem(client.post(PLACE, headers=bearer(ADMIN), **told), code)


def test_an_admin_undoes_an_enrolment(enrolling):
    url, client = enrolling
    with Enrolments(url) as store:
        one = EnrolledRecording("ab" * 32, "bonafide", "ann/1.wav", "ann", 16_000, b"flac")
        measured = Measured("radd 1", "encoder", {}, {"offset_llr": 0.5})
        id = store.add("line", ("ann", "new switchboard"), [one], measured)
    (row,) = client.get(PLACE, headers=bearer(ADMIN)).json()["enrolments"]
    assert (row["id"], row["recordings"], row["with_audio"], row["offset_llr"]) == (id, 1, 1, 0.5)
    left = client.post(f"{PLACE}/undo", json={"id": id}, headers=bearer(ADMIN)).json()
    assert left["enrolments"] == []
    problem(client.post(f"{PLACE}/undo", json={"id": id}, headers=bearer(ADMIN)), 400)
