"""What a microphone is called and how one is found."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from radd.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Device:
    """A device that can be listened to."""

    name: str
    index: int
    rate_hz: int
    """its own rate"""
    channels: int
    """how many it offers"""
    default: bool
    backend: str

    @property
    def lasting_name(self) -> str:
        """Its name without the number that ALSA gives it anew each time it is plugged in."""
        return re.sub(r" \(hw:\d+,\d+\)$", "", self.name)


def find_device(devices: list[Device], wanted: str | int | None) -> Device:
    """The default device for None, else the one of that index, that name or of which `wanted` is a
    part.

    Raises DeviceError with the closest name where nothing matches, and with all names where several
    do.
    """
    if not devices:
        raise DeviceError("no microphone was found; plug one in, or give a file: --source PATH")
    listed = "see --list-devices"
    if wanted is None:
        default = next((each for each in devices if each.default), None)
        if default is None:
            raise DeviceError(
                f"no device is the default microphone; choose one: --source mic:NAME, {listed}"
            )
        return default
    if isinstance(wanted, int):
        found = [each for each in devices if each.index == wanted]
        if not found:
            indices = ", ".join(str(each.index) for each in devices)
            raise DeviceError(f"no microphone has index {wanted}; there are {indices}, {listed}")
        return found[0]
    return _named(devices, wanted, listed)


def _named(devices: list[Device], wanted: str, listed: str) -> Device:
    part = wanted.casefold()
    exact = [
        each for each in devices if part in (each.name.casefold(), each.lasting_name.casefold())
    ]
    found = exact[:1] or [each for each in devices if part in each.name.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(each.name for each in found)
        raise DeviceError(
            f"{wanted!r} is part of several names: {names}; give more of the name, or its index"
        )
    by_name = {each.name.casefold(): each.name for each in devices}
    close = difflib.get_close_matches(part, by_name, 1, 0.3)
    hint = (
        f"did you mean {by_name[close[0]]!r}?"
        if close
        else f"there are {', '.join(by_name.values())};"
    )
    raise DeviceError(f"no microphone is called {wanted!r}; {hint} {listed}")
