"""config.toml and the environment -> frozen settings.

config.toml contains every setting with its default. A file passed with --config overrides the keys
it names, and the environment variable RADD_<SECTION>_<KEY> overrides both. An unknown key is
rejected.
"""

from __future__ import annotations

import difflib
import os
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from console.settings import ServeSettings
from fleet.settings import FleetSettings
from notify.settings import MetricsSettings, NotifySettings
from radd.detector import ModelSettings
from radd.errors import ConfigError
from radd.gate import GateSettings
from radd.resources import resource
from storage.journal import StorageSettings
from storage.review import Quorum, ReviewSettings
from stream.alerts import AlertSettings
from stream.calls.settings import CallSettings
from stream.capture.portaudio import CaptureSettings
from stream.decision import DecisionSettings
from stream.engine import EngineSettings
from training.config import RetrainSettings, TrainingConfig

DEFAULTS = resource("config.toml")
PREFIX = "RADD_"


@dataclass(frozen=True, slots=True)
class Settings:
    """One attribute per section of config.toml."""

    capture: CaptureSettings
    calls: CallSettings
    model: ModelSettings
    gate: GateSettings
    engine: EngineSettings
    decision: DecisionSettings
    alerts: AlertSettings
    storage: StorageSettings
    fleet: FleetSettings
    review: ReviewSettings
    serve: ServeSettings
    notify: NotifySettings
    metrics: MetricsSettings
    retrain: RetrainSettings
    training: TrainingConfig

    @property
    def quorum(self) -> Quorum:
        """By how many reviewers a label has to lead here; where the file with their tokens cannot
        be read, as by whoever does not serve, there may be two or more.
        """
        try:
            registered = len(self.serve.named)
        except ConfigError:
            registered = 2
        return self.review.among(registered)


def load(
    path: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    options: Mapping[tuple[str, str], Any] = types.MappingProxyType({}),
) -> Settings:
    """The settings of config.toml, overridden in this order by the file `path`, by `environ` and by
    `options` (from the command line, by section and key).

    Raises ConfigError for an unreadable file, an unknown section or key, a value of the wrong type
    or out of its range. The message gives the position and, for a misspelt name, the nearest valid
    one.
    """
    reader = _Reader()
    for file in [DEFAULTS] if path is None else [DEFAULTS, Path(path)]:
        reader.add_file(file)
    reader.add_environment(environ)
    for (section, key), value in options.items():
        reader.add(section, key, value, f"--{key}")
    return reader.settings()


class _Reader:
    """Collects the values of settings and where each was set; a later value replaces an earlier."""

    def __init__(self) -> None:
        self._sections = get_type_hints(Settings)
        self._known = {name: get_type_hints(section) for name, section in self._sections.items()}
        self._values: dict[str, dict[str, Any]] = {name: {} for name in self._sections}
        self._origin: dict[tuple[str, str], str] = {}

    def add(self, section: str, key: str, value: Any, place: str) -> None:
        self._values[section][key] = value
        self._origin[section, key] = place

    def add_file(self, file: Path) -> None:
        for section, table in _read(file).items():
            place = _place(file, section)
            if section not in self._known:
                raise ConfigError(
                    f"{place}: unknown section [{section}]{_nearest(section, self._known)}"
                )
            if not isinstance(table, dict):
                raise ConfigError(
                    f"{place}: {section} is outside any section; put it under one of "
                    f"{', '.join(self._known)}"
                )
            for key, value in table.items():
                self._add_key(section, key, value, _place(file, section, key))

    def _add_key(self, section: str, key: str, value: Any, place: str) -> None:
        keys = self._known[section]
        if key not in keys:
            raise ConfigError(f"{place}: unknown key {key} in [{section}]{_nearest(key, keys)}")
        self.add(section, key, _typed(value, keys[key], place), place)

    def add_environment(self, environ: Mapping[str, str]) -> None:
        for name, text in environ.items():
            if not name.startswith(PREFIX):
                continue
            section, key = _variable(name, self._known)
            if not text:  # as compose writes a variable that is not set
                continue
            place, kind = f"environment variable {name}", self._known[section][key]
            self.add(section, key, _typed(_parse(text, kind, place), kind, place), place)

    def settings(self) -> Settings:
        """Raises ConfigError for a missing key and for a value out of its range."""
        return Settings(**{name: self._section(name) for name in self._sections})

    def _section(self, name: str) -> Any:
        section, values = self._sections[name], self._values[name]
        missing = [f.name for f in fields(section) if f.name not in values]
        if missing:
            raise ConfigError(
                f"{DEFAULTS}: [{name}] lacks {', '.join(missing)}; restore the shipped file"
            )
        try:
            return section(**values)
        except ConfigError as error:
            raise ConfigError(f"{', '.join(self._places(name, str(error)))}: {error}") from None

    def _places(self, name: str, error: str) -> list[str]:
        """Where the faulty key of a section was set, and every variable that changes the section.

        A rule about several keys may name another key than the one that was set.
        """
        place = self._origin.get((name, error.split(" ")[0]), f"[{name}]")
        variables = {
            p for (s, _), p in self._origin.items() if s == name and p.startswith("environment")
        }
        return [place, *sorted(variables - {place})]


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(file))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from None


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8-sig")  # Windows editors put a mark before the text


def _place(file: Path, section: str, key: str | None = None) -> str:
    """FILE:LINE of a section or key, for messages."""
    inside = False
    for number, line in enumerate(_text(file).splitlines(), 1):
        text = line.split("#")[0].strip()
        if text.startswith("["):
            inside = text.strip("[] ") == section
            if inside and key is None:
                return f"{file}:{number}"
        elif inside and key is not None and text.split("=")[0].strip().strip("\"'") == key:  # noqa: SIM114
            return f"{file}:{number}"
        elif key is None and text.split("=")[0].strip() == section:
            return f"{file}:{number}"
    return f"{file}"


def _nearest(name: str, known) -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.5)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _variable(name: str, known) -> tuple[str, str]:
    for section, keys in known.items():
        for key in keys:
            if name == f"{PREFIX}{section}_{key}".upper():
                return section, key
    names = [f"{PREFIX}{s}_{k}".upper() for s, keys in known.items() for k in keys]
    raise ConfigError(
        f"environment variable {name}: there is no such setting{_nearest(name, names)}"
    )


def _parse(text: str, kind: Any, place: str) -> Any:
    """Parse the text of an environment variable as a value of `kind`."""
    if kind is str or isinstance(kind, types.UnionType):
        return text
    try:
        (value,) = tomllib.loads(f"x = {text.lower() if kind is bool else text}").values()
        return value
    except ValueError:  # invalid TOML, or text with more than one value
        raise ConfigError(f"{place}: expected {kind.__name__}, found {text!r}") from None


def _typed(value: Any, kind: Any, place: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if kind in (str, int, float, bool) and type(value) is not kind:
        raise ConfigError(f"{place}: expected {kind.__name__}, found {value!r}")
    return value
