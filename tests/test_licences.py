"""Licence texts as corpora state them, and what may be sold."""

import pytest

from radd.licences import is_permissive


@pytest.mark.parametrize(
    "licence",
    [
        "MIT",
        "MIT repo",
        "MIT (repository; corpus EmoDB)",
        "Apache-2.0 (default branch)",
        "BSD-3-Clause",
        "GPL-3.0",
        "Apache-2.0 (repository; OpenSLR 1)",
        "BSD-style (repository)",
        "BSD-like (CMU)",
        "CC0",
        "CC0-1.0",
        "CC BY 4.0",
        "CC-BY-SA-4.0 (page template)",
        "CC BY 4.0 (per-recording note, LibriSpeech)",
        "EUPL repo; WaveFake CC BY-SA 4.0",
        "MPL-2.0",
        "LGPL-2.1 (repository)",
        "public domain (LJSpeech)",
        "MIT (repository; Open Speech Repository)",
        "free for commercial and non-commercial use (README; OpenSLR 101)",
    ],
)
def test_free_licences_are_permissive(licence):
    assert is_permissive(licence) and is_permissive(licence.upper())


@pytest.mark.parametrize(
    "licence",
    [
        "",
        "-",
        "unstated",
        "none stated",
        "none stated in the repository (corpus RAVDESS)",
        "free (EmoDB)",
        "commitment",
        "CC BY-NC-SA 4.0 (Fish-Speech output)",
        "CC-BY-NC-4.0 (default branch)",
        "CC BY-NC-ND 4.0 (README)",
        "CC BY-ND 4.0",
        "GPL-3.0 (non-commercial)",
        "Apache-2.0 (repository); model licences vary",
        "MIT (repository; TV audio)",
        "research only (YouTube talk shows)",
        "GPL-3.0 (README; TIMIT data)",
        "Creative Commons (freesound)",
        "public domain (LibriVox)?",
        "all rights reserved",
    ],
)
def test_everything_else_is_not(licence):
    assert not is_permissive(licence)
