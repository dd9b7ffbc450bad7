"""The page that judges in the browser computes what Python computes: each step, and whole
recordings.
"""

import base64
import json
import math
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from fixtures_patience import PATIENCE_S

from radd.encoder import BLOCK_SAMPLES
from radd.features import SpectrumState, log_spectra, remove_channel
from radd.files import load_speech
from radd.gate import SpeechLevels, refuse
from radd.resampling import resample
from radd.types import HOP_SAMPLES, SAMPLE_RATE_HZ, Part, Shed, Verdict
from radd.vad import SpeechState
from stream.capture.sources import DEMO

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

from console.report_text import in_words
from console.schemas import Segment, Span

SAME = 1e-3  # nats, between the scores of the browser and those of Python
NO_PAGE = "/words.json"  # an address of the same origin at which no detector loads
SENTENCES = (
    "The quick brown fox jumps over the lazy dog, and nobody has seen it since.",
    "Please transfer the amount today, because the office closes early this week.",
)
VOICES = ("en-us", "en-gb", "en-us+f3", "en-us+m4", "de", "es")
FLITE = ("slt", "awb", "kal16", "rms")
STEPS = """async (sound) => {
    const { openBundle } = await import("./engine/bundle.js");
    const { Detector } = await import("./engine/detector.js");
    const { measure, refuse } = await import("./engine/gate.js");
    const ort = await import("./ort/ort.wasm.min.mjs");
    ort.env.wasm.wasmPaths = new URL("./ort/", location).href;
    ort.env.wasm.numThreads = 1;
    const settings = await (await fetch("settings.json")).json();
    const bundle = await openBundle(ort, settings), detector = new Detector(bundle, settings);
    const { vad, spectra, cnn, encoder, references } = bundle;
    const bytes = Uint8Array.from(atob(sound), (letter) => letter.charCodeAt(0));
    const samples = new Float32Array(bytes.buffer), spectrum = spectra.start();
    const speech = await vad.probability(vad.start(), samples);
    const log = spectra.log(spectrum, samples);
    const flat = spectra.flatten(spectrum, log, (k) => speech[k >> 1]);
    const frames = await cnn.frames(cnn.start(), flat);
    const part = (k) => samples.subarray(512 * k, 512 * k + 512);
    const levels = Array.from(speech, (p, k) => measure(part(k), p));
    const [score] = await cnn.score([[frames, [...speech]]]);
    const block = await encoder.embed(samples.slice(0, 16384));
    const half = samples.length / 2, state = detector.start();
    const late = [...await detector.push(state, samples.slice(0, half), true),
        ...await detector.push(state, samples.slice(half), true)];
    return { late: late.map((one) => [one.refusal, one.llr]),
        speech: [...speech], log: [...log], flat: [...flat],
        frames: frames.flatMap((row) => [...row]),
        power: levels.map((one) => one.power), clipped: levels.map((one) => one.clipped), score,
        reason: refuse(levels, { ...settings.gate, max_clipped_percent: 0 }),
        vector: [...block.vector], block: block.score,
        found: references.search(block.vector, settings.neighbours) };
}"""
RESAMPLED = """async ([sound, rate, portion]) => {
    const { Resampler } = await import("./engine/resample.js");
    const bytes = Uint8Array.from(atob(sound), (letter) => letter.charCodeAt(0));
    const samples = new Float32Array(bytes.buffer), converter = new Resampler(rate), out = [];
    for (let at = 0; at < samples.length; at += portion) {
        out.push(...converter.push(samples.subarray(at, at + portion)));
    }
    return [...out, ...converter.flush()];
}"""


def packed(samples: np.ndarray) -> str:
    return base64.b64encode(samples.astype("<f4").tobytes()).decode()


def findings(page, files) -> list[dict]:
    """What the page says of files, as it saves it."""
    page.set_input_files("#file", files)
    return saved(page, files)


