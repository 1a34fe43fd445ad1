"""The statements that show a table to other engines: as they are meant to be, and DuckDB's run."""

from __future__ import annotations

import asyncio
import os
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine import open_partition
from bronze_engine.cli.main import main
from bronze_engine.config.catalog import Catalog
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.contracts import TablePlace
from bronze_engine.errors import ConfigError
from bronze_engine.model.part import DataFile
from bronze_engine.tables.content import Shown
from bronze_engine.tables.ddl import duckdb as for_duckdb
from bronze_engine.tables.ddl import spark, trino, tsql
from bronze_engine.tables.ddl.described import Described
from bronze_engine.testing import ScriptedSource, page
from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import DAY, HEAD, NAME, load_text, opened
from tests.unit.tables.delta_reader import Row, ordered, with_date

pytestmark = pytest.mark.unit

GOLDEN: Final = Path(__file__).parent / "golden"
WRITES: Final = "BRONZE_WRITE_GOLDEN" in os.environ
"""Then the goldens are written anew, to be read before they are committed."""

ODD: Final = 'it\'s "odd"`]\n-- x'
FIELDS: Final[list[Any]] = [
    ("id", pa.int64()),
    ("small", pa.int8()),
    ("amount", pa.decimal128(18, 4)),
    ("huge", pa.decimal256(50, 0)),
    ("at", pa.timestamp("us", "UTC")),
    ("local", pa.timestamp("us")),
    ("fine", pa.timestamp("ns")),
    ("clock", pa.time64("us")),
    ("day", pa.date32()),
    ("is_new", pa.bool_()),
    ("ratio", pa.float64()),
    ("raw", pa.binary()),
    ("tags", pa.list_(pa.string())),
    ("inner", pa.struct([("a", pa.int32()), (ODD, pa.string())])),
    ("country", pa.string()),
    ("dt", pa.string()),
    (ODD, pa.string()),
]
COLUMNS: Final = pa.schema(FIELDS)
AZURE: Final = "abfss://lake@account.dfs.core.windows.net/bronze/shop/orders"
S3: Final = "s3://lake/bronze/shop/orders"
STATEMENTS: Final[dict[str, Any]] = {
    "duckdb": for_duckdb.statement,
    "spark": spark.statement,
    "trino": trino.statement,
    "tsql": tsql.statement,
}


def described(location: str, table_format: Any = None, *, is_dated: bool = True) -> Described:
    path = "dt=2025-01-15/country=DE/part-0.parquet" if is_dated else "part-0.parquet"
    file = DataFile(name=path, size_bytes=1, sha256="", row_count=1)
    run_date = date(2025, 1, 15) if is_dated else None
    catalog = Catalog(name="lake", type="rest", warehouse="w")
    return Described(
        schema="shop",
        name="orders" if is_dated else "orders_silver",
        place=TablePlace(
            format=table_format,
            root="shop/orders",
            is_dated=is_dated,
            target=LocalStoreConfig(path="/lake"),
            catalog=catalog if table_format == "iceberg" else None,
            name="shop.orders",
        ),
        location=location,
        columns=COLUMNS if is_dated else pa.schema([each for each in COLUMNS if each.name != "dt"]),
        levels=("country",) if is_dated else (),
        files=(Shown(path=path, run_date=run_date, file=file),),
    )


KINDS: Final = {"parquet": None, "delta": "delta", "iceberg": "iceberg"}


@pytest.mark.parametrize("dialect", STATEMENTS)
def test_statements_are_as_they_are_meant_to_be(dialect: str) -> None:
    location = AZURE if dialect == "tsql" else S3
    parts = []
    for kind, table_format in KINDS.items():
        if (dialect, kind) == ("tsql", "iceberg"):
            with pytest.raises(ConfigError, match="T-SQL reads no catalog of Iceberg"):
                STATEMENTS[dialect](described(location, table_format))
            continue
        for is_dated in (True, False):
            title = f"{kind}, {'dated' if is_dated else 'curated'}"
            text = STATEMENTS[dialect](described(location, table_format, is_dated=is_dated))
            parts.append(f"-- [{title}]\n{text}")
    found = "\n".join(parts)
    path = GOLDEN / f"{dialect}.sql"
    if WRITES:
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


UNSAYABLE: Final = {
    ("duckdb", None): "",
    ("duckdb", "delta"): "#?%",
    ("spark", None): "*?[]{}\\",
    ("spark", "delta"): "*?[]{}\\",
    ("trino", None): "#?",
    ("trino", "delta"): "#?",
    ("tsql", None): "*#?%",
    ("tsql", "delta"): "*#?%",
}


