"""Made-up requests and damaged files: the console answers each as its OpenAPI says, and never with
a fault of its own.
"""

import pytest
from fixtures_fuzz import inputs
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_console_recordings import FORMS, as_file, predict, problem

from radd.files import load_speech
from stream.capture.sources import DEMO

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)

ENDLESS = "/v1/live"  # server-sent events
SLACK = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@pytest.fixture
def client(console):
    """One console for all examples of a test."""
    return console()


@pytest.fixture(scope="module")
def two_seconds_as():
    """The bytes of a file of each kind, by its name."""
    return {
        kind: as_file(load_speech(DEMO)[: 2 * 16_000], kind) for kind in [*FORMS, "m4a"]
    }.__getitem__


def test_every_answer_is_one_that_the_openapi_describes(client, tried):
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from schemathesis import GenerationMode
    from schemathesis.checks import load_all_checks, not_a_server_error
    from schemathesis.python.asgi import get_client
    from schemathesis.specs.openapi import checks as told

    load_all_checks()
    schema = schemathesis.openapi.from_dict(client.app.openapi())
    operations = [one.ok() for one in schema.get_all_operations() if one.ok().path != ENDLESS]
    kinds = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
    checks = [
        not_a_server_error,
        told.status_code_conformance,
        told.content_type_conformance,
        told.response_headers_conformance,
        told.response_schema_conformance,
    ]

    with get_client(client.app) as session:

        @settings(max_examples=inputs(60), **SLACK)
        @given(
            st.one_of(*(operation.as_strategy(kind) for operation in operations for kind in kinds))
        )
        def ask(case):
            tried()
            answer = case.call(session=session, base_url="http://localhost", app=client.app)
            # what is no string in a form is sent as its text, which is a file like any other
            is_form = case.media_type == "multipart/form-data"
            rejects = [] if is_form else [told.negative_data_rejection]
            case.validate_response(answer, checks=[*checks, *rejects])

        ask()


@example(
    "m4a", 51, 51, b"-\xf4U\xd0?\xe8L\x8eH7\x96\x9d\x06\xe3\xbe\x03", True
)  # not one sample is left
@settings(max_examples=inputs(25), **SLACK)
@given(
    kind=st.sampled_from([*FORMS, "m4a"]),
    cut=st.integers(0, 4000),
    at=st.integers(0, 3000),
    junk=st.binary(max_size=40),
    tail=st.booleans(),
)
def test_no_damage_to_a_file_brings_anything_but_a_judgement_or_a_refusal(
    client, two_seconds_as, tried, kind, cut, at, junk, tail
):
    tried()
    data = two_seconds_as(kind)
    data = data[:at] + junk + data[at + len(junk) :]
    data = data[: len(data) - cut] if tail else data[cut:]
    answer = predict(client, data)
    if answer.status_code != 200:
        problem(answer, 422)
