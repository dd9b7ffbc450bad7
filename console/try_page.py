"""/try: the page that judges in the browser, as `make space` builds it."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from console.http_errors import Refused
from radd.resources import writable

PATH = "/try"
BUILT = writable("build/space")
# The console's own policy allows no WebAssembly. Cross-origin isolation gives the page threads.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
        "style-src 'self'; img-src 'self'; media-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-cache",  # kept by the browser, and asked for again: a bundle is large
}


class _Page(StaticFiles):
    """The built directory, with the headers that WebAssembly needs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not os.path.isfile(os.path.join(str(self.directory), "index.html")):
            raise Refused(
                404, f"{PATH} is not built on this machine; run make space, then reload the page"
            )
        await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def add_try_page(app: FastAPI, built: Path) -> None:
    """Serve the directory `built` at /try, whether it is there yet or not."""

    @app.get(PATH, include_in_schema=False)
    def with_slash(request: Request) -> Response:
        return RedirectResponse(f"{request.scope.get('root_path', '')}{PATH}/")

    app.mount(PATH, _Page(directory=built, html=True, check_dir=False))
