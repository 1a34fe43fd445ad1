"""What holds for every test: its marks, and that CI leaves no server out.

A test is of a server when one of its fixtures comes from the module of that name beside the
integration tests: `tests/integration/datasette.py` starts what `.ci/servers` calls datasette.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from tests import power

__all__ = ["listed_servers"]

# How long an example takes is the machine's affair: a deadline fails tests where it is busy.
hypothesis.settings.register_profile("anywhere", deadline=None)
hypothesis.settings.load_profile("anywhere")

INTEGRATION = "tests.integration."


def listed_servers(root: Path) -> set[str]:
    """The servers that `.ci/servers` names; none where there is no such file."""
    file = root / ".ci/servers"
    lines = file.read_text().splitlines() if file.exists() else []
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def pytest_configure(config: pytest.Config) -> None:
    """Wait for no disk. Where no bytecode is to lie beside the sources, let it lie elsewhere.

    The suite starts hundreds of processes: a third of each one's start would be compiling.
    """
    power.never_fails()
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        folder = tempfile.TemporaryDirectory(prefix="bronze-bytecode-")
        os.environ["PYTHONPYCACHEPREFIX"] = folder.name
        config.add_cleanup(folder.cleanup)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark coroutine tests `async`; refuse tests that are neither unit nor integration."""
    lost = []
    for item in items:
        if item.get_closest_marker("asyncio") is not None:
            item.add_marker("async")
        kinds = [name for name in ("unit", "integration") if item.get_closest_marker(name)]
        if len(kinds) != 1:
            lost.append(item.nodeid)
    if lost:
        raise pytest.UsageError(
            "mark each test unit or integration, not both and not neither: " + ", ".join(lost)
        )


def pytest_collection_finish() -> None:
    """Leave what imports and collection have made out of the garbage collector's sight.

    It goes through everything only once that has grown by a quarter. With as much as the
    suite imports that is seldom: dead tasks pile up, and whoever asks for all tasks, as
    `ManualClock` does at every turn, walks over them. Late in a run of the whole suite that
    was half of its time, as a profiler saw it.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test of a listed server that was skipped has failed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _is_strict():
        missing = _servers_of(item) & listed_servers(item.config.rootpath)
        if missing:
            report.outcome = "failed"
            report.longrepr = (
                f"{', '.join(sorted(missing))} is in .ci/servers, so its tests must run here; "
                f"this one was skipped: {report.longreprtext}"
            )
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module of integration tests that is skipped whole has failed: it may hide a server."""
    report = yield
    if report.skipped and _is_strict() and "tests/integration/" in f"/{collector.nodeid}":
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped whole: {report.longrepr}"
    return report


def _is_strict() -> bool:
    return os.environ.get("CI") == "true" or os.environ.get("RUN_INTEGRATION") == "1"


def _servers_of(item: pytest.Item) -> set[str]:
    fixtures = getattr(item, "_fixtureinfo", None)
    if fixtures is None:
        return set()
    modules = {
        definition.func.__module__
        for definitions in fixtures.name2fixturedefs.values()
        for definition in definitions
    }
    return {name.removeprefix(INTEGRATION) for name in modules if name.startswith(INTEGRATION)}
