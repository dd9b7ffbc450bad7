"""train.py enrol: recordings of a site's own line and of its own voices."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from app.catch_up import enrol_context
from app.installation import installation
from app.options.enrolling import NEWEST
from radd.errors import ConfigError
from radd.terminal import printable
from retraining.enrolment import enrol_line, enrol_own_voice
from retraining.enrolment_report import listed, report_lines
from storage.enrolments import Enrolments


def enrol(arguments: argparse.Namespace) -> None:
    """Enrol a line or an own voice, undo, or list."""
    if arguments.fake is not None and arguments.real is None:
        raise ConfigError("--fake needs --real: fakes alone hardly help, people of the line do")
    here = installation(arguments.config, arguments.bundle)
    with Enrolments(arguments.url or here.settings.storage.url) as store:
        if arguments.list:
            show(store, arguments)
        elif arguments.undo is not None:
            row = store.undo(None if arguments.undo == NEWEST else arguments.undo, arguments.admin)
            print(f"undone: {row['kind']} {row['id']} of {row['began_utc']:%Y-%m-%d %H:%M} UTC")
        else:
            bundle = here.bundle()
            means = enrol_context(here, bundle, here.load(bundle), not arguments.no_audio)
            who = (arguments.admin, arguments.reason)
            if arguments.real is not None:
                id, report = enrol_line(store, means, (arguments.real, arguments.fake), who)
            else:
                id, report = enrol_own_voice(store, means, arguments.own_voice, who)
            tell(id, report, arguments)


def tell(id: str, report: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Print what an enrolment changed."""
    if arguments.json:
        print(json.dumps({"id": id, "report": dict(report), "lines": report_lines(report)}))
        return
    for line in report_lines(report):
        print(printable(line))
    print(f"enrolled: {id}; daemons follow within [model] overlay_s seconds; undo it with")
    print(f"    python train.py enrol --undo {id[:8]}")


def show(store: Enrolments, arguments: argparse.Namespace) -> None:
    """Print all enrolments, oldest first."""
    rows = store.entries()
    if arguments.json:
        print(json.dumps(rows, default=str))
        return
    for row in rows:
        print(printable(listed(row)))
    if not rows:
        print("nothing is enrolled")