@pytest.mark.parametrize(("dialect", "table_format"), UNSAYABLE)
def test_what_a_path_can_hold_is_said_or_refused(dialect: str, table_format: str | None) -> None:
    for character in " '\"#?%*[]{}\\+&;$ü🐘":
        location = f"/lake/a{character}b/shop/orders"
        for is_dated in (True, False):
            table = described(location, table_format, is_dated=is_dated)
            if character in UNSAYABLE[dialect, table_format]:
                with pytest.raises(ConfigError, match=r"^CFG001 .* can't be shown") as caught:
                    STATEMENTS[dialect](table)
                assert repr(character) in str(caught.value)
            elif character == "'":
                text = STATEMENTS[dialect](table)
                assert ("a\\'b" if dialect == "spark" else "a''b") in text
                assert "a'b" not in text.replace("\\'", "")
            else:
                is_choice = (dialect, table_format) == ("duckdb", None) and character in "*?["
                escaped = f"[{character}]" if is_choice else character
                text = STATEMENTS[dialect](table)
                assert f"/lake/a{escaped}b/shop/orders" in text


def test_tsql_keeps_what_is_no_ascii() -> None:
    text = tsql.statement(described("https://h/c/ü"))
    assert "BULK N'https://h/c/ü/" in text
    assert "BULK 'https://h/c/u/" in tsql.statement(described("https://h/c/u"))


def test_keys_of_folders_are_as_they_are_written() -> None:
    table = described("https://h/c")
    (shown,) = table.files
    path = "dt=2025-01-15/the country=DE/part-0.parquet"
    ours = msgspec.structs.replace(
        table, levels=("the country",), files=(msgspec.structs.replace(shown, path=path),)
    )
    assert "/dt=*/the country=*/part-*" in tsql.statement(ours)
    path = "dt=2025-01-15/a%2Fb=DE/part-0.parquet"
    ours = msgspec.structs.replace(
        table, levels=("a/b",), files=(msgspec.structs.replace(shown, path=path),)
    )
    with pytest.raises(ConfigError, match="a%2Fb="):
        tsql.statement(ours)


def test_duckdb_takes_a_question_mark_of_a_url_for_parameters() -> None:
    with pytest.raises(ConfigError, match="parameters"):
        for_duckdb.statement(described("s3://lake/a?b"))
    with pytest.raises(ConfigError, match="a slash"):
        for_duckdb.statement(described("/lake/a\\b[c]"))


def test_duckdb_reads_one_folder_where_its_name_is_a_pattern(tmp_path: Path) -> None:
    """Beside it lies one that the pattern would find."""
    names = ("a?c", "abc", "a*", "[abc]x", "ax", "**", "[!a]", "b")
    for name in names:
        folder = tmp_path / name / "dt=2025-01-15"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"n": [name]}), folder / "part-0.parquet")
    for name in names:
        file = DataFile(name="part-0.parquet", size_bytes=1, sha256="", row_count=1)
        shown = Shown(path="dt=2025-01-15/part-0.parquet", run_date=date(2025, 1, 15), file=file)
        ours = msgspec.structs.replace(
            described(str(tmp_path / name)),
            columns=pa.schema([("n", pa.string())]),
            levels=(),
            files=(shown,),
        )
        with duckdb.connect() as connection:
            connection.execute(for_duckdb.statement(ours))
            found = connection.execute('SELECT * FROM "shop"."orders"').fetchall()
        assert found == [(name, date(2025, 1, 15))]


@pytest.mark.parametrize("dialect", STATEMENTS)
def test_a_name_ends_no_comment_and_no_quotes(dialect: str) -> None:
    evil = "x\n; DROP TABLE t; --"
    table = described(S3)
    left_out = pa.decimal256(39, 0) if dialect == "duckdb" else pa.duration("s")
    fields: list[Any] = [(evil, left_out), (ODD, pa.string())]
    columns = pa.schema(fields)
    text = STATEMENTS[dialect](msgspec.structs.replace(table, columns=columns))
    for line in text.splitlines():
        assert not line.startswith("; DROP")
    assert f"-- Left out: {evil!r}" in text


def test_duckdb_is_shown_no_decimal_that_it_reads_as_a_double() -> None:
    long = pa.decimal256(39, 2)
    fields: list[Any] = [
        ("id", pa.decimal128(38, 2)),
        ("long", long),
        ("many", pa.list_(long)),
        ("inner", pa.struct([("a", pa.list_(pa.struct([("b", long)])))])),
    ]
    table = msgspec.structs.replace(described(S3), columns=pa.schema(fields))
    text = for_duckdb.statement(table)
    assert 'SELECT "id", CAST(' in text
    assert [line.split("'")[1] for line in text.splitlines() if line.startswith("-- Left")] == [
        "long",
        "many",
        "inner",
    ]


def config_text(*, silver: bool = False, folders: str = '"country"') -> str:
    table = f'[pipelines.{NAME}]\nprimary_key = ["id"]\n' if silver else ""
    text = f'{HEAD}{table}[pipelines.{NAME}.source]\ntype = "http"\napi = "shop"\npath = "/o"\n'
    text += f"[pipelines.{NAME}.output]\npartition_by = [{folders}]\n"
    return text + (f"[pipelines.{NAME}.silver]\n" if silver else "")


