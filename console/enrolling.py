"""Enrolment of the site's line and own voices by an admin: uploads go to a process of their own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.concurrency import run_in_threadpool

from console.auth import require
from console.http_errors import Refused
from console.keys import ADMIN
from console.model_routes import REFUSALS
from console.retraining import CONFLICT
from console.schemas import EnrolmentAnswer, EnrolmentRow, EnrolmentUndo, EnrolRun
from storage.enrolments import Enrolments

MOST_FILES = 200
LONGEST_REASON = 500
TOLD_LINES = 2  # the last lines of a process that refused
UNSAFE = re.compile(r"[^\w.-]+")
State = Literal["running", "done", "refused"]


class Enroller:
    """Runs train.py enrol on uploaded files, one run at a time; the last outcome is kept."""

    def __init__(self, command: Sequence[str]):
        """`command` enrols and prints a report as JSON, given the folders."""
        self._command = command
        self._lock = threading.Lock()
        self.run: EnrolRun | None = None

    def start(self, folder: Path, kinds: Sequence[str], who: tuple[str, str]) -> EnrolRun:
        """Enrol the subfolders `kinds` of `folder`, which is deleted at the end. Raises Refused if
        another enrolment is running.
        """
        options = [text for kind in kinds for text in (f"--{kind}", str(folder / kind))]
        command = [*self._command, *options, f"--admin={who[0]}", f"--reason={who[1]}"]
        with self._lock:
            if self.run is not None and self.run.state == "running":
                raise Refused(CONFLICT, "another enrolment is running; wait until it has ended")
            self.run = EnrolRun(state="running", lines=[], began_utc=datetime.now(UTC))
        threading.Thread(target=self._wait, args=(command, folder), daemon=True).start()
        return self.run

    def _wait(self, command: Sequence[str], folder: Path) -> None:
        state: State
        assert self.run is not None  # start has set it
        try:
            ended = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
            )
            if ended.returncode == 0:
                state, lines = "done", json.loads(ended.stdout.splitlines()[-1])["lines"]
            else:
                state, lines = "refused", ended.stderr.strip().splitlines()[-TOLD_LINES:]
        except (OSError, ValueError, LookupError) as error:
            state, lines = "refused", [f"the enrolment could not be run: {error}"]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        # the names of the files lie below a folder that is gone by now
        told = [line.replace(f"{folder}/", "") for line in lines]
        self.run = EnrolRun(state=state, lines=told, began_utc=self.run.began_utc)


def routes(enroller: Enroller, url: str) -> APIRouter:
    """The routes of enrolment, all of them for an admin."""
    router = APIRouter(prefix="/v1/enrolments", tags=["enrolment"], responses=REFUSALS)

    @router.get("")
    def enrolled(request: Request) -> EnrolmentAnswer:
        """What is enrolled, oldest first, and the last run."""
        require(request.scope, ADMIN)
        with Enrolments(url) as store:
            return EnrolmentAnswer(
                run=enroller.run, enrolments=[_row(row) for row in store.entries()]
            )

    @router.post("", status_code=202)
    async def enrol(
        request: Request,
        real: Annotated[list[UploadFile], File(description="people, as SPEAKER/FILE")] = [],  # noqa: B006
        fake: Annotated[list[UploadFile], File(description="fakes, as SYSTEM/FILE")] = [],  # noqa: B006
        own_voice: Annotated[list[UploadFile], File(description="the site's own voice")] = [],  # noqa: B006
        person: Annotated[str, Form(max_length=200)] = "",
        reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
    ) -> EnrolRun:
        """Enrol recordings: of people and perhaps fakes, or of an own voice."""
        require(request.scope, ADMIN)
        uploads = {"real": real, "fake": fake, "own-voice": own_voice}
        given = {kind: files for kind, files in uploads.items() if files}
        if not given or ("own-voice" in given) == ("real" in given):
            raise Refused(422, "expected files of people (real) or files of an own voice")
        if sum(map(len, given.values())) > MOST_FILES:
            raise Refused(413, f"at most {MOST_FILES} files are enrolled at once; send fewer")
        folder = Path(tempfile.mkdtemp(prefix="radd-enrol-"))
        for kind, files in given.items():
            await run_in_threadpool(_keep, folder / kind, files)
        admin = request.scope["reviewer"] or person.strip()
        try:
            return enroller.start(folder, list(given), (admin, reason))
        except Refused:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @router.post("/undo")
    def undo(request: Request, wish: EnrolmentUndo) -> EnrolmentAnswer:
        """Delete an enrolment with all its effects."""
        require(request.scope, ADMIN)
        with Enrolments(url) as store:
            store.undo(wish.id, request.scope["reviewer"] or wish.person)
        return enrolled(request)

    return router


def _keep(folder: Path, files: Sequence[UploadFile]) -> None:
    """Write uploads below a folder as SPEAKER/NUMBER-NAME; names of others become harmless."""
    for number, file in enumerate(files):
        parts = [UNSAFE.sub("_", part) for part in PurePosixPath(file.filename or "").parts[-2:]]
        names = [part.strip(".") or "_" for part in parts] or ["_"]
        speaker = names[0] if len(names) > 1 else names[0].replace("_", "-").split("-")[0]
        place = folder / speaker[:100] / f"{number}-{names[-1][-100:]}"
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as out:
            shutil.copyfileobj(file.file, out)


def _row(row: dict[str, Any]) -> EnrolmentRow:
    newest = row["measured"][-1]["report"] if row["measured"] else {}
    return EnrolmentRow(
        id=row["id"],
        kind=row["kind"],
        admin=row["admin"],
        reason=row["reason"],
        began_utc=row["began_utc"].replace(tzinfo=UTC),
        in_effect=row["in_effect"],
        recordings=sum(one["clips"] for one in row["recordings"]),
        with_audio=sum(int(one["kept"]) for one in row["recordings"]),
        bundles=[one["bundle"] for one in row["measured"]],
        offset_llr=newest.get("offset_llr"),
    )
