"""Decides whether a licence stated by a corpus allows any use, including commercial use, of models
trained on its audio.
"""

from __future__ import annotations

import re

_GRANTS = re.compile(
    r"\b(mit|isc|apache|bsd|mpl|eupl|[al]?gpl|cc0|cc[- ]by([- ]sa)?|public domain|unlicense"
    r"|free for commercial and non-commercial use)\b"
)
# words that may accompany a licence: version, place of the statement, owner of the audio
_HARMLESS = re.compile(
    r"\b(v?\d[\d.]*|clause|style|like|licen[cs]e|repo|repository|readme|page|template|default "
    r"branch|dataset|corpus"
    r"|per-recording note|aishell|ami|cmu|emodb|librispeech|libritts|librivox|ljspeech|open "
    r"speech repository|openslr"
    r"|us gov|valentini|vctk|wavefake|wikimedia)\b"
)
_NOT_UNDERSTOOD = re.compile(r"[a-z?]")


def is_permissive(licence: str) -> bool:
    """True if the text names a licence that allows commercial use and contains no unknown words.

    Copyleft (GPL, CC BY-SA) counts as permissive. Unstated, non-commercial and research-only
    licences do not. A doubt ("?", "vary") or an unknown word, as in "MIT (repository; TV audio)",
    does not either.
    """
    rest, grants = _GRANTS.subn(" ", licence.lower())
    return grants > 0 and not _NOT_UNDERSTOOD.search(_HARMLESS.sub(" ", rest))
