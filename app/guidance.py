"""What the terminal suggests: where results are stored, what to do next, what is seen first."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from radd.resources import CHECKOUT, in_checkout
from radd.wording import Finding
from stream.results import SUSPICIOUS, SourceResult

SHORT_ID = 8  # characters of an id that review.py understands
UNCLEAR = {Finding.TOO_SHORT, Finding.NO_SPEECH, Finding.TOO_NOISY, Finding.SUSPECT}


def program(name: str) -> str:
    """How to call an entry point from here, such as `review`."""
    if not in_checkout():
        return f"radd-{name}"
    venv = CHECKOUT / ".venv"
    if Path(sys.prefix) == venv and not os.environ.get("VIRTUAL_ENV"):
        return f"{os.path.relpath(venv / 'bin' / 'python')} {os.path.relpath(CHECKOUT)}/{name}.py"
    return f"python {os.path.relpath(CHECKOUT / name)}.py"


@dataclass(frozen=True, slots=True)
class Store:
    """Where a run stores its results."""

    url: str | None
    """of the database; None: nowhere"""

    @property
    def place(self) -> str:
        """The database without its password: a file, or a name and a host."""
        parts = urlsplit(self.url or "")
        if parts.scheme == "sqlite":
            return parts.path.removeprefix("/")
        return f"the database {parts.path.strip('/')} on {parts.hostname}"


def after(entries: Sequence[SourceResult], store: Store) -> list[str]:
    """Where the results were stored and what to do next, as lines of text."""
    return [_stored(entries, store), f"Next: {_next(entries, store)}"]


def _stored(entries: Sequence[SourceResult], store: Store) -> str:
    if store.url is None:
        return "Nothing was stored (--no-store)."
    if entries[-1].waiting:
        return (
            f"Not all is in {store.place} yet: {entries[-1].waiting} events wait in the spool, and "
            "the next start delivers them."
        )
    alerts = [part.alert for entry in entries if entry.result for part in entry.result.parts]
    named = f" as alert {alerts[0][:SHORT_ID]}" if len(alerts) == 1 else ""
    return f"Stored in {store.place}{named}."


def _next(entries: Sequence[SourceResult], store: Store) -> str:
    results = [entry.result for entry in entries if entry.result is not None]
    alerts = [part.alert for result in results for part in result.parts]
    if alerts and store.url is None:
        return "run it again without --no-store, which keeps each alert with its sound for review."
    if len(alerts) == 1:
        return f"{program('review')} show {alerts[0][:SHORT_ID]} (or {program('serve')})"
    if alerts:
        return f"{program('review')} list (or {program('serve')})"
    if any(entry.problem for entry in entries if entry.result is None):
        return "see below why a file was not judged."
    findings = {result.finding for result in results}
    if findings & (UNCLEAR | SUSPICIOUS):
        return "check a longer or clearer recording of this voice."
    return "nothing to review."


def first_lines(store: Store) -> list[str]:
    """What a run without a --source shows, and what to try next: three lines."""
    make = in_checkout() and Path(sys.prefix) == CHECKOUT / ".venv"
    judge = 'make run ARGS="FILE OR FOLDER"' if make else f"{program('detect')} FILE OR FOLDER"
    console = "make console" if make else program("serve")
    doctor = 'make run ARGS="--doctor"' if make else f"{program('detect')} --doctor"
    kept = "are not stored" if store.url is None else f"are stored in {store.place}"
    return [
        "RADD estimates eight times a second whether the voice is a person or synthetic; where it "
        "cannot tell, it says why.",
        f"An alert means that the evidence lasted: a reason to look, not a proof. Alerts {kept}. "
        "Ctrl-C ends the run.",
        f"Next: {judge} judges recordings, {console} opens the browser, {doctor} checks this "
        "machine.",
    ]
