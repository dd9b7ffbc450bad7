"""Names of microphones and the search for one."""

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
    """native sample rate"""
    channels: int
    """number of channels it offers"""
    default: bool
    backend: str

    @property
    def lasting_name(self) -> str:
        """The name without the number that ALSA changes each time the device is connected."""
        return re.sub(r" \(hw:\d+,\d+\)$", "", self.name)


def find_again(devices: list[Device], lost: Device, before: list[Device]) -> Device:
    """The device that was lost, among those that are there now; `before` were there when it was
    opened, it included.

    Raises DeviceError if it is not there, or cannot be told from another of its name: the one that
    answers to it may hear another room.
    """
    names, full = _of_name(before, lost), [each for each in before if each.name == lost.name]
    there = [each for each in devices if each.name == lost.name]
    if len(full) == len(there):  # of devices with one full name the order says which is which
        return there[full.index(lost)]
    others = _of_name(devices, lost)
    if len(names) == len(others) == 1:
        return others[0]  # ALSA has numbered it anew
    if others:
        raise DeviceError(
            f"{lost.name!r} is gone, and which device of that name it is now cannot be told: "
            f"{_listed(others)}; connect it again, or choose one by its index"
        )
    raise DeviceError(f"{lost.name!r} is gone; connect it again")


def _of_name(devices: list[Device], wanted: Device) -> list[Device]:
    return [each for each in devices if each.lasting_name == wanted.lasting_name]


def _listed(devices: list[Device]) -> str:
    return ", ".join(f"{each.name} (index {each.index})" for each in devices)


def find_device(devices: list[Device], wanted: str | int | None) -> Device:
    """The default device for None, else the one with that index or name, or whose name contains
    `wanted`.

    Raises DeviceError with the closest name if nothing matches, and with all names if several do.
    """
    if not devices:
        raise DeviceError("no microphone was found; connect one, or pass a file: --source PATH")
    listed = "see --list-devices"
    if wanted is None:
        default = next((each for each in devices if each.default), None)
        if default is None:
            raise DeviceError(
                f"there is no default microphone; choose one: --source mic:NAME, {listed}"
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
    found = exact or [each for each in devices if part in each.name.casefold()]
    if len(found) == 1:
        return found[0]
    if exact:
        raise DeviceError(
            f"{wanted!r} is the name of several microphones: {_listed(exact)}; give the index"
        )
    if found:
        raise DeviceError(
            f"{wanted!r} is part of several names: {_listed(found)}; give a longer part of the "
            "name, or the index"
        )
    by_name = {each.name.casefold(): each.name for each in devices}
    close = difflib.get_close_matches(part, by_name, 1, 0.3)
    hint = (
        f"did you mean {by_name[close[0]]!r}?"
        if close
        else f"there are {', '.join(by_name.values())};"
    )
    raise DeviceError(f"no microphone is called {wanted!r}; {hint} {listed}")