def saved(page, files) -> list[dict]:
    """What the page has said of these files."""
    out = []
    for file in files:
        card = page.locator(".result").filter(has=page.locator("h2", has_text=file.name))
        with page.expect_download() as download:
            card.locator("button", has_text="Save JSON").click()
        out.append(json.loads(download.value.path().read_text(encoding="utf-8")))
    return out


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Ten clips of speech engines, FLAC at 16 kHz."""
    folder = tmp_path_factory.mktemp("clips")
    made = [(voice, "espeak-ng", ["-v", voice, "-w"]) for voice in VOICES]
    made += [(voice, "flite", ["-voice", voice, "-o"]) for voice in FLITE]
    paths = []
    for k, (voice, engine, arguments) in enumerate(made):
        if shutil.which(engine) is None:
            pytest.skip(f"there is no {engine}: apt-get install {engine}")
        wav, text = folder / "made.wav", SENTENCES[k % len(SENTENCES)]
        command = [engine, *arguments, wav, *(["-t", text] if engine == "flite" else [text])]
        subprocess.run(command, check=True, timeout=PATIENCE_S, capture_output=True)
        paths.append(folder / f"{engine}-{voice}.flac")
        soundfile.write(paths[-1], load_speech(wav)[: 3 * SAMPLE_RATE_HZ], SAMPLE_RATE_HZ)
    return paths


def test_every_step_equals_python(served, open_space, judge_in_python):
    detector = judge_in_python.detector
    samples = load_speech(DEMO)[4_000:][: 32 * HOP_SAMPLES]
    samples[20 * HOP_SAMPLES : 22 * HOP_SAMPLES] = 0
    samples[24_000:24_200] = 1.0  # clipped
    found = open_space(served.url(NO_PAGE), is_ready=False).evaluate(STEPS, packed(samples))

    speech = detector.vad.probability(SpeechState(), samples[None])[0]
    np.testing.assert_allclose(found["speech"], speech, atol=1e-5)
    state = SpectrumState()
    log = log_spectra(state, samples)
    # a bin far below the others in its spectrum has few digits in single precision
    difference = np.abs(np.reshape(found["log"], log.shape) - log)
    assert np.quantile(difference, 0.999) < 1e-3 and difference.max() < 0.2
    flat = remove_channel(state, log, speech.repeat(2))
    np.testing.assert_allclose(np.mean(found["flat"]), flat.mean(), atol=1e-5)
    frames = detector.cnn.frames(detector.cnn.start(), flat)
    np.testing.assert_allclose(np.reshape(found["frames"], frames.shape), frames, atol=2e-3)
    levels = SpeechLevels.measure(samples, speech)
    np.testing.assert_allclose(found["power"], levels.power, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(found["clipped"], levels.clipped)
    strict = type(detector.gate)(**{**vars_of(detector.gate), "max_clipped_percent": 0.0})
    assert found["reason"] == list(refuse(levels, strict))
    score = detector.cnn.score(frames[None], speech[None])
    assert found["score"] == pytest.approx(float(score[0]), abs=SAME)
    vector, block = detector.encoder.embed(samples[:BLOCK_SAMPLES])
    np.testing.assert_allclose(found["vector"], vector, atol=1e-4)
    assert found["block"] == pytest.approx(block, abs=SAME)
    margin, neighbours = detector.index.search(vector, detector.model.neighbours)
    assert found["found"]["margin"] == pytest.approx(margin, abs=1e-4)
    assert [one["id"] for one in found["found"]["neighbours"]] == [one.id for one in neighbours]
    state = detector.start()
    for half, told in zip(np.split(samples, 2), np.split(np.array(found["late"]), 2), strict=True):
        ((*shed, last),) = detector.push_many([Part(state, half, Shed.HOPS)])
        assert [refusal for refusal, _ in told[:-1]] == [one.refusal for one in shed]
        assert told[-1][1] == pytest.approx(last.llr, abs=SAME)


def vars_of(settings) -> dict[str, float]:
    return {name: getattr(settings, name) for name in settings.__slots__}


def test_sound_of_any_rate_is_resampled_like_python_whatever_the_portions(served, open_space):
    page = open_space(served.url(NO_PAGE), is_ready=False)
    for rate_hz in (8_000, 11_025, 44_100, 48_000):
        sound = resample(load_speech(DEMO)[:SAMPLE_RATE_HZ], SAMPLE_RATE_HZ, rate_hz)
        whole, parts = (
            np.array(page.evaluate(RESAMPLED, [packed(sound), rate_hz, portion]))
            for portion in (len(sound), 1_237)
        )
        np.testing.assert_array_equal(whole, parts)
        expected = resample(sound, rate_hz, SAMPLE_RATE_HZ)
        assert len(whole) == math.floor(len(sound) * SAMPLE_RATE_HZ / rate_hz + 0.5)
        n = min(len(whole), len(expected))
        difference = whole[:n] - expected[:n]
        assert np.sqrt(np.mean(difference**2) / np.mean(expected**2)) < 0.01


def test_scores_and_findings_of_recordings_equal_python(served, open_space, judge_in_python, clips):
    files = [DEMO, *clips]
    page = open_space(served.url("/try/"))
    page.click("#demo")
    page.set_input_files("#file", clips)
    for file, found in zip(files, saved(page, files), strict=True):
        expected, scores = judge_in_python(load_speech(file))
        assert [one["verdict"] for one in found["scores"]] == [one.verdict for one in scores]
        assert [one["reason"] for one in found["scores"]] == [one.reason for one in scores]
        llrs = [[one["llr"] for one in found["scores"]], [one.llr for one in scores]]
        np.testing.assert_allclose(*np.array(llrs, float), atol=SAME)
        assert_same(found, expected)
    assert page.troubles == []


def assert_same(found: dict, expected: dict) -> None:
    """Every field of both: numbers within SAME, words as Python finds them for these numbers."""
    segments = [Segment(**one) for one in found["segments"]]
    alerts = [Span(**one) for one in found["alerts"]]
    words = in_words(found["llr"], Verdict(found["verdict"]), found["reason"], alerts, segments)
    assert (found["headline"], found["confidence"]) == words
    for name in ("verdict", "headline", "reason", "duration_s", "model"):
        assert found[name] == expected[name]
    for name in ("llr", "p_spoof"):
        assert found[name] == pytest.approx(expected[name], abs=SAME)
    for name in ("segments", "alerts", "neighbours"):
        for one, other in zip(found[name], expected[name], strict=True):
            assert {key for key in other if not is_same(one[key], other[key])} == set()


def is_same(one, other) -> bool:
    return one == other if isinstance(other, str) else one == pytest.approx(other, abs=SAME)


def test_other_rates_and_formats_come_close(space_page, judge_in_python, tmp_path):
    """Browsers decode lossy formats, and the page resamples, not to the last bit as Python does."""
    sound = load_speech(DEMO)[32_000:80_000]
    files = []
    for rate_hz, suffix in ((44_100, "wav"), (48_000, "flac"), (44_100, "ogg"), (24_000, "mp3")):
        files.append(tmp_path / f"clip-{rate_hz}.{suffix}")
        soundfile.write(files[-1], resample(sound, SAMPLE_RATE_HZ, rate_hz), rate_hz)
    for file, found in zip(files, findings(space_page, files), strict=True):
        expected, _ = judge_in_python(load_speech(file))
        assert found["verdict"] == expected["verdict"]
        assert found["llr"] == pytest.approx(expected["llr"], abs=0.1)
