"""The page that judges in the browser: what it shows, what it refuses, and that nothing leaves."""

import os
import re
import shutil

import numpy as np
import pytest
import soundfile
from fixtures_space import SpaceServer
from test_console_page import barriers
from test_space_scores import findings

from radd.errors import RaddError
from radd.files import load_speech
from radd.types import SAMPLE_RATE_HZ
from space import build as space
from stream.capture.sources import DEMO


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Three seconds of a synthetic voice."""
    path = tmp_path_factory.mktemp("recording") / "fake.flac"
    soundfile.write(path, load_speech(DEMO)[32_000:80_000], SAMPLE_RATE_HZ)
    return path


def test_nothing_leaves_the_browser_and_nothing_is_fetched_once_the_page_has_loaded(
    served, open_space, recording
):
    page = open_space(served.url("/try/"))
    assert all(address.startswith(served.url()) for address in page.sent)
    asked, sent = served.asked.copy(), list(page.sent)
    page.context.set_offline(True)  # a request would fail, not only be counted
    page.set_input_files("#file", recording)
    page.click("#microphone")
    page.locator(".listening .verdict.spoof").wait_for()
    page.locator(".listening", has_text="Alert: a synthetic voice since").wait_for()
    level = page.locator(".listening .meter i").evaluate("node => node.offsetWidth")
    assert level > 0
    page.click("#microphone")
    page.locator(".listening", has_text="Stopped after").wait_for()
    with page.expect_download():
        page.locator(".result button", has_text="Save JSON").click()
    assert (served.asked, page.sent) == (asked, sent)
    assert page.troubles == []


def test_the_page_may_reach_no_other_place(served, open_space):
    """Its own policy says so, also where a host sends no headers."""
    page = open_space(served.url(), is_ready=False)
    other = served.url().replace("127.0.0.1", "localhost")
    refused = page.evaluate("address => fetch(address).then(() => 'sent', String)", other)
    assert "TypeError" in refused
    assert other not in page.sent


def test_channels_that_differ_are_judged_each_and_the_most_synthetic_is_told(
    space_page, judge_in_python, tmp_path, speech
):
    fake, real = load_speech(DEMO)[32_000:80_000], load_speech(speech)[:48_000]
    n = min(len(fake), len(real))
    paths = [tmp_path / name for name in ("apart.flac", "alike.flac")]
    soundfile.write(paths[0], np.stack([real[:n], fake[:n]], 1), SAMPLE_RATE_HZ)
    soundfile.write(paths[1], np.stack([fake[:n], fake[:n]], 1), SAMPLE_RATE_HZ)
    apart, alike = findings(space_page, paths)
    expected, _ = judge_in_python(fake[:n])
    for found in (apart, alike):
        assert found["llr"] == pytest.approx(expected["llr"], abs=1e-3)
    assert "2 different channels; this is channel 2" in apart["warnings"][0]
    assert alike["warnings"] == []


def test_what_cannot_be_judged_is_told(space_page, tmp_path):
    files = {"text.mp3": b"no sound", "empty.wav": b""}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    soundfile.write(tmp_path / "short.flac", np.zeros(1_600, np.float32), SAMPLE_RATE_HZ)
    soundfile.write(tmp_path / "silence.flac", np.zeros(48_000, np.float32), SAMPLE_RATE_HZ)
    for name, sentence in {
        "text.mp3": "cannot be decoded by this browser",
        "empty.wav": "cannot be decoded by this browser",
        "short.flac": "0.100 s of audio; a score needs at least 0.128 s",
        "silence.flac": "no speech in the window",
    }.items():
        space_page.set_input_files("#file", tmp_path / name)
        space_page.locator(".result", has_text=name).filter(has_text=sentence).wait_for()


def test_a_bundle_that_was_changed_is_not_used(built, open_space, tmp_path):
    shutil.copytree(built, tmp_path / "changed", copy_function=os.link)
    references = tmp_path / "changed" / "model" / "references.csv"
    text = references.read_text(encoding="utf-8")
    references.unlink()
    references.write_text(text.replace("spoof", "bonafide", 1), encoding="utf-8")
    server = SpaceServer(tmp_path / "changed")
    page = open_space(server.url(), is_ready=False)
    notice = page.locator("#notice", has_text="references.csv differs from the file")
    notice.wait_for()
    assert page.locator("#choose").is_disabled()
    server.shutdown()
    server.server_close()


def test_everybody_can_use_it_on_every_screen(served, open_space, recording):
    page = open_space(served.url(), viewport={"width": 360, "height": 740})

    def is_open_to_all() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert barriers(page) == []

    page.click("#microphone")
    page.locator(".listening .verdict.spoof").wait_for()
    is_open_to_all()
    page.click("#microphone")
    page.locator(".listening", has_text="Stopped after").wait_for()
    findings(page, [recording])
    is_open_to_all()


def test_the_console_serves_it_with_a_policy_that_allows_webassembly_there_only(
    console, built, tmp_path, monkeypatch
):
    from console import app

    monkeypatch.setattr(app, "BUILT", tmp_path / "space")
    client = console()
    missing = client.get("/try/")
    assert missing.status_code == 404 and "run make space" in missing.json()["detail"]
    (tmp_path / "space").symlink_to(built)
    answer = client.get("/try")
    assert answer.status_code == 200 and "is this voice a person?" in answer.text
    assert "wasm-unsafe-eval" in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert (
        client.get("/try/ort/ort.wasm.min.mjs")
        .headers["content-type"]
        .startswith(("text/javascript", "application/javascript"))
    )
    assert "wasm-unsafe-eval" not in client.get("/").headers["content-security-policy"]


def test_its_readme_is_that_of_a_static_space(built):
    _, head, text = (built / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    fields = dict(re.findall(r"^(\w+): (.+)$", head, re.MULTILINE))
    assert fields["sdk"] == "static" and (built / fields["app_file"]).is_file()
    assert len(fields["short_description"]) <= 60
    assert "make space" in text


def test_a_runtime_that_is_missing_or_has_another_hash_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RaddError, match="install npm"):
        space.fetched(tmp_path / "nothing")
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\necho damaged > $4/{space.PACKAGE}-{space.VERSION}.tgz\n")
    npm.chmod(0o755)
    with pytest.raises(RaddError, match="SHA-512"):
        space.fetched(tmp_path / "damaged")


def test_a_bundle_of_another_kind_is_not_built_into_the_page(window_bundle, tmp_path):
    with pytest.raises(RaddError, match="kind window; the page runs radd"):
        space.build(tmp_path / "out", window_bundle)
    assert not (tmp_path / "out").exists()
