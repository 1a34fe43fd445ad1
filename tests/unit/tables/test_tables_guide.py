"""docs/tables.md: its examples are run, and its types, options and links are what there is."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

from bronze_engine.cli.commands.ddl import Dialect
from bronze_engine.cli.main import main
from bronze_engine.errors import QualityError
from bronze_engine.tables.delta.columns import Columns, merged
from bronze_engine.tables.iceberg.columns import schema_of
from tests.documents import ROOT, Document
from tests.unit.run.harness import load_text

pytestmark = pytest.mark.unit

GUIDE: Final = Document("docs/tables.md")
ROWS: Final = '{"id": 1, "amount": 1.5}\n{"id": 2, "amount": null}\n'


def run(folder: Path, *args: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*args, "--config", str(folder / "pipelines.toml")])
    assert ended.value.code == 0


def example(folder: Path, section: str) -> dict[str, Any]:
    """Run the pipeline of a section, and its program; returns the program's names."""
    [table] = GUIDE.blocks("toml", section)
    (folder / "orders.ndjson").write_text(ROWS)
    load_text(f'[engine]\nlog_dir = ""\n{table}', folder=folder)
    [command] = GUIDE.blocks("sh", "Delta")
    run(folder, *command.split()[1:])
    names: dict[str, Any] = {}
    [program] = GUIDE.blocks("python", section)
    exec(textwrap.dedent(program), names)  # noqa: S102  # our own guide's
    return names


def test_the_delta_table_has_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = example(tmp_path, "Delta")
    assert pa.table(names["rows"]).num_rows == 2
    assert (tmp_path / "bronze/silver/shop/orders/_delta_log").is_dir()


def test_the_iceberg_table_has_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = example(tmp_path, "Iceberg")
    assert names["rows"].num_rows == 2
    names["catalog"].close()


def test_a_table_that_comes_later_and_one_that_is_gone_are_made_by_gc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = example(tmp_path, "Delta")
    log = tmp_path / "bronze/shop/orders/_delta_log"
    log.rename(tmp_path / "old")
    run(tmp_path, "gc", "shop.orders", "--delete")
    assert log.is_dir()
    assert names["orders"].version() == 0


def test_the_statement_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example_text = GUIDE.blocks("toml", "Delta")[0]
    load_text(f'[engine]\nlog_dir = ""\n{example_text}', folder=tmp_path)
    [command] = GUIDE.blocks("sh", "Statements: bronze ddl")
    run(tmp_path, *command.split()[1:])
    assert "delta_scan(" in capsys.readouterr().out
    section = GUIDE.section("Statements: bronze ddl")
    assert all(f"`{dialect}`" in section for dialect in Dialect)


@pytest.mark.parametrize(
    ("kind", "delta", "iceberg"),
    [
        (pa.int8(), "byte", "int"),
        (pa.int64(), "long", "long"),
        (pa.timestamp("us", "UTC"), "timestamp", "timestamptz"),
        (pa.timestamp("us"), "timestamp_ntz", "timestamp"),
        (pa.time64("us"), None, "time"),
        (pa.timestamp("ns"), None, None),
        (pa.time64("ns"), None, None),
        (pa.decimal256(39, 0), None, None),
        (pa.decimal128(38, 9), "decimal(38,9)", "decimal(38, 9)"),
    ],
    ids=str,
)
def test_types_are_as_the_table_says(kind: Any, delta: str | None, iceberg: str | None) -> None:
    fields: list[Any] = [("v", kind)]
    schema = pa.schema(fields)
    assert _delta(schema) == delta
    assert _iceberg(schema) == iceberg
    table = GUIDE.section("Types and columns")
    assert "| time[us] | refused | time |" in table


def _delta(schema: pa.Schema) -> str | None:
    try:
        return str(merged(Columns(), schema, date_column=None).fields[0]["type"])
    except QualityError:
        return None


def _iceberg(schema: pa.Schema) -> str | None:
    try:
        return str(schema_of(schema, is_dated=False).fields[0].field_type)
    except QualityError:
        return None


def test_its_other_tables_load_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    [reap] = GUIDE.blocks("toml", "How long superseded files stay")
    text = '[apis.a]\nbase_url = "http://127.0.0.1:9"\n[pipelines.myteam.orders.source]\n'
    config = load_text(f'{text}type = "http"\napi = "a"\npath = "/"\n{reap}', folder=tmp_path)
    assert config.pipeline("myteam.orders").output.keeps_superseded
    for link in GUIDE.links():
        assert (ROOT / "docs" / link.partition("#")[0]).exists(), link
