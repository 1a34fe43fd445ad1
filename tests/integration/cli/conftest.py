"""Commands within this process, and one demo server for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from bronze_engine.demo.process import DemoServer
from tests.integration.azurite import azurite
from tests.integration.cli.command import Bronze, environment
from tests.integration.moto import moto

__all__ = ["azurite", "moto"]

RECORDS = 2500


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    """The demo API without faults, with RECORDS orders."""
    server = DemoServer(records=RECORDS)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server) as url:
        yield url


@pytest.fixture
def bronze(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bronze:
    """Commands in an empty folder, with no variable of ours set."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ.keys() - environment().keys():
        monkeypatch.delenv(name)
    return Bronze(tmp_path, capsys)
