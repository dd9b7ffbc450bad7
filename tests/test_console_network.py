"""serve.py on a network: real connections of people, of attackers and of a proxy."""

import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from functools import partial
from select import select
from urllib.parse import urlsplit

import pytest
from fixtures_chromium import SMALL
from fixtures_console import ADMIN, ROOT, VIEWER
from fixtures_patience import PATIENCE_S
from fixtures_storage import until

pytest.importorskip(
    "fastapi", reason="the console's packages are missing: pip install -e '.[serve]'"
)
from websockets.sync.client import connect as open_websocket

ATTACKER = "127.0.0.2"  # loopback on Linux is a whole network


@pytest.fixture
def serve(serve):
    """Starts serve.py with the bundle that loads at once: nothing here depends on what it hears."""
    return partial(serve, "--bundle", SMALL)


@contextmanager
def connection(url: str, sent: bytes = b"", client: str = ATTACKER):
    place = urlsplit(url)
    address = place.hostname, place.port
    with socket.create_connection(address, PATIENCE_S, (client, 0)) as made:
        made.sendall(sent)
        yield made


def received(made: socket.socket) -> bytes:
    """All that comes until the other side has closed."""
    found = b""
    try:
        while part := made.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    return found


def get(url: str, method: str = "GET", **headers: str):
    return urllib.request.urlopen(
        urllib.request.Request(url, headers=headers, method=method), timeout=PATIENCE_S
    )


def is_refused(url: str) -> bool:
    """Whether one more connection of the attacker is closed without an answer."""
    with connection(url) as one:
        try:
            one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        except ConnectionError:
            return True
        return received(one) == b""


def test_half_open_connections_of_one_address_lock_nobody_out_and_are_closed(serve):
    url = serve(RADD_SERVE_CONNECTIONS_OF_CLIENT="4", RADD_SERVE_HEAD_S="0.5").url
    begun = b"GET / HT", b"GET /health HTTP/1.1\r\nX: ", b"", b""
    with ExitStack() as held:
        halves = [held.enter_context(connection(url, sent)) for sent in begun]
        assert is_refused(url)
        assert get(f"{url}/health").status == 200
        assert [received(one) for one in halves] == [b""] * 4
    until(lambda: not is_refused(url))


def test_connections_are_bounded_in_all(serve):
    url = serve(RADD_SERVE_CONNECTIONS="16").url
    guests = [connection(url, client=f"127.0.1.{n}") for n in range(16)]
    for guest in guests:
        guest.__enter__()
    assert is_refused(url)
    for guest in guests:
        guest.__exit__(None, None, None)
    until(lambda: not is_refused(url))


