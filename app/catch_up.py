"""After a change of bundle: confirmed clips are encoded again and enrolments measured again, beside
the work of the process, and what cannot be is named once.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from app.installation import Installation
from radd.bundle import BundledDetector
from radd.errors import RaddError, StorageUnreachable
from radd.overlay import Overlay
from retraining.confirmed_clips import index_confirmed
from retraining.enrolment import EnrolContext, is_measured, measure_again
from storage.enrolments import Enrolments
from storage.lease import Lease
from storage.left_behind import left_behind
from storage.review import Reviews

NICE = 15  # where a thread can be nice: on Linux
NAMED = 50  # recordings that a message names
ENCODING = "encoding of confirmed clips"
log = logging.getLogger(__name__)


def enrol_context(
    here: Installation, bundle: Path, detector: BundledDetector, keeps_audio: bool = True
) -> EnrolContext:
    """What an enrolment needs of this installation; `detector` is that of the bundle alone."""
    spoof_p = here.settings.decision.spoof_p
    alarm_llr = -math.log(spoof_p / (1 - spoof_p))
    return EnrolContext(bundle, detector, alarm_llr, keeps_audio)


def catch_up(
    here: Installation, bundle: Path, detector: BundledDetector, over: Callable[[], bool]
) -> str | None:
    """Encode and measure again what another bundle left. Returns one message, or None if there is
    nothing to say; ends early once `over`.

    Errors of the database are those of Database; another process may be at it already.
    """
    encoder, url = detector.encoder, here.settings.storage.url
    if encoder is None or not is_behind(url, detector):
        return None
    with Reviews(url, here.settings.quorum) as reviews, Lease(reviews.database, ENCODING):
        learnt = index_confirmed(reviews, encoder, over)
        gone = left_behind(reviews.database, encoder.id)
    alone = detector.with_overlay(Overlay.empty(encoder.id))  # with a cache of its own
    with Enrolments(url) as enrolments:
        said: list[str] = []
        again = measure_again(enrolments, enrol_context(here, bundle, alone), said.append)
    return message(detector.name, learnt, gone, [*said, *(f"enrol again: {o}" for o in again)])


def is_behind(url: str, detector: BundledDetector) -> bool:
    """Whether another bundle left anything; only reads, so that a start holds up nobody."""
    assert detector.encoder_id is not None  # the caller asks for bundles with an index
    reviews, enrolments = Reviews(url, 1, reads_only=True), Enrolments(url, reads_only=True)
    try:
        return reviews.database.is_current() and bool(
            reviews.not_in_index(detector.encoder_id)
            or left_behind(reviews.database, detector.encoder_id)
            or not all(is_measured(row, detector) for row in enrolments.entries())
        )
    finally:
        reviews.database.close()
        enrolments.close()


def message(
    model: str, learnt: dict[str, int | str], gone: list[str], enrolled: list[str]
) -> str | None:
    """What became of the confirmed recordings, in one sentence for each kind; None for nothing."""
    parts = []
    if done := [blocks for blocks in learnt.values() if isinstance(blocks, int)]:
        parts.append(f"{len(done)} confirmed clips were encoded for {model}")
    if failed := [sha256[:12] for sha256, told in learnt.items() if isinstance(told, str)]:
        parts.append(f"{len(failed)} could not be read: {_named(failed)}")
    if gone:
        parts.append(
            f"{len(gone)} confirmed recordings belong to another encoder, and their audio is not "
            f"stored: {_named(gone)}; add them again with train.py index add, or drop them with "
            "train.py index forget"
        )
    return ". ".join([*parts, *enrolled]) or None


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


class CatchUp:
    """Catches up in a thread of its own for each bundle that is put into use; a context manager."""

    def __init__(self, here: Installation):
        self._here = here
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> CatchUp:
        return self

    def __exit__(self, *exc) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def begin(self, bundle: Path, detector: BundledDetector) -> None:
        """Begin for the bundle in use; an earlier one is completed first."""
        before = self._thread
        self._thread = threading.Thread(
            target=self._run, args=(before, bundle, detector), name="catch up", daemon=True
        )
        self._thread.start()

    def load(self, bundle: Path) -> BundledDetector:
        """Installation.load, for a bundle that is put into use."""
        detector = self._here.load(bundle)
        self.begin(bundle, detector)
        return detector

    def _run(
        self, before: threading.Thread | None, bundle: Path, detector: BundledDetector
    ) -> None:
        if before is not None:
            before.join()
        if sys.platform == "linux":  # elsewhere this would slow the whole process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        try:
            told = catch_up(self._here, bundle, detector, self._over.is_set)
        except StorageUnreachable:
            return  # the next start tries again
        except RaddError as error:
            told = f"confirmed recordings were not encoded again: {error}"
        if told:
            log.warning(told)
