"""A daemon that is killed with -9 at any moment loses no alert that it had announced."""

import hashlib
import itertools
import os
from collections import defaultdict

import numpy as np
from fixtures_patience import PATIENCE_S
from fixtures_storage import alert, rows, score, stream_info

from radd.types import Alert, AlertState, Gap
from storage.journal import Journal
from storage.tables import alerts, clips, evidence, streams

KILLS = int(os.environ.get("KILLS", "50"))
LONGEST_LIFE_S = 0.15


def listen_forever(settings, announced, heard, seed):
    """Hear alerts without a pause; write into the file `announced` what a user would have been
    told.
    """
    log = os.open(announced, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def announce(event):
        os.write(log, f"{event.id} {event.state.value}\n".encode())

    with Journal(settings, stream_info()) as journal:
        for recovered in journal.recovered:
            announce(recovered)
        for number in itertools.count():
            opened = alert(seed=(seed * 1_000 + number))
            closed = alert(AlertState.CLOSE, of=opened, seed=number % 3)
            for event in (
                opened,
                score(number * 2_048),
                Gap(number, number + 1, "overrun"),
                closed,
            ):
                journal.write(event)
                if isinstance(event, Alert):
                    announce(event)
                    heard.set()


def kill_at_random_moments(processes, settings, announced, seed):
    rng = np.random.default_rng(seed)
    for life in range(KILLS):
        heard = processes.Event()
        process = processes.Process(target=listen_forever, args=(settings, announced, heard, life))
        process.start()
        if rng.random() < 0.8:  # the others may die while they start
            assert heard.wait(PATIENCE_S), f"life {life} never heard an alert"
        process.join(float(rng.uniform(0, LONGEST_LIFE_S)))
        assert process.is_alive(), f"life {life} ended by itself"
        process.kill()
        process.join()
        process.close()


def read_announced(file):
    told = defaultdict(set)
    for line in file.read_text().splitlines():
        alert_id, state = line.split()
        told[alert_id].add(state)
    return told


def test_no_announced_alert_is_lost_or_doubled(processes, settings, tmp_path):
    announced = tmp_path / "announced"
    kill_at_random_moments(processes, settings, announced, seed=7)
    with Journal(settings, stream_info()) as journal:
        pass
    assert journal.problem is None
    assert (
        journal.stats()["spool_entries"]
        == journal.stats()["refused"]
        == journal.stats()["damaged"]
        == 0
    )
    told = read_announced(announced)
    kept = {row["id"]: row for row in rows(settings.url, alerts)}
    sound = {row["sha256"]: row for row in rows(settings.url, clips)}
    assert len(told) > KILLS / 2, "too few alerts for a meaningful test"
    assert set(told) <= set(kept)
    for alert_id, states in told.items():
        expected = states - {"open"} or {"close", "interrupted"}
        assert kept[alert_id]["state"] in expected and len(states) <= 2
    for row in kept.values():
        assert hashlib.sha256(sound[row["clip_sha256"]]["flac"]).hexdigest() == row["clip_sha256"]
    assert set(sound) == {row["clip_sha256"] for row in kept.values()}
    assert {row["alert_id"] for row in rows(settings.url, evidence)} == set(kept)
    states = [row["state"] for row in rows(settings.url, streams)]
    assert states.count("ended") == 1 and "running" not in states
    assert sum(row["state"] == "interrupted" for row in kept.values()) <= KILLS
