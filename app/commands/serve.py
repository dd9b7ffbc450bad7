"""serve.py: the console and the HTTP API."""

from __future__ import annotations

import argparse

from app.console import RetrainingActions, retrain_command
from app.installation import installation, make_tables
from console.app import Parts, make_app
from console.server import serve as serve_app
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
    parts = Parts(
        detector=detector,
        newest=follow(here.bundle, here.load, bundle),
        overlays=here.overlays,
        configured=here.configured if here.follows else None,
        retrain_command=retrain_command(arguments.config, settings.serve.retrain_work),
        learning=RetrainingActions(),
        decision=settings.decision,
        alerts=settings.alerts,
        storage=settings.storage,
        review=settings.review,
        serve=settings.serve,
        retrain=settings.retrain,
        overlay_s=settings.model.overlay_s,
    )
    serve_app(make_app(parts), settings.serve)
