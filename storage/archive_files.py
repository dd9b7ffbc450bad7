"""Files of strangers that `review.py import` reads: regular ones alone, bounded in size and in what
they decode to.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from radd.errors import ConfigError

LONGEST_LINE = 16_000_000  # bytes of one clip's line
LARGEST_SOUND = 64_000_000  # bytes of one FLAC file, as [serve] max_upload_mb
LONGEST_SOUND_S = 3_600  # decoded, as [serve] max_duration_s


def read_lines(file: Path) -> Iterator[tuple[str, Any]]:
    """FILE:LINE and the JSON value of each line; raises ConfigError for what is none."""
    try:
        with open_regular(file) as lines:
            number = 0
            while line := lines.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise ConfigError(
                        f"{file}:{number}: more than {LONGEST_LINE} bytes; nothing was imported"
                    )
                yield f"{file}:{number}", _value(line, f"{file}:{number}")
    except OSError as error:
        raise ConfigError(
            f"cannot read {file}: {error.strerror}; expected the output of review.py export"
        ) from None


def read_sound(file: Path) -> bytes:
    """The bytes of a FLAC file; raises OSError where it cannot be read, is no regular file or too
    large.
    """
    with open_regular(file) as sound:
        data = sound.read(LARGEST_SOUND + 1)
    if len(data) > LARGEST_SOUND:
        raise OSError(None, f"more than {LARGEST_SOUND} bytes")
    return data


def open_regular(file: Path) -> BinaryIO:
    """Open a file to read; raises OSError for a link, a device, a pipe or a directory."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(None, "it is no regular file")
    return os.fdopen(handle, "rb")


def _value(line: bytes, place: str) -> Any:
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{place} is not UTF-8 text: {error}; nothing was imported") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{place}: not a JSON object: {error}; nothing was imported") from None
