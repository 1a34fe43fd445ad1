"""LocalStack's S3: of the servers that run anywhere, the one most like Amazon's.

`make .localstack-venv/.installed` installs it, in an environment of its own; without it
these tests are skipped.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import pytest

__all__ = ["LocalStack", "localstack", "serve"]

PYTHON = Path(__file__).parents[2] / ".localstack-venv/bin/python"


class LocalStack:
    """A server that is up. Any credentials will do."""

    def __init__(self, url: str) -> None:
        self.url = url

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"lake-{uuid.uuid4().hex[:12]}"
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request("PUT", f"/{name}")
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
        finally:
            connection.close()
        return name


@pytest.fixture(scope="session")
def localstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """LocalStack on loopback for the whole session; ended with it."""
    with serve(tmp_path_factory.mktemp("localstack")) as server:
        yield server


@contextmanager
def serve(folder: Path) -> Iterator[LocalStack]:
    """A server in a process of its own, on a free port, with its files in `folder`."""
    if not PYTHON.exists():
        pytest.skip("LocalStack is not installed: make .localstack-venv/.installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*free.getsockname())
    process = subprocess.Popen(
        [str(PYTHON), "-m", "localstack.runtime.main"],
        cwd=folder,
        # Nothing of ours; nothing outside of the folder; nothing told to anybody.
        env={
            "PATH": os.defpath,
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "FILESYSTEM_ROOT": str(folder),
            "OVERRIDE_IN_DOCKER": "0",  # in a container it would write to /var/lib
            "GATEWAY_LISTEN": address,
            "GATEWAY_SERVER": "hypercorn",  # its other server listens on every interface
            "SERVICES": "s3",
            "DNS_ADDRESS": "0",
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "LS_LOG": "error",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    log: deque[str] = deque(maxlen=100)
    has_begun = threading.Event()
    reader = threading.Thread(target=_read, args=(process.stdout, log, has_begun))
    reader.start()
    try:
        has_begun.wait(60)
        if "Ready.\n" not in log:
            pytest.fail("LocalStack did not start:\n" + "".join(log))
        yield LocalStack(f"http://{address}")
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # on SIGTERM it takes seconds to say goodbye
        process.wait()
        reader.join()
        process.stdout.close()


def _read(lines: TextIO, log: deque[str], has_begun: threading.Event) -> None:
    """To the end, so that the server never waits for somebody who reads what it prints."""
    for line in lines:
        log.append(line)
        if line == "Ready.\n":
            has_begun.set()
    has_begun.set()
