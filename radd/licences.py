"""Which of the licences that corpora state allow any use, trade included, of what is made from
their sound.
"""

from __future__ import annotations

import re

_GRANTS = re.compile(
    r"\b(mit|isc|apache|bsd|mpl|eupl|[al]?gpl|cc0|cc[- ]by([- ]sa)?|public domain|unlicense"
    r"|free for commercial and non-commercial use)\b"
)
_HARMLESS = re.compile(  # says which version, where the licence stands, whose sound it is
    r"\b(v?\d[\d.]*|clause|style|like|licen[cs]e|repo|repository|readme|page|template|default "
    r"branch|dataset|corpus"
    r"|per-recording note|aishell|ami|cmu|emodb|librispeech|libritts|librivox|ljspeech|open "
    r"speech repository|openslr"
    r"|us gov|valentini|vctk|wavefake|wikimedia)\b"
)
_NOT_UNDERSTOOD = re.compile(r"[a-z?]")


def is_permissive(licence: str) -> bool:
    """True where the text names a licence that allows commercial use and says nothing that is not
    understood.

    Copyleft (GPL, CC BY-SA) counts as permissive. Unstated, non-commercial and research-only
    licences do not, nor does a doubt ("?", "vary") or any word that is unknown here, as in "MIT
    (repository; TV audio)".
    """
    rest, grants = _GRANTS.subn(" ", licence.lower())
    return grants > 0 and not _NOT_UNDERSTOOD.search(_HARMLESS.sub(" ", rest))
