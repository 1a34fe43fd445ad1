"""A limit that the container does not have is told before the kernel kills the process."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio.lowlevel
import pytest

from bronze_engine.cli import memory
from bronze_engine.cli.memory import warn_of_memory
from bronze_engine.cli.session import logging_of_commands, with_engine
from bronze_engine.config.load import load_config
from bronze_engine.engine import Engine

pytestmark = pytest.mark.unit

MIB = 1024**2


TOLD = (
    "engine.memory_limit is 512 MiB, and this container has %s MiB for all, of which Python and "
    "its libraries take about 128: runs that need their memory may be killed by the kernel, with "
    "137 and without a word; give it 640 MiB"
)
LOWER = TOLD + ', or set engine.memory_limit = "%sMiB"'


@pytest.mark.parametrize(
    ("available", "told"),
    [
        (None, []),
        (640, []),
        (512, [LOWER % (512, 384)]),
        (128, [TOLD % 128]),
    ],
)
def test_a_limit_above_the_containers_is_warned_of(
    available: int | None,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(memory, "memory_bytes", lambda: available and available * MIB)
    with caplog.at_level(logging.WARNING):
        warn_of_memory(512 * MIB)
    assert caplog.messages == told


@pytest.mark.parametrize("runs", [True, False])
def test_what_runs_pipelines_warns_of_it_and_what_only_looks_does_not(
    runs: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def work(_engine: Engine) -> None:
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(memory, "memory_bytes", lambda: 256 * MIB)
    (tmp_path / "pipelines.toml").write_text("")
    with logging_of_commands():
        with_engine(load_config(tmp_path / "pipelines.toml"), work, is_monitored=runs)
    assert ("engine.memory_limit is 512 MiB" in capsys.readouterr().err) is runs
