"""Azurite, Azure's own emulator of Blob Storage, from its npm package.

`make .azurite/.installed` installs it where npm is; without it these tests are skipped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import ContainerClient

__all__ = ["ACCOUNT", "KEY", "Azurite", "azurite", "serve"]

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's well-known one, printed in its documentation."""

PROGRAM = Path(__file__).parents[2] / ".azurite/node_modules/azurite/dist/src/blob/main.js"


class Azurite:
    """A server that is up."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.url = f"{origin}/{ACCOUNT}"
        """The endpoint of its one account."""

    async def container(self) -> str:
        """The name of a new container."""
        name = f"lake-{uuid.uuid4().hex[:12]}"
        credential = {"account_name": ACCOUNT, "account_key": KEY}
        async with ContainerClient(self.url, name, credential=credential) as client:
            with suppress(ResourceExistsError):  # its client asks again where an answer was late
                await client.create_container()
        return name


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azurite on loopback for the whole session; ended with it."""
    with serve() as server:
        yield server


@contextmanager
def serve(*flags: str) -> Iterator[Azurite]:
    """A server in a process of its own, in memory, on a free port; skips where there is none."""
    node = shutil.which("node")
    if node is None or not PROGRAM.exists():
        pytest.skip("Azurite is not installed: make .azurite/.installed (needs Node.js and npm)")
    process = subprocess.Popen(
        [
            node, str(PROGRAM), "--blobHost", "127.0.0.1", "--blobPort", "0", "--silent",
            "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", *flags,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    log: list[str] = []
    try:
        for line in process.stdout:
            log.append(line)
            if match := re.search(r"successfully listens on (https?://127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail("Azurite did not start:\n" + "".join(log))
        yield Azurite(match[1])
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
