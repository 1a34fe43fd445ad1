"""Streams whose reader leaves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

from bronze_engine.cli import main as commands
from bronze_engine.cli.pipes import outliving_readers
from bronze_engine.errors import StoreError

pytestmark = pytest.mark.unit

MUCH = "x" * 100_000
"""More than any buffer on the way."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


@contextmanager
def printing_to(number: int) -> Iterator[None]:
    """stdout is this descriptor."""
    with open(number, "w", encoding="utf-8") as stream, redirect_stdout(stream):
        yield


@contextmanager
def printing_to_nobody() -> Iterator[None]:
    reader, writer = os.pipe()
    os.close(reader)
    with printing_to(writer):
        yield


@pytest.mark.parametrize("text", ["a line", MUCH])
def test_what_nobody_reads_is_dropped(text: str) -> None:
    with printing_to_nobody(), outliving_readers():
        say(text)
        say(text)


def test_what_is_printed_arrives_in_order_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with printing_to(os.open(path, os.O_WRONLY | os.O_CREAT)):
        say("before")
        with outliving_readers():
            say(MUCH)
        say("ärmer")
    assert path.read_text(encoding="utf-8") == f"before\n{MUCH}\närmer\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("text", ["a line", MUCH])
def test_a_full_disk_is_told_once(text: str) -> None:
    told = pytest.raises(StoreError, match="can't be written: No space left on device")
    with printing_to(os.open("/dev/full", os.O_WRONLY)), outliving_readers():
        with told:
            say(text)
            sys.stdout.flush()
        say(text)


def test_what_is_no_file_of_the_system_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    ours = sys.stdout
    with outliving_readers():
        assert sys.stdout is ours
        say("to the test")
    assert capsys.readouterr().out == "to the test\n"


def test_a_command_that_nobody_reads_ends_with_its_own_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object, **__: object) -> None:
        say(MUCH)
        sys.exit(1)

    monkeypatch.setattr(commands, "app", failing)
    with printing_to_nobody(), pytest.raises(SystemExit) as ended:
        commands.main([])
    assert ended.value.code == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_command_that_can_not_write_its_result_says_so(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "app", lambda *_, **__: say("a result"))
    with printing_to(os.open("/dev/full", os.O_WRONLY)), pytest.raises(SystemExit) as ended:
        commands.main([])
    assert ended.value.code == 6
    assert "STG001 what the command prints can't be written" in capfd.readouterr().err
