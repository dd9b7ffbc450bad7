"""Finds the audio file of a trial by its name."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from radd.errors import ProtocolError
from radd.trials import AUDIO_SUFFIXES

MIME = {
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".mp4": "audio/mp4",
    ".aac": "audio/aac",
    ".webm": "audio/webm",
}
UNKNOWN_MIME = "application/octet-stream"  # a browser looks for itself
LARGEST_PLAYER_BYTES = 2_000_000  # players are embedded in the page, which must stay loadable


class AudioFolder:
    """A directory of audio files: the file of a trial lies in it, or below it if the name is
    unique.
    """

    def __init__(self, root: Path):
        """Raises ProtocolError if there is no such directory."""
        self._root = Path(root).absolute()
        if not self._root.is_dir():
            raise ProtocolError(
                f"{root} is not a directory; pass the folder of the protocol's audio with --audio"
            )
        self._below: dict[str, Path | None] | None = None

    def find(self, utt: str) -> Path | None:
        """The file of a trial; None if there is none, or more than one below."""
        for suffix in AUDIO_SUFFIXES:
            path = self._root / f"{utt}{suffix}"
            if path.is_file():
                return path
        if self._below is None:
            self._below = self._search()
        return self._below.get(utt)

    def player(self, utt: str) -> str | None:
        """The audio of a trial as a data URL for a page; None if it is missing or larger
        than 2 MB.
        """
        path = self.find(utt)
        if path is None or path.stat().st_size > LARGEST_PLAYER_BYTES:
            return None
        sound = base64.b64encode(path.read_bytes()).decode("ascii")
        return f"data:{MIME.get(path.suffix.lower(), UNKNOWN_MIME)};base64,{sound}"

    def _search(self) -> dict[str, Path | None]:
        paths: dict[str, Path | None] = {}
        for folder, _, names in os.walk(self._root):
            for name in names:
                stem, suffix = os.path.splitext(name)
                if suffix.lower() in AUDIO_SUFFIXES:
                    paths[stem] = None if stem in paths else Path(folder, name)
        return paths
