"""serve.py: the console and the HTTP API."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from app.catch_up import CatchUp
from app.console import RetrainingActions, enrol_command, retrain_command
from app.installation import Installation, installation, make_tables
from console.app import Parts, make_app
from console.server import serve as serve_app
from radd.bundle import BundledDetector
from stream.hot_reload import follow


def serve(arguments: argparse.Namespace) -> None:
    """Serve the console until a signal ends it."""
    given = {name: getattr(arguments, name) for name in ("host", "port")}
    options = {("serve", name): value for name, value in given.items() if value is not None}
    here = installation(arguments.config, arguments.bundle, options=options)
    settings = here.settings

    bundle = here.bundle()
    detector = here.load(bundle)
    make_tables(settings.storage.url)
    with CatchUp(here) as catching:
        catching.begin(bundle, detector)
        parts = parts_of(arguments, here, detector, follow(here.bundle, catching.load, bundle))
        serve_app(make_app(parts), settings.serve)


def parts_of(
    arguments: argparse.Namespace,
    here: Installation,
    detector: BundledDetector,
    newest: Callable[[], BundledDetector | None],
) -> Parts:
    """The components of the console, from an installation."""
    settings = here.settings
    return Parts(
        detector=detector,
        newest=newest,
        overlays=here.overlays,
        configured=here.configured if here.follows else None,
        retrain_command=retrain_command(arguments.config, settings.serve.retrain_work),
        enrol_command=enrol_command(arguments.config, here),
        learning=RetrainingActions(),
        decision=settings.decision,
        alerts=settings.alerts,
        storage=settings.storage,
        review=settings.review,
        serve=settings.serve,
        retrain=settings.retrain,
        overlay_s=settings.model.overlay_s,
    )
