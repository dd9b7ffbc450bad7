"""How many made-up inputs the fuzzing tests try, and the line that tells how many they tried."""

import os

import pytest
from hypothesis import HealthCheck, settings

TRIED = pytest.StashKey[dict]()
MANY = int(os.environ.get("FUZZ_INPUTS", "0"))

# Every machine tries the same inputs, at its own pace; whoever asks for many gets others each time.
settings.register_profile(
    "radd", deadline=None, derandomize=not MANY, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("radd")


def inputs(few: int) -> int:
    """`few`, or the number that `make fuzz` asks for."""
    return MANY or few


@pytest.fixture
def tried(request):
    """Counts an input of the test that asks."""
    counts = request.config.stash.setdefault(TRIED, {})
    name = request.node.name
    counts[name] = 0

    def one() -> None:
        counts[name] += 1

    return one


def pytest_unconfigure(config):
    for name, count in config.stash.get(TRIED, {}).items():
        print(f"Inputs tried: {count} by {name}")
