"""Text of any origin for a terminal: what would steer it is spelt out."""

from __future__ import annotations

import unicodedata
from typing import Any, TextIO

LAYOUT = "\n\r\t"  # of the program's own output
STEERING = {"Cc", "Cs", "Zl", "Zp"}
"""categories of characters that a terminal obeys: controls, halves of pairs, line ends"""
TURNING = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""characters that turn the direction of writing, so that a text looks like another one"""


def printable(text: str, kept: str = "") -> str:
    """The text with all that steers a terminal spelt out, but for the characters `kept`; a name
    stays in its line, and letters of all languages stay as they are.
    """
    if text.isascii() and text.rstrip(kept).isprintable():
        return text
    return "".join(c if c in kept or not _steers(c) else _spelt(c) for c in text)


def _steers(character: str) -> bool:
    return character in TURNING or unicodedata.category(character) in STEERING


def _spelt(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class PrintableStream:
    """An output stream that writes `printable` text, with the layout that the program gives it.

    Everything else is that of the stream inside, whose own `write` is for those who draw.
    """

    def __init__(self, inside: TextIO):
        self.inside = inside

    def write(self, text: str) -> int:
        self.inside.write(printable(text, LAYOUT))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inside, name)


def drawing(stream: TextIO | PrintableStream) -> TextIO:
    """The stream as one draws on it, with escape sequences of one's own."""
    return stream.inside if isinstance(stream, PrintableStream) else stream
