"""Fixtures live in files of their own, by what they provide."""

pytest_plugins = [
    "fixtures_detector",
    "fixtures_left_out",
]
