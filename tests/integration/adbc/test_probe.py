"""Trying out a database behind a driver, as `bronze test-connection` does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import adbc_driver_sqlite
import pytest

from bronze_engine.adapters import adbc_probe, source_type
from bronze_engine.cli.main import main
from bronze_engine.errors import ConfigError
from tests.integration.adbc.lake import Lake, in_duckdb, in_sqlite

pytestmark = pytest.mark.integration


def tried(lake: Lake) -> int:
    """The exit status of `bronze test-connection db`."""
    with pytest.raises(SystemExit) as ended:
        main(["test-connection", "db", "--config", str(lake.path)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(("driver", "name"), [("sqlite", "SQLite 3"), ("duckdb", "duckdb v")])
def test_a_database_that_answers_says_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], driver: str, name: str
) -> None:
    lake = Lake(tmp_path, driver, 'table = "t"')
    fill = in_sqlite if driver == "sqlite" else in_duckdb
    fill(lake.database, "CREATE TABLE t (id integer)")
    assert tried(lake) == 0
    shown = capsys.readouterr().out
    assert f"database db: driver {driver}" in shown
    assert name in shown
    assert "SELECT 1 gives 1" in shown
    assert str(lake.database) not in shown


def test_a_file_that_is_not_there_is_exit_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(Lake(tmp_path, "sqlite", 'table = "t"')) == 4
    shown = capsys.readouterr().out
    assert "there is no such file" in shown
    assert "query" not in shown  # it rests on the connection


def test_a_driver_that_is_not_installed_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(Lake(tmp_path, "flightsql", 'table = "t"')) == 2
    assert "pip install adbc-driver-flightsql" in capsys.readouterr().out


def test_a_library_is_found_by_its_path_and_known_by_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    library = Path(adbc_driver_sqlite.__file__).parent / "libadbc_driver_sqlite.so"
    lake = Lake(tmp_path, "sqlite", 'table = "t"')
    in_sqlite(lake.database, "CREATE TABLE t (id integer)")
    lake.path.write_text(lake.path.read_text().replace('"sqlite"', f'"{library}"'))
    assert tried(lake) == 0
    assert "SQLite 3" in capsys.readouterr().out


def test_a_file_that_is_no_driver_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = tmp_path / "driver.so"
    library.write_bytes(b"no library")
    assert tried(Lake(tmp_path, str(library), 'table = "t"')) == 2
    assert "connections.db does not open" in capsys.readouterr().out


@pytest.mark.parametrize("ask", [lambda: source_type("adbc", {}), adbc_probe])
def test_without_the_extra_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[], object]
) -> None:
    for name in [name for name in sys.modules if name.startswith("bronze_engine.sources.adbc")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "adbc_driver_manager", None)
    with pytest.raises(ConfigError, match=r'pip install "bronze-engine\[adbc\]"'):
        ask()
