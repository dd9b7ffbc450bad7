"""A change of encoder: confirmed clips that are stored are encoded again, the others are named."""

import alembic.command
import alembic.config
import numpy as np
import pytest
import sqlalchemy as sa
from fixtures_review import flagged, keep
from fixtures_storage import SumEncoder, rows, storage_settings

from app.catch_up import CatchUp, catch_up
from app.installation import installation
from radd.files import load_speech
from radd.flac import clip_sha256
from radd.references import Reference
from radd.resources import resource
from retraining.confirmed_clips import index_confirmed
from storage import tables
from storage.database import ALEMBIC, Database
from storage.left_behind import forget_others, left_behind
from storage.overlay import OverlayStore, Review
from storage.review import Label, Reviews

BUNDLE = resource("models/default")


class EarlierEncoder(SumEncoder):
    """The encoder of a bundle that shipped before."""

    id = "0123456789abcdef"


@pytest.fixture
def old(database_url, tmp_path, monkeypatch):
    """A database of the previous schema, filled with an earlier bundle: two confirmed clips, one of
    them evicted since, and one recording that somebody added.
    """
    settings = storage_settings(database_url, tmp_path / "spool")
    speech = load_speech(resource("assets/demo.flac"))[: 5 * 16_000]
    stored, evicted = (flagged(clip=np.roll(speech, k), clip_start=0, began=0) for k in (0, 8_000))
    keep(settings, stored, source="call 1")
    keep(settings, evicted, source="call 2")
    encoder = EarlierEncoder()
    with Reviews(settings.url, 1) as reviews:
        reviews.label([stored.id, evicted.id], Label.FAKE, "ann", "")
        assert all(index_confirmed(reviews, encoder).values())
    with OverlayStore(settings.url, encoder.id) as store:
        added = [Reference("c0ffee", "bonafide", "-", "my own voice", "-", 0.0)]
        store.add(added, np.eye(1, 8, dtype=np.float32), Review("ann", ""))
    with (database := Database(settings.url)).transaction() as connection:
        gone = tables.clips.c.sha256 == clip_sha256(evicted.clip)
        connection.execute(tables.clips.update().where(gone).values(state="evicted", flac=None))
    database.close()
    monkeypatch.setenv("RADD_STORAGE_URL", settings.url)
    for command, revision in (("downgrade", "0005"), ("upgrade", "head")):
        getattr(alembic.command, command)(alembic.config.Config(ALEMBIC), revision)
    return settings.url, stored, evicted


def test_an_upgraded_database_is_encoded_again_and_what_cannot_be_is_named(old):
    url, stored, evicted = old
    here = installation(bundle=BUNDLE, environ={"RADD_STORAGE_URL": url})
    detector = here.load(BUNDLE)
    told = catch_up(here, BUNDLE, detector, lambda: False)
    assert told is not None
    assert f"1 confirmed clips were encoded for {detector.name}" in told
    assert "2 confirmed recordings belong to another encoder" in told
    assert f"c0ffee (my own voice), clip {evicted.id[:8]} (call 2)" in told
    with OverlayStore(url, detector.encoder_id) as store:
        overlay = store.read()
        assert {r.source for r in overlay.sides[1].references} == {"call 1"}
        assert overlay.sides[1].width == detector.encoder.width
    before = rows(url, tables.overlay_references)
    with (database := Database(url)).transaction() as connection:
        earlier = tables.overlay_references.c.encoder_id == EarlierEncoder.id
        kept = connection.scalar(sa.select(sa.func.count()).where(earlier))
    assert kept and len(before) > kept, "a rollback finds the earlier encoder's references"
    assert forget_others(database, detector.encoder_id) == 2
    assert left_behind(database, detector.encoder_id) == []
    database.close()
    assert catch_up(here, BUNDLE, detector, lambda: False) is None


def test_catching_up_ends_when_the_process_does(old):
    url, stored, _ = old
    here = installation(bundle=BUNDLE, environ={"RADD_STORAGE_URL": url})
    detector = here.load(BUNDLE)
    assert "encoded for" not in (catch_up(here, BUNDLE, detector, lambda: True) or "")
    with CatchUp(here) as catching:
        catching.begin(BUNDLE, detector)
        catching.begin(BUNDLE, detector)
    assert catching._thread is not None and not catching._thread.is_alive()
