"""Range checks that the settings classes of all rooms share."""

from radd.errors import ConfigError


def check(settings, **ranges: tuple[float, float]) -> None:
    """Refuse a setting outside its range, both ends included.

    Raises ConfigError; its message begins with the key's name, so that the loader can say where it
    stands.
    """
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ConfigError(f"{name} = {value}: expected a value from {low} to {high}")


def check_choice(settings, **choices: tuple[str, ...]) -> None:
    """Refuse a setting that is none of its choices; as `check`."""
    for name, allowed in choices.items():
        value = getattr(settings, name)
        if value not in allowed:
            raise ConfigError(f"{name} = {value!r}: expected one of {', '.join(allowed)}")
