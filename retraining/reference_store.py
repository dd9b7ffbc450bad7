"""Recordings confirmed by people, as references of a bundle's index: add, remove, restore, list,
count.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from radd.bundle import load_known_voices
from radd.errors import AudioError
from radd.files import load_speech
from radd.index_sides import Side
from radd.overlay import Provenance, references_in
from storage.left_behind import forget_others
from storage.overlay import OverlayRecording, OverlayStore, Review


class ReferenceStore:
    """The index of one bundle plus the overlay in a database. The bundle's own references never
    change.
    """

    def __init__(self, bundle: Path, url: str):
        self._encoder, self._index, calibration = load_known_voices(bundle)
        self.weighs = bool(calibration.closeness)
        """whether the bundle has a measured weight for confirmed references; if not, they are only
        shown
        """
        self._store = OverlayStore(url, self._encoder.id)

    def __enter__(self) -> ReferenceStore:
        return self

    def __exit__(self, *exc) -> None:
        self._store.close()

    def add(self, file: Path, known: Provenance, review: Review) -> tuple[str, int]:
        """Add the speech blocks of a recording. Returns its id and their number, 0 if it exists
        already.

        Raises AudioError if it cannot be read or contains no speech, ConfigError if it has the
        other label.
        """
        references, vectors = references_in(load_speech(file), self._encoder, known)
        if not references:
            raise AudioError(
                f"{file} has less than a second of speech, too little to compare voices with"
            )
        return references[0].id, len(references) * self._store.add(references, vectors, review)

    def remove(self, ids: list[str], review: Review) -> None:
        """Delete added recordings; hide references of the bundle. All of it or nothing.

        Raises ConfigError for an unknown id, ModelError if too few of the bundle's references would
        remain.
        """
        self._index.without(set(ids) | self._store.read().removed)
        self._store.remove(ids, self._index.ids(), review)

    def restore(self, ids: list[str]) -> None:
        self._store.restore(ids)

    def recordings(
        self, label: str | None = None, source: str | None = None
    ) -> list[OverlayRecording]:
        """Added recordings, oldest first, with this label and with `source` in the name of their
        source.
        """
        return [
            recording
            for recording in self._store.recordings()
            if label in (None, recording.label) and (source or "") in recording.source
        ]

    def forget(self) -> int:
        """Delete what only other encoders' indices hold and cannot be encoded again. Returns the
        number of recordings.
        """
        return forget_others(self._store.database, self._encoder.id)

    def stats(self) -> dict[str, int]:
        """Counts of the index, and how each of its parts is searched."""
        overlay = self._store.read()
        real, fake = map(len, overlay.sides)
        return {
            "references of the bundle": len(self._index),
            "hidden by people": len(overlay.removed),
            "recordings added": len(overlay.recordings),
            "blocks added, real": real,
            "blocks added, fake": fake,
            "overlay version": overlay.version,
            **_memory("the bundle's", self._index.sides),
            **_memory("the added", overlay.sides),
        }


def _memory(whose: str, sides: Sequence[Side]) -> dict[str, int]:
    """Megabytes of the sides that are not empty, by how they are searched."""
    found = {}
    for label, side in zip(("real", "fake"), sides, strict=True):
        held, mapped = (round(n / 1e6) for n in side.memory())
        if len(side):
            found[
                f"MB for {whose} {label} references, {side.kind}"
                + (f", and {mapped} MB on disk" * bool(mapped))
            ] = held
    return found