def test_a_body_that_does_not_come_is_told_so_and_one_after_its_answer_is_cut_off(serve):
    url = serve(RADD_SERVE_BODY_S="0.3", RADD_SERVE_HEAD_S="0.5").url
    head = b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n{"
    with connection(url, head % 10) as slow:
        assert received(slow).startswith(b"HTTP/1.1 408")
    with connection(url, head % 46_000_000) as large:
        assert received(large).startswith(b"HTTP/1.1 413")
    with connection(url, head % 46_000_000) as large, pytest.raises(ConnectionError):
        for _ in range(46):
            large.sendall(bytes(1_000_000))
    with connection(url, head % 900_000 + bytes(899_999)) as sent:
        assert received(sent).startswith(b"HTTP/1.1 413")


def test_answers_that_nobody_reads_end_with_their_connection(serve):
    url = serve(RADD_SERVE_CONNECTIONS_OF_CLIENT="4", RADD_SERVE_HEAD_S="0.5").url
    ask = b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 400
    deaf = [connection(url) for _ in range(4)]
    for one in deaf:
        made = one.__enter__()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.sendall(ask)
    until(lambda: not is_refused(url))


def test_uploads_that_are_half_sent_are_bounded_in_all(serve):
    url = serve(RADD_SERVE_UPLOADS_MB="1", RADD_SERVE_MAX_UPLOAD_MB="1").url
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    head = (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    half = head + body + bytes(700_000)
    with connection(url, half) as one, connection(url, half, "127.0.0.3") as other:
        (refused, *_), _, _ = select([one, other], [], [], PATIENCE_S)
        assert refused.recv(65_536).startswith(b"HTTP/1.1 503")


def test_health_and_ready_answer_everybody_and_tell_strangers_nothing(serve):
    url = serve(RADD_SERVE_VIEWER_TOKEN=VIEWER).url
    answer = get(f"{url}/health", "HEAD")
    assert answer.status == 200 and answer.read() == b""
    assert json.load(get(f"{url}/ready")) == {"ready": True, "model": None, "database": None}
    known = json.load(get(f"{url}/ready", Authorization=f"Bearer {VIEWER}"))
    assert known["database"] == "ok" and known["model"]


def test_nobody_is_believed_for_whom_he_asks(serve):
    url = serve(RADD_SERVE_REQUESTS_A_MINUTE="3").url
    codes = []
    for n in range(6):
        try:
            codes.append(get(f"{url}/health", **{"X-Forwarded-For": f"10.0.0.{n}"}).status)
        except urllib.error.HTTPError as refused:
            codes.append(refused.code)
    assert codes == [200] * 3 + [429] * 3


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@pytest.fixture
def nginx(tmp_path, serve):
    """Where nginx shows a console, as deploy/nginx/radd.conf has it."""
    if not (program := shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")):
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    url = serve(
        RADD_SERVE_ADMIN_TOKEN=ADMIN,
        RADD_SERVE_ALLOWED_HOSTS="radd.example",
        RADD_SERVE_ROOT_PATH="/radd",
        RADD_SERVE_TRUSTED_PROXIES="127.0.0.1",
        RADD_SERVE_REQUESTS_A_MINUTE="20",
    ).url
    port, example = free_port(), (ROOT / "deploy/nginx/radd.conf").read_text()
    location = example.replace("http://127.0.0.1:8420", url)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/nginx.pid; daemon off; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/body;\n"
        f"proxy_temp_path {tmp_path}/proxy; fastcgi_temp_path {tmp_path}/f;\n"
        f"uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;\n"
        "map $http_upgrade $radd_connection { default upgrade; '' ''; }\n"
        f"server {{ listen 127.0.0.1:{port}; server_name radd.example;\n{location}\n}} }}\n"
    )
    command = [program, "-e", "stderr", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
    running = subprocess.Popen(command)
    until(lambda: is_open(port))
    yield f"http://127.0.0.1:{port}/radd"
    running.terminate()
    assert running.wait(PATIENCE_S) == 0


def is_open(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_behind_nginx_pages_events_streams_and_sessions_work_and_clients_are_told_apart(nginx):
    named = {"Host": "radd.example", "Authorization": f"Bearer {ADMIN}"}
    assert b"RADD console" in get(f"{nginx}/", **named).read()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{nginx}/v1/nothing", **named)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        get(f"{nginx}/v1/clips", Host="radd.example")
    with pytest.raises(urllib.error.HTTPError, match="421"):
        get(f"{nginx}/health", Host="evil.example")
    entering = urllib.request.Request(
        f"{nginx}/v1/session",
        json.dumps({"token": ADMIN}).encode(),
        {"Host": "radd.example", "Origin": "https://radd.example"}
        | {"Content-Type": "application/json"},
    )
    entered = urllib.request.urlopen(entering, timeout=PATIENCE_S)
    assert "Path=/radd" in entered.headers["Set-Cookie"]
    assert get(f"{nginx}/v1/live", **named).readline().startswith(b"data: ")
    place = urlsplit(nginx)
    with open_websocket(
        f"ws://radd.example:{place.port}/radd/v1/stream",
        sock=socket.create_connection((place.hostname, place.port)),
        additional_headers={"Authorization": f"Bearer {ADMIN}"},
        origin="https://radd.example",
    ) as stream:
        stream.send(bytes(4096))
        assert json.loads(stream.recv())["type"] == "score"


def test_behind_nginx_each_client_has_a_rate_of_its_own(nginx):
    def code(client: str) -> bytes:
        ask = b"GET /radd/health HTTP/1.1\r\nHost: radd.example\r\nConnection: close\r\n\r\n"
        with connection(nginx, ask, client) as one:
            return received(one).split(b" ")[1]

    assert [code(ATTACKER) for _ in range(25)][-1] == b"429"
    assert code("127.0.0.9") == b"200"
