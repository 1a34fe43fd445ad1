"""moto's S3 over HTTP, answering one request at a time.

With a thread a request, as `moto_server` runs it, two conditional puts can both find the
condition true before either is applied; in one thread its puts are as atomic as S3's.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

__all__ = ["Moto", "moto", "serve"]

_SERVE = """
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app))
print(server.server_port, flush=True)
server.serve_forever()
"""


class Moto:
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
def moto() -> Iterator[Moto]:
    """moto on loopback for the whole session; ended with it."""
    pytest.importorskip("moto.server", reason="moto[s3,server] is not installed")
    with serve() as server:
        yield server


@contextmanager
def serve() -> Iterator[Moto]:
    """A server in a process of its own, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a line a request
        text=True,
    )
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, "moto did not start"
        yield Moto(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
