"""A voice agent's pipeline gets a frame when its caller is synthetic; no network is used."""

import asyncio
import warnings

import numpy as np
import pytest
from fixtures_detector import CONFIG, voice

from stream.alerts import AlertSettings
from stream.decision import DecisionSettings

pytest.importorskip(
    "pipecat", reason="Pipecat is not installed: uv pip install -e '.[pipecat]', see docs/notify.md"
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Pipecat imports audioop, which Python 3.11 calls deprecated
    from pipecat.frames.frames import InputAudioRawFrame, TextFrame
    from pipecat.tests.utils import run_test

    from notify import voice_agent
    from notify.voice_agent import SyntheticVoiceFrame, SyntheticVoiceProcessor

STREAM = "0f6f8a36-9c0f-4f0e-8ad4-2f6f0c2d1d10"
FRAME_SAMPLES = 320  # 20 ms, as transports send


def frames(sound, rate_hz=16_000, channels=1):
    pcm = (sound * 32_767).clip(-32_768, 32_767).astype("<i2").repeat(channels)
    step = FRAME_SAMPLES * channels
    return [
        InputAudioRawFrame(pcm[at : at + step].tobytes(), rate_hz, channels)
        for at in range(0, len(pcm), step)
    ]


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """The tests send a call at once that takes half a minute."""
    monkeypatch.setattr(voice_agent, "MOST_WAITING_SAMPLES", 60 * 16_000)


def heard(detector, sent):
    decision, alerts = DecisionSettings(**CONFIG["decision"]), AlertSettings(**CONFIG["alerts"])
    processor = SyntheticVoiceProcessor(detector, decision, alerts, STREAM)
    down, _ = asyncio.run(run_test(processor, frames_to_send=sent))
    return processor, list(down)


def of_type(found, kind):
    return [frame for frame in found if isinstance(frame, kind)]


@pytest.mark.parametrize("channels", [1, 2])
def test_the_agent_is_told_once_when_the_alert_opens_and_once_when_it_closes(detector, channels):
    people = [voice(seed, 6, synthetic=False) for seed in (1, 3)]
    call = np.concatenate((people[0], voice(2, 8, synthetic=True), people[1]))
    sent = frames(call, channels=channels)
    _, down = heard(detector, sent)
    opened, closed = of_type(down, SyntheticVoiceFrame)
    assert (opened.is_open, closed.is_open) == (True, False)
    assert opened.alert == closed.alert and opened.p_spoof > 0.9 and opened.since_began_s > 0
    assert [f.audio for f in of_type(down, InputAudioRawFrame)] == [f.audio for f in sent]


def test_a_person_raises_no_frame_and_other_frames_pass(detector):
    sent = [*frames(voice(3, 6, synthetic=False)), TextFrame("hello")]
    _, down = heard(detector, sent)
    assert not of_type(down, SyntheticVoiceFrame)
    assert [frame.text for frame in of_type(down, TextFrame)] == ["hello"]


def test_audio_that_the_detector_cannot_keep_up_with_is_counted(detector, monkeypatch):
    monkeypatch.setattr(voice_agent, "MOST_WAITING_SAMPLES", 16_000)
    sent = frames(voice(3, 10, synthetic=False))
    processor, down = heard(detector, sent)
    assert processor.dropped_samples > 0
    assert len(of_type(down, InputAudioRawFrame)) == len(sent)


def test_the_configured_processor_loads_the_bundle_in_use(speech_pcm):
    from app.voice_agent import synthetic_voice_processor

    processor = synthetic_voice_processor()
    sent = [
        InputAudioRawFrame(speech_pcm[at : at + 640], 16_000, 1)
        for at in range(0, len(speech_pcm), 640)
    ]
    down, _ = asyncio.run(run_test(processor, frames_to_send=sent))
    assert processor.dropped_samples == 0
    assert not of_type(down, SyntheticVoiceFrame)
