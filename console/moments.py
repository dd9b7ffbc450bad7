"""Times in requests: as ISO 8601 writes them, in UTC unless they have a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, overload

from fastapi import Query
from pydantic import BeforeValidator

from console.http_errors import Refused

DATE = re.compile(r"\d{4}-\d\d-\d\d")


def _dated(text: object) -> object:
    """What begins with a date: numbers would be taken for seconds since 1970."""
    if isinstance(text, str) and not DATE.match(text):
        raise ValueError("expected a time such as 2026-03-01T12:00:00Z")
    return text


Moment = Annotated[datetime, BeforeValidator(_dated)]
Since = Annotated[
    datetime | None,
    BeforeValidator(_dated),
    Query(description="began at this time or later; UTC unless it has a zone"),
]


@overload
def utc(moment: datetime) -> datetime: ...
@overload
def utc(moment: None) -> None: ...
def utc(moment: datetime | None) -> datetime | None:
    """UTC without a zone, as in the database."""
    try:
        return moment.astimezone(UTC).replace(tzinfo=None) if moment and moment.tzinfo else moment
    except OverflowError:
        raise Refused(422, f"{moment}: in UTC it is outside the years 1 to 9999") from None
