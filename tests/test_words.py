"""The pages of the console write verdicts, probabilities and times as its reports do."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fixtures_patience import PATIENCE_S

from radd.types import Verdict
from radd.wording import clock, percent

DOM = Path(__file__).parents[1] / "console" / "web" / "dom.js"
SHARES = [None, 0.0, 0.004, 0.01, 0.125, 0.126, 0.5, 0.99, 0.996, 1.0]
TIMES = [0, 0.9, 59.99, 60, 605.5, 3599, 3600, 36_061]


def test_page_and_report_write_the_same():
    pytest.importorskip("pydantic", reason="the console's packages are missing")
    from console.report_text import VERDICTS

    node = shutil.which("node")
    if node is None:
        pytest.skip("no node: apt-get install nodejs")
    script = f"""
        import {{ VERDICTS, clock, percent }} from {json.dumps(DOM.as_uri())};
        console.log(JSON.stringify([VERDICTS, {json.dumps(SHARES)}.map(percent),
            {json.dumps(TIMES)}.map(clock)]));
    """
    command = [node, "--no-warnings", "--input-type=module", "--eval", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    words, shares, times = json.loads(done.stdout)
    assert words == {verdict.value: VERDICTS[verdict] for verdict in Verdict}
    assert shares == [percent(share) for share in SHARES]
    assert times == [clock(seconds) for seconds in TIMES]


WEB = DOM.parent
CATALOGUES = {path.name: json.loads(path.read_text("utf-8")) for path in WEB.glob("words*.json")}
SPACE = DOM.parents[2] / "space"
PAGES = [path for place in (WEB, SPACE) for path in (*place.rglob("*.js"), *place.glob("*.html"))]
TEXTS = "".join(path.read_text("utf-8") for path in PAGES)


def flat(part, name=""):
    """The texts of a catalogue by their places, such as `review.undo` or `review.labels.one`."""
    if not isinstance(part, dict | list):
        return {name: str(part)}
    pairs = part.items() if isinstance(part, dict) else enumerate(part)
    return {k: v for key, value in pairs for k, v in flat(value, f"{name}.{key}").items()}


def test_every_translation_has_every_text_and_its_values():
    english = {name: set(re.findall(r"\{\w+\}", text)) for name, text in
               flat(CATALOGUES["words.json"]).items()}  # fmt: skip
    assert {"words.de.json", "words.es.json"} <= CATALOGUES.keys()
    for file, words in CATALOGUES.items():
        found = {name: set(re.findall(r"\{\w+\}", text)) for name, text in flat(words).items()}
        assert found == english, file


def test_every_text_that_a_page_asks_for_is_in_the_catalogue_and_none_is_left_over():
    words = CATALOGUES["words.json"]
    wanted = set(re.findall(r'"([a-z]+\.[a-z_]+)"', TEXTS))
    parts = {name for name in re.findall(r'word\("([a-z]+)"', TEXTS)}
    begun = {name for name in re.findall(r"`([a-z]+\.[a-z_]*)\$\{", TEXTS)}
    known = {f"{part}.{name}" for part, texts in words.items() if isinstance(texts, dict)
             for name in texts}  # fmt: skip
    files = {path.name for path in (*WEB.iterdir(), *SPACE.iterdir())}
    assert {name for name in wanted - files if name.split(".")[0] in words} <= known
    read_elsewhere = {"findings", "verdicts", *parts}
    for name in known - wanted:
        part = name.split(".")[0]
        assert part in read_elsewhere or any(name.startswith(start) for start in begun), name
