"""The routes by which an admin sees what each reviewer did, and takes back all that one did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query, Request

from console.auth import require
from console.keys import ADMIN
from console.reviewing import REFUSALS, IndexConfirmed, remember
from console.schemas import Given, Reviewer, ReviewerWork, Undone, UndoWish
from radd.hot_swap import HotSwapDetector
from storage.review import Reviews
from storage.undo import undo, work_of

Name = Annotated[str, Query(min_length=1, max_length=200, description="of the reviewer")]


def routes(
    reviews: Reviews, index_confirmed: IndexConfirmed, champion: HotSwapDetector
) -> APIRouter:
    router = APIRouter(prefix="/v1/reviewers", tags=["reviewers"], responses=REFUSALS)

    @router.get("")
    def reviewers(request: Request) -> list[Reviewer]:
        """Who has labelled here, and how often the others disagreed, as an admin."""
        require(request.scope, ADMIN)
        counted = reviews.stats()["reviewers"]
        return [Reviewer(name=name, labels=counts) for name, counts in counted.items()]

    @router.get("/work")
    def work(request: Request, name: Name) -> ReviewerWork:
        """Everything that one reviewer did, oldest first, as an admin."""
        require(request.scope, ADMIN)
        found = work_of(reviews, name)
        return ReviewerWork(
            labels=[
                _given(row["id"], row["label"], row, row["labelled_utc"]) for row in found["labels"]
            ],
            added=[
                _given(row["id"], row["label"], row, row["added_utc"]) for row in found["added"]
            ],
            removed=[
                _given(row["reference_id"], "", row, row["removed_utc"]) for row in found["removed"]
            ],
        )

    @router.post("/undo")
    def take_back(request: Request, wish: UndoWish, after: BackgroundTasks) -> Undone:
        """Take back everything that one reviewer did, as an admin; the history of labels stays."""
        require(request.scope, ADMIN)
        by = request.scope["reviewer"] or wish.person
        undone = undo(reviews, wish.reviewer, by, wish.reason)
        if encoder := champion.now.encoder:
            after.add_task(remember, index_confirmed, reviews, encoder)
        return Undone(**undone)

    return router


def _given(id: str, label: str, row: dict[str, Any], when: datetime) -> Given:
    return Given(
        id=id,
        label=label,
        reviewer=row["reviewer"],
        reason=row["reason"],
        given_utc=when.replace(tzinfo=UTC),
    )
