"""What people say of recordings, as references of a bundle's index: add, remove, restore, list, count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from radd.bundle import load_known_voices
from radd.errors import AudioError
from radd.files import load_speech
from radd.overlay import Provenance, references_in
from storage.overlay import Confirmed, OverlayStore, Review


class Confirming:
    """The living index of one bundle: its own references, which never change, and the overlay in a database."""

    def __init__(self, bundle: Path, url: str):
        self._encoder, self._index, calibration = load_known_voices(bundle)
        self.weighs = bool(calibration.confirmed)
        """whether this bundle knows how much a confirmed reference says; if not, they are only shown"""
        self._store = OverlayStore(url, self._encoder.id)

    def __enter__(self) -> Confirming:
        return self

    def __exit__(self, *exc) -> None:
        self._store.close()

    def add(self, file: Path, known: Provenance, review: Review) -> tuple[str, int]:
        """Add the blocks of speech of a recording; its id, and how many there are, 0 where it is there already.

        Raises AudioError where it cannot be read or holds no speech, ConfigError where it has the other label.
        """
        references, vectors = references_in(load_speech(file), self._encoder, known)
        if not references:
            raise AudioError(f"{file} holds no second of speech, so there is nothing to compare voices with")
        return references[0].id, len(references) * self._store.add(references, vectors, review)

    def remove(self, ids: list[str], review: Review) -> None:
        """Delete what was added; hide what is of the bundle. All of it or nothing.

        Raises ConfigError for an unknown id, ModelError where too few of the bundle's references would be left.
        """
        self._index.without(set(ids) | self._store.read().removed)
        self._store.remove(ids, self._index.ids(), review)

    def restore(self, ids: list[str]) -> None:
        self._store.restore(ids)

    def recordings(self, label: str | None = None, source: str | None = None) -> list[Confirmed]:
        """What was added, oldest first, of this label and of sources whose name holds `source`."""
        return [
            recording for recording in self._store.recordings()
            if label in (None, recording.label) and (source or "") in recording.source
        ]

    def stats(self) -> dict[str, int]:
        """Counts of the index, by what is counted."""
        overlay = self._store.read()
        labels = Counter(reference.label for reference in overlay.references)
        return {
            "references of the bundle": len(self._index),
            "hidden by people": len(overlay.removed),
            "recordings added": len({reference.id for reference in overlay.references}),
            "blocks added, real": labels["bonafide"],
            "blocks added, fake": labels["spoof"],
            "overlay version": overlay.version,
        }
