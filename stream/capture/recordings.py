"""The recordings that a folder or a pattern stands for."""

from __future__ import annotations

import glob
from pathlib import Path

from radd.errors import AudioError

SUFFIXES = (
    ".wav",
    ".flac",
    ".mp3",
    ".ogg",
    ".oga",
    ".opus",
    ".m4a",
    ".aac",
    ".amr",
    ".3gp",
    ".webm",
    ".mka",
    ".mkv",
    ".mp4",
    ".mov",
    ".aif",
    ".aiff",
    ".au",
    ".caf",
    ".wma",
    ".w64",
)
"""of files that a folder is searched for; a file that is named itself may have any"""


def is_path(spec: str) -> bool:
    """Whether a source is a file or folder, rather than a device, stdin or an address."""
    return spec not in ("auto", "mic", "-") and not spec.startswith("mic:") and "://" not in spec


def recordings(spec: str) -> list[str] | None:
    """The paths that a folder (with those below it) or a pattern such as calls/*.wav stands for,
    sorted; None if `spec` is neither.

    Raises AudioError if there is no recording.
    """
    path = Path(spec)
    if not is_path(spec) or path.is_file():
        return None
    if path.is_dir():
        found = sorted(str(p) for p in path.rglob("*") if _is_recording(p))
        if not found:
            raise AudioError(
                f"the folder {spec} has no recording: expected files such as .wav, .mp3 or .m4a; "
                "name another folder or a file"
            )
        return found
    if not glob.has_magic(spec):
        return None
    found = sorted(p for p in glob.glob(spec, recursive=True) if Path(p).is_file())
    if not found:
        raise AudioError(f"no file fits the pattern {spec}; correct it, or name a folder")
    return found


def _is_recording(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
