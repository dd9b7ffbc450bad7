"""The list of sources in a bundle: every clip is counted once, under its source and side."""

from __future__ import annotations

import csv
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from radd.dataset import Clip
from training.sources import write_sources

clips = st.lists(
    st.builds(
        lambda label, source, licence: Clip("u", Path("-"), label, "-", "-", source, licence, "en"),
        st.sampled_from(["bonafide", "spoof"]),
        st.sampled_from(["one/page", "other/page", "a, b"]),
        st.sampled_from(["MIT", "none stated"]),
    ),
    max_size=20,
)


@given(train=clips, dev=clips)
def test_every_clip_is_counted_once(tmp_path_factory, train, dev):
    path = tmp_path_factory.mktemp("sources") / "sources.csv"
    write_sources(path, {"train": train, "dev": dev})
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for side, of in (("train", train), ("dev", dev)):
        listed = [row for row in rows if row["side"] == side]
        for label in ("bonafide", "spoof"):
            assert sum(int(row[label]) for row in listed) == sum(c.label == label for c in of)
        assert {row["source"] for row in listed} == {c.source for c in of}
    assert len({(row["source"], row["side"], row["licence"]) for row in rows}) == len(rows)