async def land(
    folder: Path,
    rows: dict[date, list[Row]],
    *,
    silver: bool = False,
    folders: str = '"country"',
) -> Any:
    config = load_text(config_text(silver=silver, folders=folders), folder=folder)
    for day, records in rows.items():
        clock = ManualClock()
        source = ScriptedSource([[page(1, *records)]])
        async with opened(config, source, clock=clock) as engine:
            await clock.drive(engine.run(NAME, run_date=day))
            if silver:
                await clock.drive(engine.silver(NAME))
    return config


def run_ddl(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["ddl", NAME, "--config", str(folder / "pipelines.toml"), *options])
    assert ended.value.code == 0
    return capsys.readouterr().out


def rows_of(script: str, view: str) -> list[Row]:
    """Of the view that the script makes; a script without it fails here."""
    with duckdb.connect() as connection:
        connection.execute(script)
        found: pa.Table = connection.sql(f"SELECT * FROM {view}").to_arrow_table()  # noqa: S608
        return found.to_pylist()


def test_duckdb_reads_what_the_statement_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    other = date(2025, 1, 16)
    config = asyncio.run(
        land(
            tmp_path,
            {
                DAY: [{"id": 1, "country": "DE", ODD: "x"}, {"id": 2, "country": None}],
                other: [{"id": 3, "country": "a/b", "filename": "y"}],
            },
        )
    )
    found = rows_of(run_ddl(tmp_path, capsys, "--dialect", "duckdb"), '"team"."orders"')
    landed: list[Row] = []
    for day in (DAY, other):
        landed += with_date(open_partition(config, NAME, day).to_table().to_pylist(), day)
    names = sorted({name for row in landed for name in row})
    assert ordered([{name: row.get(name) for name in names} for row in found]) == ordered(
        [{name: row.get(name) for name in names} for row in landed]
    )


@pytest.mark.parametrize(
    ("dialect", "statement"),
    [
        ("spark", "PARTITIONED BY (`dt`, `kind`, `country`)"),
        ("trino", "partitioned_by = ARRAY['dt', 'kind', 'country']"),
        ("tsql", "/dt=*/kind=*/country=*/part-*.parquet'"),
    ],
)
def test_folders_are_named_as_they_lie_in_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dialect: str, statement: str
) -> None:
    rows: list[Row] = [{"id": 1, "kind": "x", "country": "DE"}]
    asyncio.run(land(tmp_path, {DAY: rows}, folders='"kind", "country"'))
    assert statement in run_ddl(tmp_path, capsys, "--dialect", dialect)


def test_duckdb_reads_a_curated_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(land(tmp_path, {DAY: [{"id": 1, "country": "DE"}, {"id": 2}]}, silver=True))
    script = run_ddl(tmp_path, capsys, "--dialect", "duckdb", "--silver")
    found = rows_of(script, '"team"."orders_silver"')
    assert sorted(row["id"] for row in found) == [1, 2]
    assert {row["_bronze_date"] for row in found} == {DAY}


@pytest.mark.parametrize("dialect", STATEMENTS)
def test_what_has_no_rows_yet_can_be_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dialect: str
) -> None:
    asyncio.run(land(tmp_path, {DAY: []}))
    text = run_ddl(tmp_path, capsys, "--dialect", dialect)
    assert "orders" in text
    if dialect == "duckdb":
        assert rows_of(text, '"team"."orders"') == []


def test_silver_of_a_pipeline_without_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_text(config_text(), folder=tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(
            ["ddl", NAME, "--silver", "--dialect", "spark", "-c", str(tmp_path / "pipelines.toml")]
        )
    assert ended.value.code == 2
    assert f"CFG001 {NAME} has no [silver]" in capsys.readouterr().err


@pytest.mark.parametrize("dialect", ["spark", "trino", "tsql"])
def test_folders_with_superseded_files_are_shown_to_nobody_who_reads_them_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dialect: str
) -> None:
    load_text(config_text(), folder=tmp_path)
    options = ["--set", "output.reap=next_run", "-c", str(tmp_path / "pipelines.toml")]
    with pytest.raises(SystemExit) as ended:
        main(["ddl", NAME, "--dialect", dialect, *options])
    assert ended.value.code == 2
    assert f"{dialect} would read them with the others" in capsys.readouterr().err


def test_duckdb_reaches_iceberg_by_rest_alone() -> None:
    table = described(S3, "iceberg")
    place = msgspec.structs.replace(
        table.place, catalog=Catalog(name="lake", type="glue"), name="shop.orders"
    )
    with pytest.raises(ConfigError, match=r'catalogs\.lake is of "glue"'):
        for_duckdb.statement(msgspec.structs.replace(table, place=place))
