"""A real MariaDB server of the tests' own, and an empty database in it for each test that asks."""

import getpass
import shutil
import socket
import subprocess
import sys
import time
import uuid

import mysql.connector
import pytest
from fixtures_patience import PATIENCE_S

USER, PASSWORD = "radd", "p@ss/wörd'"
PASSWORD_IN_URL = "p%40ss%2Fw%C3%B6rd%27"
# The data need not outlive the machine, so the server waits for no disk, as in MariaDB's own tests.
NEVER_SYNCED = (
    "--loose-debug-no-sync",
    "--loose-innodb-flush-method=nosync",
    "--innodb-flush-log-at-trx-commit=0",
)


class MariaDB:
    """A server on a port of its own; stop() and start() keep its data."""

    def __init__(self, directory):
        self.directory = directory
        self.program = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
        self.kept = (
            socket.socket()
        )  # never listens, but as long as it has the port nobody else is given it
        self.kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.kept.bind(("127.0.0.1", 0))
        self.port = self.kept.getsockname()[1]
        if sys.platform != "linux":  # there the server could not share it
            self.kept.close()
        self.process = None

    def install(self):
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--user={getpass.getuser()}",
                f"--datadir={self.directory}/data",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
        )

    def start(self):
        self.process = subprocess.Popen(
            [
                self.program,
                "--no-defaults",
                f"--user={getpass.getuser()}",
                f"--datadir={self.directory}/data",
                f"--socket={self.directory}/socket",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                "--innodb-buffer-pool-size=32M",
                *NEVER_SYNCED,
                f"--pid-file={self.directory}/pid",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.connect().close()
                return
            except mysql.connector.Error:
                assert time.monotonic() < deadline, "MariaDB did not become ready"
            try:
                code = self.process.wait(0.1)
                raise AssertionError(f"MariaDB ended with {code}")
            except subprocess.TimeoutExpired:
                pass

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE_S)

    def connect(self, database=None):
        """As its administrator."""
        return mysql.connector.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            database=database,
            autocommit=True,
            collation="utf8mb4_unicode_ci",
        )

    def execute(self, statement, *values, database=None):
        connection = self.connect(database)
        try:
            cursor = connection.cursor()
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.with_rows else []
        finally:
            connection.close()

    def url(self, database, user=USER, password=PASSWORD_IN_URL):
        return f"mysql+mysqlconnector://{user}:{password}@127.0.0.1:{self.port}/{database}"


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory):
    server = MariaDB(tmp_path_factory.mktemp("mariadb"))
    if server.program is None or shutil.which("mariadb-install-db") is None:
        pytest.skip("MariaDB is not installed")
    server.install()
    server.start()
    server.execute(f"CREATE USER {USER}@'%' IDENTIFIED BY %s", PASSWORD)
    server.execute(f"GRANT ALL ON `radd\\_%`.* TO {USER}@'%'")
    yield server
    server.stop()
    server.kept.close()


@pytest.fixture
def mariadb_url(mariadb):
    """An empty database that is gone after the test."""
    name = f"radd_{uuid.uuid4().hex}"
    mariadb.execute(f"CREATE DATABASE {name}")
    yield mariadb.url(name)
    mariadb.execute(f"DROP DATABASE {name}")
