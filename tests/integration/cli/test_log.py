"""The log as operators read it: fields, codes, time, and one line a record."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.integration.cli.command import (
    DATE,
    PIPELINE,
    Bronze,
    in_background,
    paged,
    shop,
    url_of,
)
from tests.integration.http_server import Seen, answer

pytestmark = pytest.mark.integration

RUN = ("run", PIPELINE, "--date", DATE)
LINE = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) (DEBUG|INFO|WARNING|ERROR) \S.*")


@pytest.fixture
def far_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")  # 14 h ahead of UTC
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_zone")
def test_lines_are_utc_and_the_fourth_field_of_an_error_is_its_code(bronze: Bronze) -> None:
    shop(bronze.folder)

    async def refuse(seen: Seen, _: object) -> bytes:
        said = "no\nERROR 2025-01-01 FORGED\u2028line\x1b[2J"
        return answer({"message": said}, status=int(seen.path.rpartition("/")[2]))

    with in_background(refuse) as server:
        for status in (400, 401, 500):
            bronze(*RUN, *url_of(server), "--set", f"source.path=/{status}", "-v")
    now = datetime.now(UTC)
    assert [path.name for path in (bronze.folder / "logs").iterdir()] == [
        f"bronze-{now.date()}.log"
    ]
    lines = bronze.log().split("\n")
    assert lines.pop() == ""
    for line in lines:
        match = LINE.fullmatch(line)
        assert match is not None, line
        written = datetime.fromisoformat(f"{match[1]}T{match[2]}+00:00")
        assert abs((now - written).total_seconds()) < 60
        assert "\x1b" not in line
        assert "\u2028" not in line
    errors = [line.split(" ") for line in lines if " ERROR " in line and line.split()[2] == "ERROR"]
    assert [fields[3] for fields in errors] == ["EXT001", "AUTH001", "RETRY001"]


def test_metrics_stand_where_the_rules_say(bronze: Bronze) -> None:
    shop(bronze.folder)

    async def fail(*_: object) -> bytes:
        return answer({}, status=500)

    with in_background(paged([{"id": 1}])) as server:
        ran = bronze.well(*RUN, *url_of(server), "-v", "--set", "apis.shop.rate_limit.rps=1000")
    assert re.search(
        r"metric=rate_limit component=ApiExtractor phase=acquire tokens=\d+\.\d\d capacity=\d+"
        r" rate=1000\.00",
        ran.err,
    )
    with in_background(fail) as server:
        breaker = '{failures=1, cooldown="10ms"}'
        ran = bronze(*RUN, *url_of(server), "--set", f"apis.shop.circuit_breaker={breaker}")
    assert "metric=breaker_state component=ApiExtractor state=open" in ran.err
    assert "metric=breaker_state" in bronze.log()


def test_the_level_comes_from_the_variable_and_from_v(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(bronze.folder)
    with in_background(paged([{"id": 1}])) as server:
        monkeypatch.setenv("BRONZE_LOG_LEVEL", "ERROR")
        assert bronze.well(*RUN, *url_of(server)).err == ""
        assert " DEBUG " in bronze.well(*RUN, *url_of(server), "-v").err


def test_a_log_dir_that_can_not_be_written_is_one_warning(bronze: Bronze) -> None:
    shop(bronze.folder)
    (bronze.folder / "logs").write_text("a file")
    with in_background(paged([{"id": 1}])) as server:
        ran = bronze.well("run", PIPELINE, *url_of(server))
    warnings = [line for line in ran.err.splitlines() if " WARNING " in line]
    assert len(warnings) == 1
    assert "log_dir" in warnings[0]


def test_a_fault_of_ours_is_70_with_its_traceback_on_one_line_of_the_file(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(bronze.folder)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted\nfault")

    monkeypatch.setattr("bronze_engine.run.steps.compose_manifest", broken)
    with in_background(paged([{"id": 1}])) as server:
        ran = bronze(*RUN, *url_of(server))
    assert ran.status == 70
    assert ran.out == ""
    assert ran.errors[0].startswith("BRONZE this is a fault of bronze-engine itself")
    assert "  | ZeroDivisionError: planted" in ran.err
    (line,) = [line for line in bronze.log().splitlines() if " ERROR " in line]
    assert "ZeroDivisionError: planted\\nfault" in line
    assert not list((bronze.folder / "lake").rglob("dt=*/*"))
    assert not list((bronze.folder / "lake").rglob(".*"))
    (report,) = (bronze.folder / "lake/_runs").rglob("*.json")
    assert json.loads(report.read_bytes())["error"] == "ZeroDivisionError"


def test_the_logging_of_before_is_back_after_a_command(bronze: Bronze) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.getLogger("bronze_engine").level)
    shop(bronze.folder)
    ran = bronze("verify", PIPELINE, "--log-file", "x.log")
    assert ran.status == 2  # verify has no such option
    ran = bronze("run", "team.nobody", "--log-file", "x.log")
    assert "there is no pipeline" in (bronze.folder / "x.log").read_text()
    after = (root.handlers[:], root.level, logging.getLogger("bronze_engine").level)
    assert after == before
