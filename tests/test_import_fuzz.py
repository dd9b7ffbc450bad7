"""Damaged exports: each is imported whole or refused in a sentence, and nothing of a refused one
stays.
"""

import json
import shutil

import pytest
from fixtures_fuzz import inputs
from fixtures_review import flagged, keep
from fixtures_storage import rows, storage_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radd.errors import ConfigError, StorageError
from radd.flac import flac_samples
from storage import tables
from storage.clip_archive import export_clips, import_clips
from storage.review import Reviews

SLACK = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from([2**63, -(2**31), 1e308, "x" * 20_000, "fake", "stored", "\x1b[2J", "../x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The directory of an export of one clip, and its line."""
    directory = tmp_path_factory.mktemp("fuzz")
    source = storage_settings(f"sqlite:///{directory}/radd.db", directory / "spool")
    keep(source, flagged())
    with Reviews(source.url, 1) as reviews:
        export_clips(reviews, directory / "out", ["pending"])
    return directory / "out", json.loads((directory / "out/clips.jsonl").read_text())


def places(value, path=()):
    """The paths of all values inside a JSON value."""
    yield path
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, part in inner:
        yield from places(part, (*path, key))


def changed(value, path, new):
    """The JSON value with another one at a path."""
    if not path:
        return new
    head, *rest = path
    made = value.copy()
    made[head] = changed(value[head], rest, new)
    return made


def test_no_damage_to_an_export_brings_anything_but_an_import_or_a_refusal(
    exported, tmp_path_factory, tried
):
    source, line = exported
    directory = tmp_path_factory.mktemp("here")
    shutil.copytree(source, directory / "in")
    here = storage_settings(f"sqlite:///{directory}/radd.db", directory / "spool")
    (sound,) = (directory / "in/flac").iterdir()
    flac = sound.read_bytes()

    with Reviews(here.url, 1) as reviews:

        @settings(max_examples=inputs(40), **SLACK)
        @given(
            path=st.sampled_from(list(places(line))),
            new=VALUES,
            at=st.integers(0, 5_000),
            junk=st.binary(max_size=20),
            in_line=st.booleans(),
            in_sound=st.booleans(),
        )
        def damaged(path, new, at, junk, in_line, in_sound):
            tried()
            text = json.dumps(changed(line, path, new)).encode()
            if in_line:
                text = text[:at] + junk + text[at + len(junk) :]
            (directory / "in/clips.jsonl").write_bytes(text)
            sound.write_bytes(flac[:at] + junk + flac[at + len(junk) :] if in_sound else flac)
            before = rows(here.url, tables.alerts)
            try:
                import_clips(reviews, directory / "in", flac_samples)
            except (ConfigError, StorageError) as refused:
                assert str(refused)
                assert rows(here.url, tables.alerts) == before

        damaged()
