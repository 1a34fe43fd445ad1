from __future__ import annotations

import io
import json
import logging
import os
import re
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.telemetry.log import Logs, setup_logging
from bronze_engine.testing.clock import ManualClock

pytestmark = pytest.mark.unit

LOG = logging.getLogger("bronze_engine.test")
START = datetime(2025, 1, 15, 23, 59, 59, 123456, tzinfo=UTC)
LINE = re.compile(r"2025-01-1\d \d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO|WARNING|ERROR) .*")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start=START)


@pytest.fixture(autouse=True)
def logging_is_put_back() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.getLogger("bronze_engine").level)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    logging.getLogger("bronze_engine").setLevel(before[2])
    logging.captureWarnings(False)


def opened(clock: ManualClock, stream: io.StringIO, **options: object) -> Logs:
    return setup_logging(
        level=str(options.pop("level", "DEBUG")),
        clock=clock,
        stream=stream,
        **options,  # type: ignore[arg-type]
    )


def test_a_line_is_date_time_level_message_in_utc(clock: ManualClock) -> None:
    stream = io.StringIO()
    with opened(clock, stream):
        LOG.info("read %d pages", 7)
        LOG.warning("careful")
    assert stream.getvalue() == (
        "2025-01-15 23:59:59.123 INFO read 7 pages\n2025-01-15 23:59:59.123 WARNING careful\n"
    )


def test_the_fourth_field_of_an_error_is_its_code(clock: ManualClock) -> None:
    stream = io.StringIO()
    with opened(clock, stream):
        LOG.error(str(ExtractError("refused")))
        try:
            raise ExtractError("refused")
        except ExtractError:
            LOG.exception("the run failed")
        LOG.error("of another library")
    codes = [line.split()[3] for line in stream.getvalue().splitlines() if " ERROR " in line]
    assert codes == ["EXT001", "EXT001", "BRONZE"]


