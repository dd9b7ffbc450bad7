"""Who may enter the console, and what it tells browsers to refuse."""

import pytest
from fixtures_console import REVIEWER, VIEWER
from test_console_recordings import problem

from app.settings import load
from radd.errors import ConfigError
from storage.call_states import CallStates, Heartbeat

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)
from starlette.websockets import WebSocketDisconnect

ID = "6e3a2f5c-40a1-4f0e-9d3c-8f2b8f7e1d11"
TOKENS = {"viewer_token": VIEWER, "reviewer_token": REVIEWER}
LABEL = {"label": "fake", "reviewer": "ann"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_no_other_machine_is_let_in_without_a_token(host):
    with pytest.raises(ConfigError, match="a token is needed"):
        load(environ={"RADD_SERVE_HOST": host})
    assert (
        load(environ={"RADD_SERVE_HOST": host, "RADD_SERVE_VIEWER_TOKEN": VIEWER}).serve.host
        == host
    )


@pytest.mark.parametrize(
    "environ",
    [
        {"VIEWER_TOKEN": "short"},
        {"ADMIN_TOKEN": "short"},
        {"ADMIN_TOKEN": VIEWER, "VIEWER_TOKEN": VIEWER},
        {"VIEWER_TOKEN": VIEWER, "REVIEWER_TOKEN": VIEWER},
        {"KEY": "key.pem"},
        {"WORKERS": "0"},
        {"PORT": "70000"},
    ],
)
def test_settings_that_are_not_safe_are_refused(environ):
    with pytest.raises(ConfigError):
        load(environ={f"RADD_SERVE_{name}": value for name, value in environ.items()})


def test_a_token_opens_what_its_role_may_do(console):
    client = console(**TOKENS)
    assert client.get("/health").status_code == client.get("/ready").status_code == 200
    for path in ("/v1/clips", "/v1/model", "/metrics", "/v1/live"):
        assert "token" in problem(client.get(path), 401)
    assert client.get("/v1/clips", headers=bearer(VIEWER)).status_code == 200
    assert "reviewer" in problem(
        client.post(f"/v1/clips/{ID}/label", json=LABEL, headers=bearer(VIEWER)), 403
    )
    assert "no clip" in problem(
        client.post(f"/v1/clips/{ID}/label", json=LABEL, headers=bearer(REVIEWER)), 404
    )
    problem(client.get("/v1/clips", headers=bearer("guess")), 401)


def test_a_browser_enters_once_and_leaves(console):
    client = console(**TOKENS)
    assert client.get("/v1/session").json() == {
        "role": None,
        "token_needed": True,
        "reviewer": None,
    }
    problem(client.post("/v1/session", json={"token": "a guess"}), 401)
    answer = client.post("/v1/session", json={"token": VIEWER})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower() and VIEWER not in cookie
    assert (
        client.get("/v1/session").json()["role"] == "viewer"
        and client.get("/v1/clips").status_code == 200
    )
    client.delete("/v1/session")
    problem(client.get("/v1/clips"), 401)


def test_without_any_token_all_on_this_machine_are_admins(console):
    assert console().get("/v1/session").json() == {
        "role": "admin",
        "token_needed": False,
        "reviewer": None,
    }


def test_other_sites_can_neither_post_nor_open_a_stream(console):
    client = console()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        problem(client.post(f"/v1/clips/{ID}/label", json=LABEL, headers=headers), 403)
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(
            "/v1/stream", headers={"Origin": "https://evil.example", "Host": "localhost"}
        ),
    ):
        pass
    problem(client.get("/v1/clips", headers={"Host": "evil.example"}), 421)
    answer = client.get("/v1/clips", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/main.js", "/v1/clips", "/v1/nothing"])
def test_every_answer_bears_the_headers_that_protect(console, path):
    headers = console().get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/../serve.py", "/%2e%2e/config.toml", "/..%2fconfig.toml", "//etc/passwd"]
)
def test_no_path_leads_out_of_the_page(console, path):
    answer = console().get(path)
    assert answer.status_code == 404 and "token" not in answer.text


def test_more_requests_than_allowed_are_refused_for_a_while(console):
    client = console(requests_a_minute=5)
    answers = [client.get("/health") for _ in range(7)]
    assert [answer.status_code for answer in answers[:5]] == [200] * 5
    assert "5 requests" in problem(answers[-1], 429) and answers[-1].headers["retry-after"]


def test_metrics_are_named_for_the_project_and_count_routes_not_paths(console):
    client = console()
    client.get("/v1/clips/<script>")
    names = [
        line.split("{")[0].split(" ")[0]
        for line in client.get("/metrics").text.splitlines()
        if line[0] != "#"
    ]
    assert names and all(name.startswith("radd_") for name in names)
    assert "script" not in client.get("/metrics").text


def test_metrics_name_every_detector_of_a_fleet(console, local):
    states = CallStates(local.url)
    states.report(Heartbeat("detector-1", 3, 0.25, 0.5, 7, 1))
    states.close()
    text = console(url=local.url).get("/metrics").text
    for name in ("calls", "lag_seconds", "busy", "shed_hops", "dead_letters"):
        assert f'radd_detector_{name}{{detector="detector-1"}}' in text
    assert 'radd_detector_lag_seconds{detector="detector-1"} 0.25' in text
