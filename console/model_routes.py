"""Routes for models: bundles, gates, drift; retrain, promote, roll back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath

from console.auth import require
from console.http_errors import Refused
from console.keys import ADMIN
from console.retraining import CONFLICT, Retrainer
from console.schemas import (
    Bundle,
    Choice,
    DecisionRow,
    DriftAnswer,
    DriftDay,
    DriftSource,
    GateRow,
    InUse,
    Models,
    Problem,
    Retraining,
    RunningBundle,
    Waiting,
    Wish,
)
from radd.encoder import Encoder
from radd.errors import ModelError
from radd.hot_swap import HotSwapDetector
from radd.registry import BundleEntry, against, in_use, list_entries, manifests
from storage.learning import Learning
from storage.queries import Reader
from storage.review import Reviews
from training.config import RetrainSettings

SHOWN = 50  # decisions and retrainings, newest first
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem} for code in (400, 401, 403, 404, 409, 422, 429, 500, 503)
}
Id = Annotated[str, InPath(pattern="^[0-9a-f-]{36}$", description="id of a retraining")]
Version = Annotated[
    str, InPath(max_length=200, description="a bundle's directory, or its version of twelve digits")
]


class LearningActions(Protocol):
    """The retraining functions that the console needs; app/console.py implements them."""

    def eligible_clips(
        self, store: Any, settings: RetrainSettings
    ) -> tuple[Sequence[Any], Sequence[Any], list[str]]:
        """The clips eligible for training, the new ones among them, and the excluded ones in
        words.
        """
        ...

    def index_confirmed(self, reviews: Reviews, encoder: Encoder) -> dict[str, int | str]:
        """Add agreed clips to the index of an encoder: the number of blocks of each, or what is in
        the way.
        """
        ...

    def lacks(self) -> str | None:
        """What retraining lacks on this machine, in a sentence; None: nothing."""
        ...

    def promote(self, store: Any, configured: Path, name: str, reason: str) -> str:
        """Put the bundle `name` beside `configured` into use; returns its name and version."""
        ...

    def rollback(self, store: Any, configured: Path, reason: str) -> str:
        """Put the previous bundle into use; returns its name and version."""
        ...


class ModelControl:
    """The console's view of the bundles, and an admin's actions on them. Safe across threads."""

    def __init__(
        self,
        url: str,
        configured: Path | None,
        settings: RetrainSettings,
        command: Sequence[str],
        actions: LearningActions,
        switch_s: float,
    ):
        """`configured` is the bundle beside which others may be promoted, None if only one is used;
        `command` retrains; processes look for another bundle every `switch_s` seconds.
        """
        self.switch_s = switch_s
        self.configured, self.settings, self.actions = configured, settings, actions
        self.history, self.learning = Learning(url, reads_only=True), Learning(url)
        self.retrainer = Retrainer(self.learning, command)
        self._shelf: tuple[list[tuple[Path, int]], list[BundleEntry]] = [], []

    def close(self) -> None:
        """Close the database."""
        self.history.close()
        self.learning.close()

    def beside(self) -> Path:
        """The configured bundle. Raises Refused if the console uses a fixed bundle."""
        if self.configured is None:
            raise Refused(
                CONFLICT,
                "this console was started with --bundle, which fixes the model; start it without "
                "--bundle",
            )
        return self.configured

    def bundles(self, judging: Path) -> list[BundleEntry]:
        """The bundles that may be promoted, or the fixed one."""
        place = (self.configured or judging).parent
        with suppress(
            FileNotFoundError
        ):  # retraining removes old bundles; the next look finds them gone
            stamps = [(path, path.stat().st_mtime_ns) for path in manifests(place, deep=False)]
            if stamps != self._shelf[0]:
                self._shelf = stamps, list_entries(place, deep=False)
        return [
            one for one in self._shelf[1] if self.configured is not None or one.directory == judging
        ]

    def expect(self, name: str | None) -> None:
        """Raise Refused if another bundle is in use than the client believes."""
        now = _in_use(self.beside())
        if name is not None and now != name:
            raise Refused(
                CONFLICT,
                f"{now or 'no bundle'} is in use, not {name[:80]}; reload the page and decide "
                "again",
            )


def routes(loop: ModelControl, champion: HotSwapDetector, reader: Reader) -> APIRouter:
    """The routes of bundles and retraining."""
    router = APIRouter(prefix="/v1", tags=["the loop that learns"], responses=REFUSALS)

    @router.get("/models")
    def models() -> Models:
        """The bundles, the one in use, and all decisions about them."""
        used, judging = _in_use(loop.configured) if loop.configured else None, champion.now
        decided, tried = loop.history.decisions(), loop.history.retrainings()
        _, fresh, told = loop.actions.eligible_clips(loop.history, loop.settings)
        return Models(
            in_use=judging.bundle.directory.name if loop.configured is None else used,
            judging=judging.name,
            follows=loop.configured is not None,
            switch_s=loop.switch_s,
            processes=[RunningBundle(**row) for row in reader.judging()],
            cannot_retrain=loop.actions.lacks(),
            bundles=_bundles(loop.bundles(judging.bundle.directory), used),
            labels=Waiting(
                new=len(fresh),
                needed=loop.settings.min_labels,
                left_out=told,
                reviews=reader.reviews(),
            ),
            decisions=[_decision(row) for row in decided[: -SHOWN - 1 : -1]],
            retrainings=[_retraining(row, decided) for row in tried[: -SHOWN - 1 : -1]],
        )

    @router.post("/models/rollback")
    def rollback(request: Request, choice: Choice) -> InUse:
        """Put the previous bundle into use, as an admin. Nothing is restarted."""
        require(request.scope, ADMIN)
        loop.expect(choice.instead_of)
        return _chosen(
            lambda: loop.actions.rollback(loop.learning, loop.beside(), _said(request, choice)),
            loop,
        )

    @router.post("/models/{version}/promote")
    def promote(request: Request, version: Version, choice: Choice) -> InUse:
        """Put a bundle into use, as an admin. Nothing is restarted."""
        require(request.scope, ADMIN)
        loop.expect(choice.instead_of)
        names = [
            one.directory.name
            for one in loop.bundles(champion.now.bundle.directory)
            if version in (one.directory.name, one.manifest.get("version"))
        ]
        if version not in names and len(names) != 1:
            raise Refused(
                404,
                f"there is {'more than one' if names else 'no'} bundle {version}; /v1/models "
                "lists them by their directories",
            )
        name = version if version in names else names[0]
        return _chosen(
            lambda: loop.actions.promote(
                loop.learning, loop.beside(), name, _said(request, choice)
            ),
            loop,
        )

    @router.post("/retrain", status_code=202)
    def retrain(request: Request, response: Response, wish: Wish) -> Retraining:
        """Start a retraining from labels, as an admin, in a separate process at nice 15.

        It runs only if there is enough to learn, and the new model must pass the gates before it is
        put into use.
        """
        require(request.scope, ADMIN)
        if lacks := loop.actions.lacks():
            raise Refused(CONFLICT, lacks)
        id = loop.retrainer.start(
            f"requested by {_said(request, wish)}", _in_use(loop.beside()) or ""
        )
        response.headers["Location"] = f"/v1/retrain/{id}"
        return retraining(id)

    @router.get("/retrain/{id}")
    def retraining(id: Id) -> Retraining:
        """Progress or result of a retraining."""
        row = loop.history.retraining(id)
        if row is None:
            raise Refused(404, f"there is no retraining {id}; /v1/models lists them")
        return _retraining(row, loop.history.decisions())

    @router.get("/drift")
    def drift(
        days: Annotated[int, Query(ge=1, le=365, description="today included, UTC")] = 30,
    ) -> DriftAnswer:
        """Distance of each source from all known voices, day by day."""
        today = datetime.now(UTC).date()
        first = today - timedelta(days=days - 1)
        usual = champion.now.usual_distance
        bound = None if usual is None else loop.settings.drift_factor * usual
        by_source: dict[str, dict[date, list[dict[str, Any]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for row in loop.history.drifts(first):
            by_source[row["source"]][row["day"]].append(row)
        return DriftAnswer(
            first=first,
            last=today,
            usual=usual,
            bound=bound,
            sources=[
                DriftSource(
                    source=source, days=[_day(day, of, bound) for day, of in sorted(days.items())]
                )
                for source, days in sorted(by_source.items())
            ],
        )

    return router


def _in_use(configured: Path) -> str | None:
    """The directory of the bundle in use; None if the file that names it is broken."""
    try:
        return in_use(configured).name
    except ModelError:
        return None


def _said(request: Request, wish: Wish) -> str:
    """Who requested it and why; if the token has a name, that name counts."""
    named, told = request.scope["reviewer"], wish.person.strip()
    who = told if named in (None, told) else f"{told} (token of {named})"
    return f"{who} in the console{f': {wish.reason}' if wish.reason else ''}"


def _chosen(choose: Callable[[], str], loop: ModelControl) -> InUse:
    try:
        version = choose()
    except ModelError as error:
        raise Refused(CONFLICT, str(error)) from None
    return InUse(in_use=_in_use(loop.beside()), model=version)


def _bundles(found: Sequence[BundleEntry], used: str | None) -> list[Bundle]:
    now = next((one.manifest for one in found if one.directory.name == used), {})
    return [_bundle(one, used, now) for one in found]


def _bundle(one: BundleEntry, used: str | None, now: dict[str, Any]) -> Bundle:
    manifest, is_used = one.manifest, one.directory.name == used
    return Bundle(
        directory=one.directory.name,
        name=manifest.get("name"),
        version=manifest.get("version"),
        in_use=is_used,
        since=one.since,
        size_mb=round(one.size_mb, 1),
        problem=one.problem,
        learned=manifest.get("training", {}).get("train"),
        metrics=manifest.get("metrics", {}),
        calibration=manifest.get("calibration"),
        warning=None if is_used else against(now, manifest),
    )


def _decision(row: dict[str, Any]) -> DecisionRow:
    same = ("id", "action", "model", "version", "before", "reason")
    return DecisionRow(
        **{name: row[name] for name in same},
        decided_utc=row["decided_utc"].replace(tzinfo=UTC),
        gates=_gates(row),
    )


def _gates(row: dict[str, Any] | None) -> list[GateRow]:
    return [
        GateRow(**{name: gate[name] for name in GateRow.model_fields})
        for gate in (row and row["numbers"]) or []
    ]


def _retraining(row: dict[str, Any], decided: list[dict[str, Any]]) -> Retraining:
    decision = next(
        (one for one in reversed(decided) if row["candidate"] and one["model"] == row["candidate"]),
        None,
    )
    same = ("id", "state", "step", "why", "champion", "candidate", "outcome", "report")
    times = {
        name: row[name] and row[name].replace(tzinfo=UTC) for name in ("began_utc", "ended_utc")
    }
    return Retraining(**{name: row[name] for name in same}, **times, gates=_gates(decision))


def _day(day: date, rows: list[dict[str, Any]], bound: float | None) -> DriftDay:
    """All streams of a source combined."""
    seconds = sum(row["seconds"] for row in rows)
    distance = sum(row["seconds"] * row["distance"] for row in rows) / seconds
    return DriftDay(
        day=day, seconds=seconds, distance=distance, is_drift=bound is not None and distance > bound
    )
