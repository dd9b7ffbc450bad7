"""What one client may send, hold and use: bodies before they are parsed, turns, streams, sound."""

import asyncio

import numpy as np
import pytest
from fixtures_console import ADMIN, REVIEWER, VIEWER
from test_console_auth import TOKENS, bearer
from test_console_recordings import as_file, predict, problem

from app.settings import load
from radd.errors import ConfigError

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)
from console.clients import Shares, client_key
from console.http_errors import Refused
from console.job_queue import Turns
from console.keys import Keys

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path", ["/v1/session", "/v1/clips/x/label", "/v1/retrain"])
def test_a_body_that_is_no_upload_is_small_whether_it_says_its_length_or_not(console, path):
    client = console()
    problem(client.post(path, content=b"[" * 200_000, headers=JSON), 413)
    problem(client.post(path, content=(b"[" * 10_000 for _ in range(20)), headers=JSON), 413)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"token": "\\ud800"}', b"\xff", b"1" * 9_000])
def test_no_body_makes_a_fault_of_the_console(console, body):
    answer = console(**TOKENS).post("/v1/session", content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    problem(answer, answer.status_code)


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1e9", "²"])
def test_a_length_that_is_none_is_refused(console, length):
    headers = JSON | {"Content-Length": length.encode()}
    answer = console().post("/v1/session", content=b"{}", headers=headers)
    assert answer.status_code in (400, 413)


@pytest.mark.parametrize("host", ["[", "[::1", "a]b", "[evil.example]", "localhost:99999999", ""])
def test_a_host_that_is_none_is_refused(console, host):
    answer = console().get("/health", headers={"Host": host})
    assert answer.status_code in (200, 421) and (answer.status_code == 200) == (
        host.partition(":")[0] == "localhost"
    )


@pytest.mark.parametrize("origin", ["http://[", "null", "//localhost", "localhost"])
def test_an_origin_that_is_none_is_refused(console, origin):
    headers = {"Origin": origin, "Host": "localhost"}
    problem(console().post("/v1/session", json={"token": "x"}, headers=headers), 403)


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("path", ["/v1/alerts", "/v1/clips"])
def test_a_time_beyond_all_years_is_refused(console, path, since):
    assert "years" in problem(console().get(path, params={"since": since}), 422)


@pytest.mark.parametrize("since", ["0.0", "1700000000", "1_000", "now"])
def test_a_number_is_no_time(console, since):
    assert "2026-03-01" in problem(console().get("/v1/clips", params={"since": since}), 422)


def test_names_that_a_proxy_calls_by_are_answered_and_no_others(console):
    client = console(**TOKENS, allowed_hosts="radd.example, radd.example:8443")
    for host in ("radd.example", "RADD.example:8443", "localhost:1"):
        assert client.get("/health", headers={"Host": host}).status_code == 200
    problem(client.get("/health", headers={"Host": "radd.example.evil"}), 421)
    for origin, status in (
        ("https://radd.example", 401),
        ("https://radd.example:8443", 401),
        ("https://radd.example:9000", 403),
        ("https://evil.example", 403),
    ):
        headers = {"Host": "radd.example", "Origin": origin}
        problem(client.post("/v1/session", json={"token": "guess"}, headers=headers), status)


@pytest.mark.parametrize("name", ["ALLOWED_HOSTS", "ROOT_PATH", "TRUSTED_PROXIES"])
def test_a_console_behind_a_proxy_takes_a_token(name):
    environ = {f"RADD_SERVE_{name}": "/radd" if name == "ROOT_PATH" else "127.0.0.1"}
    with pytest.raises(ConfigError, match="a token is needed"):
        load(environ=environ)
    assert load(environ=environ | {"RADD_SERVE_ADMIN_TOKEN": ADMIN}).serve.admin_token == ADMIN


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TRUSTED_PROXIES", "10.0.0.0/99", "addresses or networks"),
        ("ROOT_PATH", "radd/", "slash"),
        ("REVIEWERS", "Ada", "NAME=TOKEN"),
        ("REVIEWERS", "Ada=short", "too short"),
        ("REVIEWERS", f"Ada={REVIEWER}, Ada={VIEWER}", "twice"),
        ("REVIEWERS", f"Ada={ADMIN}", "not all different"),
    ],
)
def test_settings_of_a_network_that_are_not_safe_are_refused(name, value, words):
    environ = {f"RADD_SERVE_{name}": value, "RADD_SERVE_ADMIN_TOKEN": ADMIN}
    with pytest.raises(ConfigError, match=words) as refused:
        load(environ=environ)
    assert ADMIN not in str(refused.value)


