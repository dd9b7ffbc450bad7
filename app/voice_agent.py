"""The Pipecat processor with the configured detector and settings."""

from __future__ import annotations

import uuid
from pathlib import Path

from app.installation import installation
from notify.voice_agent import SyntheticVoiceProcessor


def synthetic_voice_processor(
    config: Path | None = None, bundle: Path | None = None
) -> SyntheticVoiceProcessor:
    """A processor for one caller, with the settings of `config` and the bundle in use or `bundle`.

    Raises ConfigError and ModelError as detect.py does.
    """
    here = installation(config, bundle)
    settings = here.settings
    return SyntheticVoiceProcessor(
        here.load(here.bundle()), settings.decision, settings.alerts, str(uuid.uuid4())
    )
