"""The tree of errors that a user can cause or mend.

    RaddError
    |-- ConfigError      exit 2   config.toml, environment or command line
    |   `-- ProtocolError         a protocol, key or score file
    |-- AudioError       exit 3   a file, device or stream of sound
    |   `-- DeviceError           a microphone that is missing or will not open
    |-- ModelError       exit 4   a bundle that is missing, damaged or inconsistent
    |-- StorageError     exit 5   database, spool or broker
    |   |-- StorageUnreachable    the database cannot be reached now; the spool takes over
    |   |-- BrokerUnreachable     the broker of a fleet cannot be reached now
    |   `-- EntryRefused          the database takes these rows neither now nor later
    `-- NotifyError      exit 6   a receiver of notifications did not take one
        `-- MessageRefused        it takes this one neither now nor later

A message says what was found, what was expected and what to do.
"""

import os
from typing import TextIO


class RaddError(Exception):
    """Base of all errors that a user can act on; `exit_code` is the exit code of the entry
    point.
    """

    exit_code = 1


class ConfigError(RaddError):
    """An invalid option, setting or environment variable."""

    exit_code = 2


class ProtocolError(ConfigError):
    """An invalid protocol, key or score file."""

    pass


class AudioError(RaddError):
    """Audio that is missing, unreadable or not audio."""

    exit_code = 3


class DeviceError(AudioError):
    """A microphone that is missing or does not open."""

    pass


class ModelError(RaddError):
    """A bundle that is missing, damaged or inconsistent."""

    exit_code = 4


class StorageError(RaddError):
    """A database or spool that cannot be used."""

    exit_code = 5


class StorageUnreachable(StorageError):
    """The database cannot be reached now."""

    pass


class BrokerUnreachable(StorageError):
    """The broker of a fleet cannot be reached or used now."""

    pass


class EntryRefused(StorageError):
    pass


class NotifyError(RaddError):
    """A receiver of notifications did not take one; it is sent again after `retry_after_s`."""

    exit_code = 6

    def __init__(self, message: str, retry_after_s: float = 0.0):
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MessageRefused(NotifyError):
    """A receiver takes this notification neither now nor later."""


def reason(error: Exception) -> str:
    """Why something failed, without the path that the caller's message names already."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def silence_broken_pipe(out: TextIO) -> None:
    """Redirect `out` after BrokenPipeError, because Python otherwise complains at exit about
    unwritten data.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, out.fileno())
    os.close(nowhere)
