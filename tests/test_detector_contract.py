"""What every detector of a bundle promises, of whatever kind; and bundles of kind window that do
not fit together.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures_detector import cut, listen
from fixtures_patience import PATIENCE_S
from fixtures_window_bundle import change_manifest, write_network, write_window_bundle

from app.settings import load
from radd.bundle import MANIFEST, NETWORK, encoder_of, load_detector, load_known_voices
from radd.errors import ModelError
from radd.files import load_speech
from radd.hot_swap import HotSwapDetector
from radd.types import HOP_SAMPLES, Score, Verdict
from stream.hot_reload import HotReload, NoOverlays

ROOT = Path(__file__).parent.parent
SHAPES = {"window": (8, 4), "long and seldom": (31, 8), "longer than the gate": (79, 16)}


@pytest.fixture(scope="module", params=["shipped", *SHAPES])
def bundle(request, tmp_path_factory):
    if request.param == "shipped":
        return ROOT / "models" / "default"
    return write_window_bundle(tmp_path_factory.mktemp("window") / "bundle", *SHAPES[request.param])


def loaded(bundle: Path):
    chosen = load(environ={})
    return load_detector(bundle, chosen.model, chosen.gate)


@pytest.fixture(scope="module")
def detector(bundle):
    return loaded(bundle)


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """Speech, a pause of 5 s, speech: 120 hops."""
    speech = load_speech(ROOT / "assets" / "demo.flac")[: 60 * HOP_SAMPLES]
    pause = np.zeros(40 * HOP_SAMPLES, np.float32)
    return np.concatenate([speech[: 50 * HOP_SAMPLES], pause, speech[: 30 * HOP_SAMPLES]])


def same(found, expected):
    assert [replace(j, llr=None) for j in found] == [replace(j, llr=None) for j in expected]
    assert [j.llr for j in found] == [j.llr and pytest.approx(j.llr, abs=1e-4) for j in expected]


@pytest.mark.parametrize("hops", [1, 7, 50])
def test_grouping_changes_nothing_and_each_hop_has_a_number_or_a_reason(detector, sound, hops):
    whole, state = detector.push(detector.start(), sound), detector.start()
    parts = [
        detector.push(state, part)
        for part in np.split(sound, range(hops * HOP_SAMPLES, len(sound), hops * HOP_SAMPLES))
    ]
    same([j for part in parts for j in part], whole)
    assert len(whole) == 120
    for judgement in whole:
        measured = judgement.llr is not None
        assert measured == (judgement.refusal is None) == (judgement.reason is None)
    assert sum(j.llr is not None for j in whole) > 40 and whole[89].refusal is Verdict.NO_SPEECH


def test_later_sound_never_changes_an_earlier_judgement(detector, sound):
    before = detector.push(detector.start(), sound[: 37 * HOP_SAMPLES])
    after = detector.push(
        detector.start(),
        np.concatenate([sound[: 37 * HOP_SAMPLES], -sound[::-1][: 40 * HOP_SAMPLES]]),
    )
    same(after[:37], before)


@pytest.mark.parametrize("hops", [1, 9, 31, 32, 100])
def test_the_longest_windows_alone_are_judged_as_they_are_among_all(detector, sound, hops):
    all_of, longest_of = detector.start(), detector.start()
    for part in np.split(sound[: (hops + 3) * HOP_SAMPLES], [hops * HOP_SAMPLES]):
        judged = detector.push(all_of, part, gated=False)
        longest = [j for j in judged if j.window_samples == judged[-1].window_samples]
        same(detector.push(longest_of, part, gated=False, longest=True), longest)
        assert all(np.isfinite(j.llr) for j in judged)
        assert max(j.window_samples for j in judged) <= detector.window_hops * HOP_SAMPLES


@pytest.mark.parametrize("size", [160, 7919, 50_000])
def test_chunk_size_does_not_matter_to_a_stream(detector, sound, size):
    def scores(size):
        return [event for event in listen(detector, cut(sound, size)) if isinstance(event, Score)]

    found, expected = scores(size), scores(len(sound))
    assert [(s.end, s.verdict, s.reason) for s in found] == [
        (s.end, s.verdict, s.reason) for s in expected
    ]
    assert [s.llr for s in found] == [s.llr and pytest.approx(s.llr, abs=1e-4) for s in expected]


def test_a_stream_begins_anew_when_the_detector_becomes_another(bundle, sound):
    detector, other = HotSwapDetector(loaded(bundle)), replace(loaded(bundle), name="another")
    state = detector.start()
    first = detector.push(state, sound[: 40 * HOP_SAMPLES])
    detector.swap(other)
    same(detector.push(state, sound[: 40 * HOP_SAMPLES]), first)
    assert detector.name == state.name == "another"


def test_a_detector_of_another_kind_takes_over_and_gives_back(sound):
    detectors = [loaded(ROOT / "models" / "default"), loaded(ROOT / "models" / "student")]
    assert {one.kind for one in detectors} == {"radd", "window"}
    expected = [one.push(one.start(), sound[: 40 * HOP_SAMPLES]) for one in detectors]
    detector = HotSwapDetector(detectors[0])
    state = detector.start()
    for k in (0, 1, 0):
        detector.swap(detectors[k])
        if k == 0:
            detector.swap(loaded(ROOT / "models" / "default"))
        same(detector.push(state, sound[: 40 * HOP_SAMPLES]), expected[k])


def test_the_score_of_a_window_holds_until_the_next_one_and_tells_dull_from_bright(tmp_path):
    detector = loaded(write_window_bundle(tmp_path / "bundle", 31, 8))
    speech = load_speech(ROOT / "assets" / "demo.flac")[: 60 * HOP_SAMPLES]
    dull = np.convolve(speech, np.full(24, 1 / 24), "same").astype(np.float32)
    bright = np.diff(speech, append=0).astype(np.float32)
    llrs = {}
    for name, heard in (("dull", dull), ("bright", bright)):
        llrs[name] = [j.llr for j in detector.push(detector.start(), heard, gated=False)]
        for begin in (30, 38, 46):
            assert len(set(llrs[name][begin : begin + 8])) == 1
        assert len(set(llrs[name][30:])) == 4
    assert min(llrs["dull"][30:]) > max(llrs["bright"][30:])


def test_two_outputs_are_two_labels_in_the_order_of_the_manifest(tmp_path, sound):
    one = loaded(write_window_bundle(tmp_path / "one"))
    two = loaded(write_window_bundle(tmp_path / "two", outputs=2, labels=("bonafide", "spoof")))
    turned = loaded(
        write_window_bundle(tmp_path / "turned", outputs=2, labels=("spoof", "bonafide"))
    )
    llrs = [
        np.array([j.llr for j in d.push(d.start(), sound, gated=False)]) for d in (one, two, turned)
    ]
    np.testing.assert_allclose(llrs[1], llrs[0], atol=1e-5)
    np.testing.assert_allclose(llrs[2], -llrs[0], atol=1e-5)


SPOILT = {
    "a network of another length": (dict(window_hops=9), None, "the two do not match"),
    "an unknown front end": (dict(front_end="cepstra"), None, "'cepstra' is unknown"),
    "other settings": (dict(features={"rms": 0.0, "mel": 40}), None, "train it again"),
    "a window without end": (dict(window_hops=10**6), None, "expected 1 to 240"),
    "two labels of one output": (
        dict(labels=["bonafide", "spoof"]),
        None,
        "expected one output of two",
    ),
    "three labels": (
        dict(labels=["bonafide", "spoof", "music"]),
        None,
        "expected bonafide and spoof",
    ),
    "a key that nobody knows": (dict(colour="blue"), None, "does not describe the network"),
    "another kind": (None, "tree", "of kind 'tree'"),
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_bundle_that_does_not_fit_says_so_in_one_line(tmp_path, spoil):
    model, kind, words = SPOILT[spoil]
    bundle = write_window_bundle(tmp_path / "bundle")
    change_manifest(bundle, lambda m: m["model"].update(model) if model else m.update(kind=kind))
    with pytest.raises(ModelError, match=words) as caught:
        loaded(bundle)
    assert "\n" not in str(caught.value)


def test_a_network_with_three_classes_or_a_changed_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="outputs of 3 numbers per window"):
        loaded(write_window_bundle(tmp_path / "three", outputs=3))
    bundle = write_window_bundle(tmp_path / "changed")
    write_network(bundle / NETWORK, 9 * HOP_SAMPLES)
    with pytest.raises(ModelError, match="SHA-256 mismatch"):
        loaded(bundle)
    change_manifest(bundle, lambda m: m["files"].pop(NETWORK))
    (bundle / NETWORK).unlink()
    with pytest.raises(ModelError, match=f"lacks {NETWORK}"):
        loaded(bundle)


def test_a_detector_without_an_index_says_so_where_somebody_asks_for_one(window_bundle):
    detector = loaded(window_bundle)
    for ask in (load_known_voices, encoder_of):
        with pytest.raises(ModelError, match="of kind window: it has no index of known voices"):
            ask(window_bundle)
    with pytest.raises(ModelError, match="no index of known voices"):
        detector.with_overlay(None)
    coming, in_use = [replace(loaded(window_bundle), name="newer")], HotSwapDetector(detector)
    with HotReload(
        in_use, lambda _: NoOverlays(), 3600, lambda: coming.pop() if coming else None
    ) as living:
        assert living.take_model() == "newer" and living.take() is None


def test_the_doors_run_a_window_bundle_and_refuse_its_index(tmp_path, window_bundle):
    def run(door, *arguments):
        command = [sys.executable, ROOT / door, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S
        )

    demo = ROOT / "assets" / "demo.flac"
    heard = run(
        "detect.py", "--json", "--source", demo, "--bundle", window_bundle, "--duration", "6"
    )
    lines = [json.loads(line) for line in heard.stdout.splitlines()]
    name = json.loads((window_bundle / MANIFEST).read_text())["version"]
    assert (
        heard.returncode == 0 and lines[0]["bundle"] == f"brightness {name}" and heard.stderr == ""
    )
    assert sum(line["type"] == "score" and line["llr"] is not None for line in lines) > 10
    added = run(
        "train.py",
        "index",
        "add",
        demo,
        "--label",
        "fake",
        "--bundle",
        window_bundle,
        "--reviewer",
        "ann",
        "--source",
        "demo",
        "--system",
        "flite",
    )
    assert (
        added.returncode == 4
        and "no index of known voices" in added.stderr
        and added.stderr.count("\n") == 1
    )
