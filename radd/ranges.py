"""Range checks shared by the settings classes."""

from radd.errors import ConfigError


def check(settings, **ranges: tuple[float, float]) -> None:
    """Reject a setting outside its range, both ends included.

    Raises ConfigError; its message begins with the key's name, so that the loader can add the line
    number.
    """
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ConfigError(f"{name} = {value}: expected a value from {low} to {high}")


def check_choice(settings, **choices: tuple[str, ...]) -> None:
    """Reject a setting that is none of its choices; like `check`."""
    for name, allowed in choices.items():
        value = getattr(settings, name)
        if value not in allowed:
            raise ConfigError(f"{name} = {value!r}: expected one of {', '.join(allowed)}")
