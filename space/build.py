"""Builds the page that judges in the browser, one directory for any static host.

`make space` runs it. ONNX Runtime Web comes from npm at a pinned version, and only if its SHA-512
is the pinned one.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from dataclasses import asdict
from pathlib import Path

from app.settings import load
from radd.bundle import BACKBONE, CARD, CORRECTION, MANIFEST, RADD, WEIGHTS, read_manifest, sha256
from radd.errors import RaddError
from radd.vad import NETWORK

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "space"
BUNDLES = ROOT / "models" / "light", ROOT / "models" / "default"
PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"  # the newest release when it was pinned; it reads opset 17
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
RUNTIME = "ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
PAGE = "*.html", "*.css", "*.js", "README.md"
SHARED = (  # the console's
    "style.css",
    "dom.js",
    "draw.js",
    "findings.js",
    "words*",
    "recorder.js",
    "icon.svg",
)


def build(out: Path, bundle: Path) -> None:
    """Write the page with the bundle in the directory `bundle` to `out`, in place of what was
    there.

    Raises RaddError for a bundle that does not load or is of another kind, and if the runtime
    cannot be fetched.
    """
    manifest = read_manifest(bundle)
    if manifest.get("kind", RADD) != RADD:
        raise RaddError(f"{bundle} is a bundle of kind {manifest['kind']}; the page runs {RADD}")
    runtime = fetched(ROOT / "build" / f"{PACKAGE}-{VERSION}")
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(ROOT / "space" / "engine", out / "engine")
    copy(ROOT / "space", out, PAGE)
    copy(ROOT / "console" / "web", out, SHARED)
    copy(ROOT / "radd", out, (NETWORK.name, "vad.LICENSE"))
    copy(ROOT / "assets", out, ("demo.flac",))
    copy(runtime, out / "ort", RUNTIME)
    needed = [name for name in (*WEIGHTS, BACKBONE, CORRECTION, CARD) if name in manifest["files"]]
    copy(bundle, out / "model", (MANIFEST, *needed))
    write_settings(out)


def copy(source: Path, target: Path, names: tuple[str, ...]) -> None:
    """Copy the files of one directory with these names or patterns to another."""
    target.mkdir(parents=True, exist_ok=True)
    for path in (path for name in names for path in source.glob(name)):
        shutil.copyfile(path, target / path.name)


def write_settings(out: Path) -> None:
    """Write settings.json: what detect.py takes from config.toml, and what the page loads."""
    shipped = load(environ={})
    loaded = [*(out / "model").iterdir(), out / NETWORK.name]
    settings = {
        "gate": asdict(shipped.gate),
        "decision": asdict(shipped.decision),
        "neighbours": shipped.model.neighbours,
        "vad": {"file": NETWORK.name, "sha256": sha256(out / NETWORK.name)},
        "bytes": sum(path.stat().st_size for path in loaded),
    }
    (out / "settings.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def fetched(directory: Path) -> Path:
    """The directory with the runtime's files; fetches them where they are not there yet."""
    if all((directory / name).is_file() for name in RUNTIME):
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    archive = directory / f"{PACKAGE}-{VERSION}.tgz"
    command = [
        "npm",
        "pack",
        "--silent",
        "--pack-destination",
        str(directory),
        f"{PACKAGE}@{VERSION}",
    ]
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise RaddError(
            f"{PACKAGE} {VERSION} cannot be fetched ({error}); install npm and connect to its "
            "registry, then run make space again"
        ) from None
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != SHA512:
        raise RaddError(f"{archive} has the SHA-512 {found}; expected {SHA512}; it is not used")
    with tarfile.open(archive) as packed:
        for name in RUNTIME:
            member = packed.extractfile(f"package/dist/{name}")
            assert member is not None  # a file, by its name
            (directory / name).write_bytes(member.read())
    archive.unlink()
    return directory


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    usual = next((one for one in BUNDLES if one.is_dir()), BUNDLES[-1])
    parser.add_argument("--bundle", type=Path, default=usual, help="directory of the model bundle")
    parser.add_argument("--out", type=Path, default=OUT, help="directory to write")
    arguments = parser.parse_args()
    try:
        build(arguments.out, arguments.bundle)
    except RaddError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in arguments.out.rglob("*") if path.is_file())
    print(f"{arguments.out}: {arguments.bundle.name}, {size / 1e6:.1f} MB; put it on any host, or")
    print("start python serve.py and open http://127.0.0.1:8420/try/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
