"""Clips in a database that wait for a person."""

import os
from dataclasses import replace

import numpy as np
from fixtures_storage import alert, rows, stream_info

import review
from radd.types import AlertState, Neighbour
from storage.journal import Journal

SURE, TORN = -8.0, 0.0


def flagged(seed=0, llr=-2.0, similarity=0.9, label="spoof", clip=None, **changes):
    """A closed alert whose every score is `llr` and whose references are of one label and equally
    near.
    """
    made = alert(AlertState.CLOSE, seed=seed, trace=((34_048, llr), (36_096, llr)), **changes)
    neighbours = tuple(Neighbour(f"ref-{i}", label, "tts-7", similarity) for i in range(3))
    return replace(made, neighbours=neighbours, clip=made.clip if clip is None else clip)


def keep(settings, *events, **stream):
    """Bring the events of one stream into the database; the stream's id."""
    info = stream_info(**stream)
    with Journal(settings, info) as journal:
        for event in events:
            journal.write(event)
    assert journal.problem is None
    return info.id


def one(url, table, **where):
    """The only row of a table with these values."""
    (row,) = [row for row in rows(url, table) if where.items() <= row.items()]
    return row


class ReviewCall:
    """Runs review.main in this process on one database."""

    def __init__(self, url, capsys):
        self.url, self.capsys = url, capsys

    def __call__(self, command, *arguments, code=0):
        """What it prints; its errors where it is to end with another code than 0."""
        self.capsys.readouterr()
        os.environ["RADD_STORAGE_URL"] = self.url  # as it may hold a password
        try:
            ended = review.main([command, *map(str, arguments)])
        except SystemExit as wrong_usage:
            ended = wrong_usage.code
        finally:
            del os.environ["RADD_STORAGE_URL"]
        out, err = self.capsys.readouterr()
        assert ended == code, err
        return err if code else out


def shifted(sound, by):
    """The sound as another recording: `by` samples later, zeros before."""
    return np.concatenate((np.zeros(by, np.float32), sound))[: len(sound)]
