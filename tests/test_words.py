"""The pages of the console write verdicts, probabilities and times as its reports do."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from fixtures_patience import PATIENCE_S

from radd.types import Verdict

DOM = Path(__file__).parents[1] / "console" / "web" / "dom.js"
SHARES = [None, 0.0, 0.004, 0.01, 0.125, 0.126, 0.5, 0.99, 0.996, 1.0]
TIMES = [0, 0.9, 59.99, 60, 605.5, 3599, 3600, 36_061]


def test_page_and_report_write_the_same():
    pytest.importorskip("pydantic", reason="the console's packages are missing")
    from console.report_text import VERDICTS, clock, percent

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
