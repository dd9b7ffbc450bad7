"""What failed of several sources: one error is raised, and none goes unsaid."""

from __future__ import annotations

import logging

from radd.errors import RaddError

log = logging.getLogger(__name__)


class Failures:
    """Errors with the names of their sources, in the order in which they came."""

    def __init__(self) -> None:
        self._unsaid: list[tuple[str, Exception]] = []
        self._gravest: Exception | None = None

    def add(self, source: str, error: Exception) -> None:
        self._unsaid.append((source, error))
        if self._gravest is None or _is_bug(error) > _is_bug(self._gravest):
            self._gravest = error

    def say(self, then: str) -> None:
        """Log the latest one now, and what happens `then`."""
        log.warning("%s; %s", named(*self._unsaid.pop()), then)

    def raise_gravest(self) -> None:
        """Raise the first bug, else the first error, and log all others that were not said yet; do
        nothing where nothing failed.
        """
        for source, error in self._unsaid:
            if error is not self._gravest:
                log.warning("%s", named(source, error))
        if self._gravest is not None:
            raise self._gravest


def named(source: str, error: Exception) -> str:
    """An error with the name of its source, once; of a bug its kind too."""
    text = f"{type(error).__name__}: {error}" if _is_bug(error) else str(error)
    return text if source in text else f"{source}: {text}"


def _is_bug(error: Exception) -> bool:
    return not isinstance(error, RaddError)
