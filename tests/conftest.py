"""Fixtures live in files of their own, by what they provide."""

pytest_plugins = [
    "fixtures_corpus",
    "fixtures_backbone",
    "fixtures_detect",
    "fixtures_microphone",
    "fixtures_detector",
    "fixtures_left_out",
    "fixtures_signals",
    "fixtures_scores",
    "fixtures_mariadb",
    "fixtures_storage",
    "fixtures_console",
    "fixtures_chromium",
    "fixtures_fuzz",
    "fixtures_window_bundle",
    "fixtures_watch",
    "fixtures_notify",
    "fixtures_fleet",
    "fixtures_space",
]
