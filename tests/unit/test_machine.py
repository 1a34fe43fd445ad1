"""What a container may use is its limits, not what the machine has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from bronze_engine import load_config, machine, open_engine
from bronze_engine.machine import cores, memory_bytes

pytestmark = pytest.mark.unit

MIB = 1024**2
NONE_OF_V1 = "9223372036854771712"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 cores, without control groups."""
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    monkeypatch.setattr(machine, "_OURS", tmp_path / "ours")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    return tmp_path


def write(system: Path, ours: str, files: Mapping[str, str]) -> None:
    (system / "ours").write_text(ours)
    for name, text in files.items():
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("ours", "files", "limits"),
    [
        ("", {}, (64, None)),
        ("0::/\n", {"cpu.max": "max 100000", "memory.max": "max"}, (64, None)),
        # A container, which sees its own group as the root.
        ("0::/\n", {"cpu.max": "250000 100000", "memory.max": f"{512 * MIB}"}, (3, 512 * MIB)),
        ("0::/\n", {"cpu.max": "10000 100000"}, (1, None)),
        # A service of systemd: the limit of any group above holds, too.
        (
            "0::/system.slice/land.service\n",
            {
                "system.slice/cpu.max": "400000 100000",
                "system.slice/memory.max": f"{300 * MIB}",
                "system.slice/land.service/cpu.max": "max 100000",
                "system.slice/land.service/memory.max": f"{400 * MIB}",
            },
            (4, 300 * MIB),
        ),
        ("0::/../other\n", {"memory.max": f"{200 * MIB}"}, (64, 200 * MIB)),
        # Version 1, from within a container: the path is that of outside.
        (
            "9:memory:/docker/1f\n4:cpu,cpuacct:/docker/1f\n0::/\n",
            {
                "memory/memory.limit_in_bytes": f"{256 * MIB}",
                "cpu,cpuacct/cpu.cfs_quota_us": "200000",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            (2, 256 * MIB),
        ),
        (
            "9:memory:/a\n4:cpu:/a\n",
            {
                "memory/memory.limit_in_bytes": NONE_OF_V1,
                "memory/a/memory.limit_in_bytes": f"{128 * MIB}",
                "cpu/cpu.cfs_quota_us": "-1",
                "cpu/cpu.cfs_period_us": "100000",
            },
            (64, 128 * MIB),
        ),
    ],
)
def test_the_least_limit_of_its_groups_holds(
    system: Path, ours: str, files: Mapping[str, str], limits: tuple[int, int | None]
) -> None:
    write(system, ours, files)
    assert (cores(), memory_bytes()) == limits


def test_more_than_its_affinity_no_quota_gives(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(system, "0::/\n", {"cpu.max": "800000 100000"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
    assert cores() == 1


@pytest.mark.asyncio
async def test_an_engine_has_as_many_workers(system: Path) -> None:
    """Of a pod with one core of sixty-four it had 64, and so many row groups in memory."""
    write(system, "0::/\n", {"cpu.max": "250000 100000"})
    (system / "pipelines.toml").write_text("")
    async with open_engine(load_config(system / "pipelines.toml")) as engine:
        assert engine._services.workers.threads == 3