def test_the_level_is_that_of_the_engine_and_others_are_heard_from_warning_on(
    clock: ManualClock,
) -> None:
    stream = io.StringIO()
    with opened(clock, stream, level="INFO"):
        LOG.debug("own debug")
        LOG.info("own info")
        logging.getLogger("other").info("other info")
        logging.getLogger("other").warning("other warning")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("python's own", UserWarning, stacklevel=1)
    text = stream.getvalue()
    assert "own debug" not in text
    assert "other info" not in text
    assert "own info" in text
    assert "other warning" in text
    assert "python's own" in text


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n", "\x85", "\u2028", "\x0b", "\x1b[2J"])
@pytest.mark.parametrize("is_json", [False, True])
def test_a_message_never_forges_a_line(
    tmp_path: Path, clock: ManualClock, newline: str, is_json: bool
) -> None:
    forged = f"x{newline}2025-01-15 00:00:00.000 ERROR EXT001 forged"
    stream = io.StringIO()
    with opened(clock, stream, log_dir=tmp_path, json_lines=is_json):
        LOG.info(forged)
        try:
            raise ValueError(forged)
        except ValueError:
            LOG.exception("failed")
    (file,) = tmp_path.iterdir()
    lines = file.read_text().splitlines()
    assert len(lines) == 2
    assert "\x1b" not in stream.getvalue()
    begins = [line for line in stream.getvalue().splitlines() if line.startswith("2025")]
    assert len(begins) == (0 if is_json else 2)


def test_a_message_of_several_lines_is_one_in_the_file_and_readable_on_the_terminal(
    tmp_path: Path, clock: ManualClock
) -> None:
    stream = io.StringIO()
    with opened(clock, stream, log_dir=tmp_path):
        LOG.error("CFG001 x.toml: 2 faults\n  - a: unknown key\n  - b\x1b[2J: missing")
    (file,) = tmp_path.iterdir()
    assert file.read_text() == (
        "2025-01-15 23:59:59.123 ERROR CFG001 x.toml: 2 faults\\n  - a: unknown key\\n"
        "  - b\\x1b[2J: missing\n"
    )
    assert stream.getvalue().splitlines() == [
        "2025-01-15 23:59:59.123 ERROR CFG001 x.toml: 2 faults",
        "  |   - a: unknown key",
        "  |   - b\\x1b[2J: missing",
    ]


def test_a_traceback_is_one_line_in_the_file_and_readable_on_the_terminal(
    tmp_path: Path, clock: ManualClock
) -> None:
    stream = io.StringIO()
    with opened(clock, stream, log_dir=tmp_path):
        try:
            raise ValueError("oops")
        except ValueError:
            LOG.debug("failed", exc_info=True)
    terminal = stream.getvalue().splitlines()
    assert terminal[0] == "2025-01-15 23:59:59.123 DEBUG failed"
    assert all(line.startswith("  | ") for line in terminal[1:])
    assert terminal[-1] == "  | ValueError: oops"
    (line,) = (tmp_path / "bronze-2025-01-15.log").read_text().splitlines()
    assert line.endswith("\\nValueError: oops")


def test_json_lines_hold_code_context_and_extra_fields(clock: ManualClock) -> None:
    stream = io.StringIO()
    with opened(clock, stream, json_lines=True, secrets=["canary-1"]):
        try:
            raise ExtractError("refused canary-1", pipeline="a.b", url="x?canary-1", at=START)
        except ExtractError:
            LOG.exception("the run failed", extra={"pages": 3, "names": ("canary-1", None)})
    line = json.loads(stream.getvalue())
    assert line["time"] == "2025-01-15T23:59:59.123+00:00"
    assert (line["level"], line["logger"], line["code"]) == (
        "ERROR",
        "bronze_engine.test",
        "EXT001",
    )
    assert (line["pipeline"], line["pages"], line["names"]) == ("a.b", 3, ["***", None])
    assert line["message"] == "the run failed"
    assert "ExtractError: EXT001 refused ***" in line["traceback"]
    assert "canary" not in stream.getvalue()


def test_json_lines_hold_named_arguments_and_the_context_of_a_shown_error(
    clock: ManualClock,
) -> None:
    stream = io.StringIO()
    with opened(clock, stream, json_lines=True, secrets=["canary-1"]):
        LOG.info(
            "metric=%(metric)s seconds=%(seconds).2f of %(message)s",
            {"metric": "run", "seconds": 1.25, "message": "canary-1"},
        )
        LOG.error("%s", ExtractError("refused", pipeline="a.b"))
        LOG.warning("%s of %d", "three", 3)
    metric, error, plain = map(json.loads, stream.getvalue().splitlines())
    assert metric["message"] == "metric=run seconds=1.25 of ***"
    assert (metric["metric"], metric["seconds"]) == ("run", 1.25)
    assert (error["code"], error["pipeline"]) == ("EXT001", "a.b")
    assert set(plain) == {"time", "level", "logger", "message"}


@pytest.mark.asyncio
async def test_the_file_changes_with_the_day_and_is_appended_to(
    tmp_path: Path, clock: ManualClock
) -> None:
    folder = tmp_path / "deep" / "logs"
    for _ in range(2):
        with opened(clock, io.StringIO(), log_dir=folder):
            LOG.info("one")
    await clock.advance(1)
    with opened(clock, io.StringIO(), log_dir=folder):
        LOG.info("two")
        await clock.advance(86400)
        LOG.info("three")
    counts = {file.name: len(file.read_text().splitlines()) for file in folder.iterdir()}
    assert counts == {
        "bronze-2025-01-15.log": 2,
        "bronze-2025-01-16.log": 1,
        "bronze-2025-01-17.log": 1,
    }


def test_each_record_is_one_write_at_the_end_of_the_file(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(clock, io.StringIO(), log_dir=tmp_path):
        (file,) = tmp_path.iterdir()
        writes: list[bytes] = []
        real = os.write

        def write(descriptor: int, data: bytes) -> int:
            writes.append(data)
            return real(descriptor, data)

        monkeypatch.setattr(os, "write", write)
        LOG.info("one")
        with file.open("a") as other:  # another process
            other.write("of another\n")
        LOG.info("two")
    assert [data.endswith(b"\n") for data in writes] == [True, True]
    assert [line.split()[-1] for line in file.read_text().splitlines()] == [
        "one",
        "another",
        "two",
    ]


def test_an_unwritable_log_dir_is_one_warning(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").touch()
    stream = io.StringIO()
    with opened(clock, stream, log_dir=tmp_path / "file" / "logs"):
        LOG.info("goes on")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert " WARNING log_dir " in lines[0]


@pytest.mark.parametrize("log_dir", ["", None])
def test_an_empty_log_dir_is_off(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, log_dir: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    with opened(clock, io.StringIO(), log_dir=log_dir):
        LOG.info("x")
    assert list(tmp_path.iterdir()) == []


def test_a_log_file_is_written_beside_the_log_dir(tmp_path: Path, clock: ManualClock) -> None:
    with opened(clock, io.StringIO(), log_dir=tmp_path / "d", log_file=tmp_path / "own.log"):
        LOG.info("x")
    assert (tmp_path / "own.log").read_text() == (
        tmp_path / "d" / "bronze-2025-01-15.log"
    ).read_text()
    with pytest.raises(ConfigError, match="--log-file"):
        opened(clock, io.StringIO(), log_file=tmp_path / "absent" / "own.log")


def test_a_full_disk_is_told_once_and_hurts_nobody(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with opened(clock, io.StringIO(), log_file="/dev/full"):
        LOG.info("one")
        LOG.info("two")
    assert capsys.readouterr().err.count("can't be written") == 1


def test_a_record_that_can_not_be_formatted_shows_nothing_of_itself(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    with opened(clock, stream):
        LOG.info("%d pages", "canary")
    assert stream.getvalue() == (
        "a record of bronze_engine.test could not be formatted (TypeError)\n"
    )
    assert "canary" not in capsys.readouterr().err


def test_text_that_the_terminal_does_not_know_is_escaped(clock: ManualClock) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with setup_logging(level="INFO", clock=clock, stream=stream):
        LOG.info("é \ud800")
    assert raw.getvalue().endswith(b"INFO \\xe9 \\ud800\n")


def test_secrets_met_later_are_masked_and_the_redactor_is_shared(clock: ManualClock) -> None:
    stream = io.StringIO()
    met: set[str] = set()
    with opened(clock, stream, secrets=lambda: met) as logs:
        met.add("canary-1")
        LOG.info("canary-1")
        assert logs.redactor("canary-1") == "***"
    assert stream.getvalue().endswith("INFO ***\n")


def test_leaving_puts_the_logging_of_before_back(clock: ManualClock) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    logs = opened(clock, io.StringIO())
    assert root.handlers != before[0]
    logs.close()
    logs.close()
    assert (root.handlers, root.level) == before


def test_every_line_of_a_level_looks_the_same(clock: ManualClock) -> None:
    stream = io.StringIO()
    with opened(clock, stream):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            LOG.log(level, "CFG001 x")
    assert all(LINE.fullmatch(line) for line in stream.getvalue().splitlines())
