"""Tables as pipelines.toml has them, whatever their columns are called."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from bronze_engine.inspection.tables import CursorSeen, document, drafted
from bronze_engine.sources.postgres.catalogue import CatalogueColumn, Relation

pytestmark = pytest.mark.unit


def column(name: str, type_name: str) -> CatalogueColumn:
    return CatalogueColumn(
        name=name,
        source_type=type_name,
        type_schema="pg_catalog",
        type_name=type_name,
        type_kind="base",
        modifier=-1,
        is_array=False,
        dimensions=0,
        is_required=True,
        is_readable=True,
        is_generated=False,
    )


def relation(*columns: CatalogueColumn) -> Relation:
    known: dict[str, Any] = {
        "has_children": False,
        "user": "r",
        "is_usable": True,
        "is_filtered": False,
    }
    return Relation(
        schema="public",
        name="odd",
        kind="table",
        row_estimate=None,
        size_bytes=0,
        block_bytes=8192,
        primary_key=(),
        columns=columns,
        **known,
    )


@pytest.mark.parametrize("name", ["id", 'k"1', "new\nline", "back\\slash", "a.b", "ünï 😀", "#"])
def test_any_name_gives_a_document_and_so_do_its_comments(name: str) -> None:
    table = relation(column(name, "int8"), column(f"{name} exact", "numeric"))
    cursor = CursorSeen(column=name, cursor_type="integer", why="grows", is_indexed=True)
    text = document([drafted("db", table, [name], [cursor])])
    pipeline = tomllib.loads(text)["pipelines"]["db"]["odd"]
    assert pipeline["primary_key"] == [name]
    comments = re.findall(r"^# (\[.*|cursor.*|columns.*)$", text, re.MULTILINE)
    meant = tomllib.loads("\n".join(comments))["pipelines"]["db"]["odd"]
    assert meant["schema"]["columns"] == {f"{name} exact": "decimal(38,10)"}
    assert meant["incremental"] == {"cursor": name, "cursor_type": "integer"}
