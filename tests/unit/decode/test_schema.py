"""What one partition hands on to the next, and what a run says of its columns."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.decode.schema import (
    base_layout,
    schema_changes,
    schema_warnings,
)
from bronze_engine.decode.stamp import Stamps, stamp, stamped_schema
from bronze_engine.model.arrow import schema_from_text, schema_to_text
from bronze_engine.model.layout import Layout
from bronze_engine.model.manifest import Manifest, SourceInfo
from tests.unit.decode.rows import decode

pytestmark = pytest.mark.unit

STAMPS = Stamps(
    load_date=date(2025, 1, 15),
    system="shop",
    entity="orders",
    extracted_at=datetime(2025, 1, 15, 8, tzinfo=UTC),
)


def manifest(layout: Layout) -> Manifest:
    return Manifest(
        format_version=1,
        pipeline="shop.orders",
        system="shop",
        entity="orders",
        run_date=date(2025, 1, 15),
        run="r1",
        attempt="a1",
        generation=1,
        epoch=1,
        written_at=datetime(2025, 1, 15, tzinfo=UTC),
        load="full",
        source=SourceInfo(type="http", location="https://shop.example/orders"),
        row_count=1,
        arrow_schema=schema_to_text(stamped_schema(layout.settled().schema, STAMPS)),
    )


def following(*lines: bytes, on_drift: Any = "variant") -> Layout:
    """The base that the partition after these lines starts from; the first line settles it."""
    layout = decode(lines[0]).layout.settled()
    for line in lines[1:]:
        layout = decode(line, layout=layout, on_drift=on_drift).layout
    base = base_layout(manifest(layout))
    assert base is not None
    return base


def test_a_schema_survives_as_text() -> None:
    schema = decode(b'{"a":{"b":[{}]},"A":1e400,"n":null}').layout.schema
    assert schema_from_text(schema_to_text(schema)).equals(schema, check_metadata=True)


def test_the_base_has_every_column_but_the_stamps() -> None:
    base = following(b'{"id":1,"ID":2,"x":1e400}', b'{"id":"x"}')
    assert base.schema.names == ["id", "ID_2", "x", "id__variant"]
    assert (base.known, base.is_settled) == (4, False)
    decoded = decode(b'{"ID":3,"id":"y","new":1}', base=base)
    assert decoded.layout.schema.names == [*base.schema.names, "new"]
    assert decoded.batch.to_pylist() == [
        {"id": None, "ID_2": 3, "x": None, "id__variant": '"y"', "new": 1}
    ]


def test_a_manifest_without_columns_is_no_base() -> None:
    empty = manifest(decode(b'{"a":1}').layout)
    assert base_layout(Manifest(**{**_fields(empty), "arrow_schema": ""})) is None


def _fields(value: Manifest) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def test_known_columns_keep_their_types_in_the_first_group() -> None:
    decoded = decode(b'{"a":2.5,"b":1}', b'{"a":3}', base=following(b'{"a":1}'))
    assert str(decoded.layout.schema.field("a").type) == "int64"
    assert decoded.batch.column("a__variant").to_pylist() == ["2.5", None]


def test_a_known_struct_still_gains_fields() -> None:
    decoded = decode(b'{"o":{"k":1,"n":"x"}}', base=following(b'{"o":{"k":1}}'))
    assert str(decoded.layout.schema.field("o").type) == "struct<k: int64, n: string>"


@pytest.mark.parametrize(
    ("first", "then", "wider"),
    [
        ("1", "2.5", "double"),
        ("1", "1" + "0" * 40, "number"),
        ("1.5", "0.1234567890123456789", "number"),
        ("1", '"x"', "json"),
        ('"x"', "1", "json"),
        ('{"k":1}', '{"k":2.5,"n":[1]}', "struct<k: double, n: list<element: int64>>"),
        ('{"k":1}', '{"k":"x"}', "json"),
        ("[1]", "[2.5]", "list<element: double>"),
        ("true", "1", "json"),
    ],
)
def test_widen_takes_effect_in_the_next_partition(first: str, then: str, wider: str) -> None:
    line = f'{{"a":{then}}}'.encode()
    layout = decode(f'{{"a":{first}}}'.encode()).layout.settled()
    drifted = decode(line, layout=layout, on_drift="widen")
    assert drifted.batch.column("a__variant").to_pylist() == [then]
    assert "widened" in {change.change for change in schema_changes(drifted.layout, None)}
    base = base_layout(manifest(drifted.layout))
    assert base is not None
    column = base.columns()[0]
    assert wider == (str(column.type) if column.role == "value" else column.role)
    again = decode(line, base=base)
    assert again.batch.column("a").null_count == 0
    assert again.batch.column("a__variant").null_count == 1


def test_widen_grows_with_every_group() -> None:
    base = following(b'{"a":1}', b'{"a":2.5}', b'{"a":1e400}', on_drift="widen")
    assert base.columns()[0].role == "number"


def test_variant_leaves_the_type_of_the_next_partition() -> None:
    base = following(b'{"a":1}', b'{"a":2.5}')
    assert str(base.schema.field("a").type) == "int64"


def test_a_configured_type_is_newer_than_the_base_and_never_widens() -> None:
    base = following(b'{"a":"1.50"}')
    decoded = decode(b'{"a":"2.50"}', b'{"a":"x"}', base=base, columns={"a": "decimal(9,2)"})
    assert str(decoded.layout.schema.field("a").type) == "decimal128(9, 2)"
    assert [(c.change, c.column) for c in schema_changes(decoded.layout, base)] == [
        ("widened", "a"),
        ("variant", "a__variant"),
    ]
    drifted = decode(
        b'{"a":"x"}', base=base, columns={"a": "decimal(9,2)"}, on_drift="widen"
    ).layout
    assert drifted.columns()[0].wider is None


def test_changes_and_warnings_name_what_is_new() -> None:
    base = following(b'{"a":1}')
    layout = decode(b'{"a":"x","A":1e400,"b":true}', base=base).layout.settled()
    many = ("{" + ",".join(f'"n{i}":1' for i in range(30)) + "}").encode()
    layout = decode(many, layout=layout).layout
    changes = {c.column: (c.change, c.detail) for c in schema_changes(layout, base)}
    assert "a" not in changes
    assert changes["A_2"] == ("added", "numbers kept as text")
    assert changes["b"] == ("added", "bool")
    assert changes["a__variant"] == ("variant", "of a")
    assert changes["_extra"] == ("extra", "")
    text = "\n".join(schema_warnings(layout, base))
    for needle in ("'A' lands as column 'A_2'", "numbers kept as text", "'a__variant'", "'_extra'"):
        assert needle in text
    assert schema_warnings(base, base) == ()
    assert schema_changes(base, base) == ()


def test_a_warning_names_the_type_that_values_did_not_fit() -> None:
    layout = decode(b'{"a":"x"}', base=following(b'{"a":1}')).layout
    assert schema_warnings(layout, None) == (
        "column 'a' (int64): values that do not fit are in 'a__variant'",
    )


def test_typed_columns_that_no_record_has_are_named() -> None:
    base = following(b'{"a":1,"A":2}')
    layout = decode(b'{"b":1}', base=base).layout
    warnings = schema_warnings(layout, base, {"schema.columns": {"a": "int64", "A": "int64"}})
    assert not warnings
    named: dict[str, tuple[str, ...]] = {"schema.columns": ("a", "c.d"), "primary_key": ("id", "b")}
    assert schema_warnings(layout, base, named) == (
        "schema.columns names 'c.d', and no record has such a key; known are 'A_2', 'a', 'b'",
        "primary_key names 'id', and no record has such a key; known are 'A_2', 'a', 'b'",
    )


def test_records_without_keys_do_not_count_as_too_many() -> None:
    layout = decode(b"{}").layout
    assert schema_warnings(layout, None, {"schema.columns": ["a"]}) == (
        "keys without a column of their own are JSON text in '_extra'",
        "schema.columns names 'a', and no record has such a key; known are '_extra'",
    )


def test_stamps_are_constant_columns_after_the_sources() -> None:
    table = pa.table({"a": [1, 2]})
    stamped = stamp(table, STAMPS)
    assert stamped.schema == stamped_schema(table.schema, STAMPS)
    assert stamped.to_pylist()[1] == {
        "a": 2,
        "_load_date": date(2025, 1, 15),
        "_source_system": "shop",
        "_source_entity": "orders",
        "_extracted_at": datetime(2025, 1, 15, 8, tzinfo=UTC),
    }
    assert stamp(table, Stamps()) == table
    assert stamp(table, Stamps(system="shop")).schema.names == ["a", "_source_system"]
