"""docs/files-csv.md: the example lands what the text says, and the table is of the options."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from bronze_engine.config.files.csv import CsvFiles
from bronze_engine.config.load import parse_config
from bronze_engine.config.source import FilesSourceConfig
from tests.documents import Document
from tests.unit.files.reading import read_csv

pytestmark = pytest.mark.unit

GUIDE = Document("docs/files-csv.md")


def test_the_example_lands_as_told() -> None:
    [toml], [text] = GUIDE.blocks("toml"), GUIDE.blocks("text")
    pipeline = parse_config(f'[engine]\ntarget = "./bronze"\n{toml}').pipeline("drop.sales")
    assert isinstance(pipeline.source, FilesSourceConfig)
    options = msgspec.structs.asdict(pipeline.source.csv)
    found = read_csv(text.encode(), schema=pipeline.schema, **options)
    assert [tuple(row.values()) for row in found.rows] == [
        ("007", "Smith; Ann", Decimal("1.50"), None),
        ("008", None, Decimal("20.00"), 'said "no",\nand left'),
    ]
    assert found.rejects == []


def test_every_option_stands_in_the_table() -> None:
    lines = GUIDE.section("CSV and TSV").splitlines()
    keys = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert keys == list(CsvFiles.__struct_fields__)


def test_what_is_said_of_names_and_types() -> None:
    found = read_csv(b"id,id,\n1,2,3\n")
    assert list(found.rows[0]) == ["id", "id_2", "column_3"]
    inferred = read_csv(b"a,b,c\n1.50,0.5,2025-01-31T10:00:00Z\n2.00,2.0,\n", types="infer")
    assert [str(kind) for kind in inferred.types.values()] == [
        "decimal128(18, 2)",
        "double",
        "timestamp[s, tz=UTC]",
    ]