def test_over_https_browsers_are_told_to_stay_there(console):
    client = console(**TOKENS)
    assert "strict-transport-security" not in client.get("/health").headers
    safe = client.get("https://localhost/health")
    assert "max-age" in safe.headers["strict-transport-security"]


def test_a_copy_of_a_cookie_opens_nothing_after_the_logout(console):
    client = console(**TOKENS)
    client.post("/v1/session", json={"token": VIEWER})
    copied = {"Cookie": f"radd_session={client.cookies['radd_session']}"}
    assert client.get("/v1/clips", headers=copied).status_code == 200
    client.delete("/v1/session")
    problem(client.get("/v1/clips", headers=copied), 401)
    problem(client.get("/v1/clips", headers={"Cookie": f"radd_session={VIEWER}"}), 401)


def test_clients_get_their_turns_one_after_the_other():
    done = []

    async def work(turns: Turns, client: str) -> None:
        async with turns.place(client):
            await asyncio.sleep(0)
            done.append(client)

    async def all_of_them() -> None:
        turns = Turns(1)
        await asyncio.gather(*(work(turns, client) for client in "aaaaaab"), work(turns, "c"))

    asyncio.run(all_of_them())
    assert "".join(done) == "aabcaaaa"


def test_a_turn_that_nobody_waits_for_any_more_goes_to_the_next():
    async def play() -> list[str]:
        turns, done = Turns(1), []

        async def work(client: str) -> None:
            async with turns.place(client):
                done.append(client)

        async with turns.place("holds"):
            gone, stays = asyncio.create_task(work("gone")), asyncio.create_task(work("stays"))
            await asyncio.sleep(0)
            gone.cancel()
        await asyncio.gather(gone, stays, return_exceptions=True)
        await work("later")
        return done

    assert asyncio.run(play()) == ["stays", "later"]


def test_one_client_holds_half_of_the_places_at_most():
    shares = Shares(4, "things are held", "[serve] things")
    with shares.place("a"), shares.place("a"), shares.place("b"):
        with pytest.raises(Refused, match="one client"):
            shares.check("a")
        with shares.place("c"), pytest.raises(Refused, match="allows"):
            shares.check("d")
    assert shares.taken == 0


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
    ],
)
def test_a_client_is_what_an_address_cannot_change(one, other, is_same):
    assert (client_key(one) == client_key(other)) == is_same


def test_sound_is_counted_for_each_client_by_its_length_not_by_its_bytes(console):
    client = console(sound_h=20 / 3600)
    silence = as_file(np.zeros(15 * 16_000), "flac")
    assert len(silence) < 10_000 and predict(client, silence).status_code == 200
    assert "hours of sound" in problem(predict(client, silence), 429)
    with client.websocket_connect("/v1/stream", headers={"Host": "localhost"}) as stream:
        stream.send_bytes(bytes(2 * 16_000 * 6))
        assert "hours of sound" in stream.receive_json()["detail"]


def test_a_stream_that_brings_next_to_nothing_is_ended(console):
    with console(idle_s=0.2).websocket_connect(
        "/v1/stream", headers={"Host": "localhost"}
    ) as stream:
        stream.send_bytes(b"\0\0")
        assert "less than 1.0 s of audio" in stream.receive_json()["detail"]


def test_one_client_cannot_hold_all_streams(console):
    client = console(streams=2)
    with client.websocket_connect("/v1/stream", headers={"Host": "localhost"}) as first:
        first.send_bytes(bytes(4096))
        assert first.receive_json()["type"] == "score"
        with client.websocket_connect("/v1/stream", headers={"Host": "localhost"}) as second:
            assert "one client" in second.receive_json()["detail"]


def test_a_command_line_is_blamed_for_what_it_says():
    options = {("serve", "host"): "0.0.0.0"}
    with pytest.raises(ConfigError) as refused:
        load(environ={}, options=options)
    assert str(refused.value).startswith("--host: host = '0.0.0.0'")
    assert load(environ={}).serve.host == "127.0.0.1"


def test_a_name_of_a_token_is_told_to_its_page(console, tmp_path):
    file = tmp_path / "reviewers"
    file.write_text(f"Ada={REVIEWER}\nBen={VIEWER}\n")
    client = console(reviewers=f"@{file}")
    said = client.get("/v1/session", headers=bearer(VIEWER)).json()
    assert said == {"role": "reviewer", "token_needed": True, "reviewer": "Ben"}


def test_a_file_of_tokens_is_read_by_who_serves_alone(tmp_path):
    serve = load(environ={"RADD_SERVE_REVIEWERS": f"@{tmp_path}/none"}).serve
    with pytest.raises(ConfigError, match="none"):
        Keys(serve)
