"""Which columns are read, and as what they land: configured, known from before, and usual."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pytest

from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.errors import ConfigError, ExtractError, QualityError
from bronze_engine.model.arrow import DataType
from bronze_engine.model.layout import Column, Layout
from bronze_engine.sources.postgres.catalogue import CatalogueColumn
from bronze_engine.sources.postgres.selection import Selection, select_columns

pytestmark = pytest.mark.unit

NO_MODIFIER = -1


def column(name: str, kind: str, modifier: int = NO_MODIFIER, **known: Any) -> CatalogueColumn:
    usual = CatalogueColumn(
        name=name,
        source_type=kind,
        type_schema="pg_catalog",
        type_name=kind,
        type_kind="base",
        modifier=modifier,
        is_array=False,
        dimensions=0,
        is_required=False,
        is_readable=True,
        is_generated=False,
    )
    return msgspec.structs.replace(usual, **known)


def numeric(name: str, precision: int, scale: int) -> CatalogueColumn:
    return column(name, "numeric", (precision << 16) + (scale & 0x7FF) + 4)


def select(*columns: CatalogueColumn, **options: Any) -> Selection:
    schema = SchemaConfig(
        columns=options.pop("types", {}), contract=options.pop("contract", "evolve")
    )
    base = options.pop("base", None)
    source = PostgresSourceConfig(connection=PostgresConnection(), table="orders", **options)
    return select_columns(columns, source, schema, base, origin="public.orders")


def base(**types: DataType) -> Layout:
    fields = [Column(name=name, type=kind, key=name).field() for name, kind in types.items()]
    return Layout(version=0, schema=pa.schema(fields), known=len(fields))


ID, NOTE, AMOUNT = column("id", "int4"), column("note", "text"), numeric("amount", 10, 2)


def test_all_columns_are_read_in_the_order_of_the_table() -> None:
    selection = select(ID, NOTE, AMOUNT)
    assert selection.sql == '"id", "note", "amount"'
    assert selection.layout.schema.names == ["id", "note", "amount"]
    assert selection.layout.is_settled
    assert [each.source_type for each in selection.layout.columns()] == ["int4", "text", "numeric"]


def test_columns_are_taken_in_the_order_that_is_asked_for() -> None:
    assert select(ID, NOTE, AMOUNT, columns=["amount", "id"]).sql == '"amount", "id"'


def test_columns_are_left() -> None:
    assert select(ID, NOTE, AMOUNT, omit=["note"]).sql == '"id", "amount"'


def test_a_renamed_column_keeps_its_key() -> None:
    selection = select(ID, rename={"id": "order_id"})
    assert selection.sql == '"id"'
    [landed] = selection.layout.columns()
    assert (landed.name, landed.key) == ("order_id", "id")
    assert selection.warnings == ()


def test_names_are_quoted_whatever_they_are() -> None:
    odd = column('a"b; --', "inet")
    assert select(odd).sql == 'pg_catalog.textin(pg_catalog.inet_out("a""b; --"))'
    assert select(column("{}", "interval")).sql == '"{}"::pg_catalog.text'


@pytest.mark.parametrize("option", ["columns", "omit"])
def test_a_column_that_is_not_there_is_named_with_its_neighbour(option: str) -> None:
    with pytest.raises(ExtractError, match=r"names 'Notes'.*public\.orders.*did you mean 'note'"):
        select(ID, NOTE, **{option: ["Notes"]})


def test_types_and_new_names_of_columns_that_are_not_there_are_refused() -> None:
    with pytest.raises(ExtractError, match=r"source\.rename names 'zzz'.*known are 'id', 'note'"):
        select(ID, NOTE, rename={"zzz": "x"})
    with pytest.raises(ExtractError, match=r"schema\.columns names 'nope'"):
        select(ID, NOTE, types={"nope": "string"})
    with pytest.raises(ConfigError, match=r"schema\.columns\.note: the column is not read"):
        select(ID, NOTE, omit=["note"], types={"note": "string"})


def test_names_that_differ_by_case_alone_or_are_ours_land_with_a_number() -> None:
    selection = select(column("Id", "int4"), ID, column("_load_date", "date"))
    assert selection.layout.schema.names == ["Id", "id_2", "_load_date_2"]
    assert [warning.split(":")[0] for warning in selection.warnings] == [
        "column 'id' lands as 'id_2'",
        "column '_load_date' lands as '_load_date_2'",
    ]


def test_a_column_keeps_the_name_that_it_landed_as_before() -> None:
    before = Layout(
        version=0,
        schema=pa.schema(
            [
                Column(name="id", type=pa.int32(), key="id").field(),
                Column(name="Id_2", type=pa.int32(), key="Id").field(),
            ]
        ),
        known=2,
    )
    selection = select(column("Id", "int4"), ID, base=before)
    assert selection.layout.schema.names == ["Id_2", "id"]


@pytest.mark.parametrize(
    ("source", "wanted", "sql", "landed"),
    [
        (ID, "int64", '"id"', "int64"),
        (ID, "double", '"id"', "double"),
        (ID, "decimal(12,2)", '"id"::pg_catalog.numeric', "decimal128(12, 2)"),
        (ID, "string", '"id"::pg_catalog.text', "string"),
        (ID, "json", 'pg_catalog.to_json("id")::pg_catalog.text', "string"),
        (AMOUNT, "decimal(38,9)", '"amount"', "decimal128(38, 9)"),
        (AMOUNT, "decimal(5,1)", '"amount"', "decimal128(5, 1)"),
        (numeric("n", 18, 0), "int64", '"n"', "int64"),
        (column("n", "numeric"), "decimal(76,10)", '"n"', "decimal256(76, 10)"),
        (column("o", "oid"), "uint32", '"o"', "uint32"),
        (column("f", "float4"), "double", '"f"', "double"),
        (column("j", "jsonb"), "json", '"j"', "string"),
        (column("j", "jsonb"), "string", '"j"', "string"),
        (column("u", "uuid"), "string", '"u"', "string"),
        (column("t", "timestamptz"), "timestamp(us, Europe/Berlin)", '"t"',
         "timestamp[us, tz=Europe/Berlin]"),
        (column("t", "timestamptz"), "timestamp", '"t"', "timestamp[us, tz=UTC]"),
        (column("t", "timestamp"), "timestamp(us)", '"t"', "timestamp[us]"),
        (column("a", "int4", is_array=True), "string", '"a"::pg_catalog.text', "string"),
        (column("a", "int4", is_array=True), "json",
         'pg_catalog.to_json("a")::pg_catalog.text', "string"),
    ],
)  # fmt: skip
def test_a_column_lands_as_a_type_that_holds_it_all(
    source: CatalogueColumn, wanted: str, sql: str, landed: str
) -> None:
    selection = select(source, types={source.name: wanted})
    assert selection.sql == sql
    assert str(selection.fields[0].type) == landed
    assert selection.layout.schema.field(source.name).type == selection.fields[0].type
    is_json = wanted == "json"
    assert (selection.layout.columns()[0].role == "json") is is_json


@pytest.mark.parametrize(
    ("source", "wanted", "offered"),
    [
        (ID, "int16", '"int64"'),
        (ID, "uint32", '"int64"'),
        (ID, "decimal(9,0)", '"int64"'),
        (ID, "epoch_s", '"int64"'),
        (column("b", "int8"), "int32", '"decimal(38,9)"'),
        (column("b", "int8"), "double", '"decimal(38,9)"'),
        (column("f", "float8"), "decimal(38,9)", '"string"'),
        (column("n", "numeric"), "int64", '"decimal(38,9)"'),
        (numeric("n", 19, 0), "int64", '"decimal(38,9)"'),
        (AMOUNT, "double", '"decimal(38,9)"'),
        (column("t", "timestamp"), "timestamp", '"string"'),
        (column("t", "timestamptz"), "timestamp(us)", '"string"'),
        (column("t", "timestamptz"), "timestamp(ms, UTC)", '"string"'),
        (column("t", "timestamptz"), "date", '"string"'),
        (column("s", "text"), "int64", '"json"'),
        (column("x", "xid8"), "int64", '"string"'),
        (column("o", "oid"), "decimal(38,9)", '"string"'),
        (column("a", "int4", is_array=True), "int64", '"string"'),
    ],
)
def test_a_type_that_may_change_a_value_is_refused_and_others_are_offered(
    source: CatalogueColumn, wanted: str, offered: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        select(source, types={source.name: wanted})
    assert f"schema.columns.{source.name}: {wanted!r} may not hold" in str(caught.value)
    assert offered in str(caught.value)
    assert f'"{wanted}"' not in str(caught.value).partition("leave it out")[2]


@pytest.mark.parametrize(
    ("before", "source", "landed"),
    [
        (pa.int64(), ID, "int64"),
        (pa.int32(), column("id", "int8"), "int64"),
        (pa.int16(), ID, "int32"),
        (pa.float64(), column("id", "float4"), "double"),
        (pa.int32(), column("id", "float8"), "double"),
        (pa.int64(), column("id", "float8"), "string"),
        (pa.decimal128(18, 2), numeric("id", 12, 4), "decimal128(20, 4)"),
        (pa.decimal128(8, 2), numeric("id", 12, 4), "decimal128(12, 4)"),
        (pa.int64(), numeric("id", 12, 4), "decimal128(23, 4)"),
        (pa.decimal128(10, 2), column("id", "int8"), "decimal128(21, 2)"),
        (pa.decimal256(76, 0), numeric("id", 12, 4), "string"),
        (pa.decimal128(10, 2), column("id", "numeric"), "string"),
        (pa.string(), ID, "string"),
        (pa.timestamp("us"), ID, "string"),
        (pa.date32(), column("id", "timestamp"), "string"),
        (pa.list_(pa.int64()), column("id", "int4", is_array=True), "list<item: int64>"),
        (pa.list_(pa.string()), column("id", "int4", is_array=True), "list<item: string>"),
        (
            pa.timestamp("us", "Europe/Berlin"),
            column("id", "timestamptz"),
            "timestamp[us, tz=Europe/Berlin]",
        ),
        (pa.uint32(), column("id", "oid"), "int64"),
        (pa.uint64(), ID, "decimal128(20, 0)"),
        (pa.uint64(), column("id", "xid8"), "uint64"),
        (pa.int32(), column("id", "int4", is_array=True), "string"),
        (pa.list_(pa.int32()), column("id", "int4", is_array=True, dimensions=2), "string"),
    ],
)
def test_a_column_never_narrows(before: DataType, source: CatalogueColumn, landed: str) -> None:
    selection = select(source, base=base(id=before))
    assert str(selection.fields[0].type).replace("element", "item") == landed


def test_what_is_configured_wins_over_what_was() -> None:
    selection = select(ID, base=base(id=pa.string()), types={"id": "int64"})
    assert selection.fields[0].type == pa.int64()


def test_json_stays_json_whatever_the_column_becomes() -> None:
    json = Column(name="id", type=pa.string(), key="id", role="json")
    before = Layout(version=0, schema=pa.schema([json.field()]), known=1)
    assert select(ID, base=before).sql == 'pg_catalog.to_json("id")::pg_catalog.text'
    assert select(column("id", "jsonb"), base=before).layout.columns()[0].role == "json"
    was_text = select(column("id", "jsonb"), base=base(id=pa.string()))
    assert was_text.layout.columns()[0].role == "value"


def test_columns_for_special_values_are_part_of_the_layout_from_the_start() -> None:
    columns = [AMOUNT, ID, column("day", "date"), NOTE]
    layout = select(*columns, on_special="text").layout
    assert layout.schema.names == ["amount", "amount__variant", "id", "day", "day__variant", "note"]
    variant = layout.columns()[1]
    assert (variant.role, variant.of, variant.key) == ("variant", "amount", None)
    assert select(*columns, on_special="null").layout.schema.names == [
        "amount", "id", "day", "note",
    ]  # fmt: skip


def test_not_null_holds_unless_special_values_become_null() -> None:
    amount = msgspec.structs.replace(AMOUNT, is_required=True)
    identity = msgspec.structs.replace(ID, is_required=True)
    assert [f.nullable for f in select(amount, identity).layout.schema] == [False, False]
    kept = select(amount, identity, on_special="null").layout.schema
    assert [f.nullable for f in kept] == [True, False]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([ID, NOTE, AMOUNT], "'amount' is new"),
        ([ID], "'note' is gone"),
        ([column("id", "int8"), NOTE], r"'id' was int32 and is int64 \(int8\)"),
    ],
)
def test_a_frozen_contract_is_broken_by_any_change(
    columns: list[CatalogueColumn], message: str
) -> None:
    frozen = base(id=pa.int32(), note=pa.string())
    with pytest.raises(QualityError, match=message):
        select(*columns, base=frozen, contract="freeze")


def test_a_frozen_contract_takes_what_is_as_it_was_and_what_is_configured() -> None:
    frozen = base(id=pa.int64(), note=pa.string())
    narrower = select(ID, NOTE, base=frozen, contract="freeze")
    assert narrower.fields[0].type == pa.int64()
    select(ID, NOTE, AMOUNT, base=frozen, contract="freeze", types={"amount": "decimal(12,2)"})
    select(ID, NOTE, contract="freeze")


def test_a_table_without_columns_selects_nothing() -> None:
    selection = select()
    assert selection.sql == ""
    assert len(selection.layout.schema) == 0
