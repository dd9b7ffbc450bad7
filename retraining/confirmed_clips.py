"""Clips with an agreed label become confirmed references of an index."""

from __future__ import annotations

from collections.abc import Callable

from radd.encoder import Encoder
from radd.errors import AudioError, ConfigError
from radd.flac import flac_samples
from radd.overlay import Provenance, references_in
from storage.review import AgreedClip, Reviews


def index_confirmed(
    reviews: Reviews, encoder: Encoder, over: Callable[[], bool] = lambda: False
) -> dict[str, int | str]:
    """Add the clips with an agreed label that this encoder's index lacks to its overlay.

    Returns by SHA-256 the number of blocks, or an error text. Completes what a killed run, or one
    that was `over`, left undone.
    """
    done: dict[str, int | str] = {}
    for sha256 in reviews.not_in_index(encoder.id):
        if over():
            break
        try:
            clip = reviews.agreed_clip(sha256)
            done[sha256] = 0 if clip is None else _index(reviews, clip, encoder)
        except (AudioError, ConfigError) as error:
            done[sha256] = str(error)
    return done


def _index(reviews: Reviews, clip: AgreedClip, encoder: Encoder) -> int:
    system = "-" if clip.label == "bonafide" else "unknown"
    known = Provenance(clip.label, system, clip.source, "private")
    references, vectors = references_in(flac_samples(clip.flac), encoder, known, clip.first_sample)
    return reviews.add_to_index(clip, encoder.id, references, vectors)
