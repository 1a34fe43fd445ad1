"""Which columns a table has, and what a record of Bronze is as one of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import DataType
from bronze_engine.model.changes import Changes
from bronze_engine.model.layout import Column
from bronze_engine.silver.columns.columns import resolve
from tests.unit.silver.bronze import DAY, manifest, pipeline, records

pytestmark = pytest.mark.unit

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("status", pa.string()),
        Column(
            name="status__variant", type=pa.string(), key=None, role="variant", of="status"
        ).field(),
        Column(name="_raw", type=pa.string(), key=None, role="raw").field(),
        ("_load_date", pa.date32()),
        ("_source_system", pa.string()),
    ]
)


def test_a_table_has_what_was_read_and_not_what_bronze_adds(tmp_path: Path) -> None:
    shape = resolve(pipeline(tmp_path, ""), [manifest(SCHEMA)], None)
    assert shape.names == ("id", "status", "status__variant")
    assert (shape.keys, shape.order, shape.load) == (("id",), (), "full")


def test_columns_that_are_kept_come_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    chosen = pipeline(tmp_path, '[.columns]\nkeep = ["_load_date", "status", "id"]')
    shape = resolve(chosen, [manifest(SCHEMA)], None)
    assert shape.names == ("_load_date", "status", "status__variant", "id")


def test_a_column_that_is_dropped_takes_what_did_not_fit_it_along(tmp_path: Path) -> None:
    chosen = pipeline(tmp_path, '[.columns]\ndrop = ["status"]')
    assert resolve(chosen, [manifest(SCHEMA)], None).names == ("id",)


def test_a_key_is_called_as_the_table_calls_it(tmp_path: Path) -> None:
    chosen = pipeline(tmp_path, '[.columns]\nrename = { id = "order id\\n\\"x\\"" }')
    shape = resolve(chosen, [manifest(SCHEMA)], None)
    assert shape.keys == ('order id\n"x"',)
    assert shape.names[0] == 'order id\n"x"'


def test_the_order_is_that_of_the_changes_then_that_of_the_cursor(tmp_path: Path) -> None:
    top = 'load = "incremental"\nprimary_key = ["id"]\nincremental = { cursor = "at" }'
    schema = pa.schema([("id", pa.int64()), ("at", pa.timestamp("us", "UTC")), ("lsn", pa.int64())])
    chosen = pipeline(tmp_path, '[.columns]\nrename = { at = "since" }', top)
    assert resolve(chosen, [manifest(schema, made_by="incremental")], None).order == ("since",)
    top = top.replace("incremental", "cdc", 1) + '\ncdc = { operation = "op", order_by = ["lsn"] }'
    chosen = pipeline(tmp_path, '[.columns]\nrename = { at = "since" }', top)
    cdc = Changes(operation="op", insert=("I",), update=("U",), delete=("D",), order_by=("lsn",))
    schema = schema.append(pa.field("op", pa.string()))
    shape = resolve(chosen, [manifest(schema, made_by="cdc", cdc=cdc)], None)
    assert shape.order == ("lsn",)
    assert shape.names == ("id", "since", "lsn")
    chosen = pipeline(tmp_path, "", top.replace('["lsn"]', '["at"]'))  # changed since they landed
    assert resolve(chosen, [manifest(schema, made_by="cdc", cdc=cdc)], None).order == ("at",)
    chosen = pipeline(tmp_path, "", top.replace(', order_by = ["lsn"]', ""))
    assert resolve(chosen, [manifest(schema, made_by="cdc", cdc=cdc)], None).order == ("at",)


def test_what_records_are_compared_by_never_becomes_text_by_itself(tmp_path: Path) -> None:
    whole = pa.schema([("id", pa.int64()), ("no", pa.int64()), ("note", pa.int64())])
    columns: dict[str, DataType] = {"id": pa.int64(), "no": pa.float64(), "note": pa.float64()}
    other = pa.schema(columns)
    dates = [manifest(whole), manifest(other, day=date(2025, 1, 16))]
    chosen = pipeline(tmp_path, 'order_by = ["nr"]\n[.columns]\nrename = { no = "nr" }')
    with pytest.raises(QualityError, match=r"'nr' is int64 .* as text; .*silver\.columns\.cast"):
        resolve(chosen, dates, None)
    cast = 'rename = { no = "nr" }\ncast = { nr = "double" }'
    shape = resolve(pipeline(tmp_path, f'order_by = ["nr"]\n[.columns]\n{cast}'), dates, None)
    assert (shape.columns.field("nr").type, shape.columns.field("note").type) == (
        pa.float64(),
        pa.string(),
    )


def test_types_of_dates_that_differ_become_one_that_holds_both(tmp_path: Path) -> None:
    pairs: dict[str, tuple[DataType, DataType, DataType]] = {
        "whole": (pa.int32(), pa.int64(), pa.int64()),
        "amount": (pa.decimal128(10, 2), pa.decimal128(12, 4), pa.decimal128(12, 4)),
        "code": (pa.int64(), pa.string(), pa.string()),
        "share": (pa.int64(), pa.float64(), pa.string()),
        "long": (pa.int64(), pa.decimal128(38, 20), pa.string()),
        "at": (pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC"), pa.timestamp("ns", "UTC")),
        "parts": (
            pa.struct([("a", pa.int32())]),
            pa.struct([("a", pa.int64()), ("b", pa.string())]),
            pa.struct([("a", pa.int64()), ("b", pa.string())]),
        ),
    }
    first = pa.schema({"id": pa.int64()} | {name: one for name, (one, _, _) in pairs.items()})
    later = pa.schema({"id": pa.int64()} | {name: two for name, (_, two, _) in pairs.items()})
    one, two = manifest(first), manifest(later, date(2025, 1, 16))
    for order in ([one, two], [two, one]):
        shape = resolve(pipeline(tmp_path, ""), order, None)
        found = dict(zip(shape.columns.names, shape.columns.types, strict=True))
        assert found == {"id": pa.int64()} | {name: wide for name, (_, _, wide) in pairs.items()}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.date32(), pa.timestamp("us")),
        (pa.binary(), pa.string()),
        (pa.list_(pa.int64()), pa.int64()),
        (pa.struct([("a", pa.int64())]), pa.struct([("a", pa.string())])),
    ],
    ids=str,
)
def test_types_without_one_that_holds_both_are_refused(
    tmp_path: Path, one: pa.DataType, other: pa.DataType
) -> None:
    dates = [
        manifest(pa.schema([("id", pa.int64()), ("x", kind)]), date(2025, 1, day))
        for day, kind in ((15, one), (16, other))
    ]
    with pytest.raises(QualityError, match=r"column 'x' is .* on some dates"):
        resolve(pipeline(tmp_path, ""), dates, None)
    for columns in ('drop = ["x"]', 'keep = ["id"]'):
        shape = resolve(pipeline(tmp_path, f"[.columns]\n{columns}"), dates, None)
        assert shape.names == ("id",)


def test_structs_grow_whatever_their_fields_are_called(tmp_path: Path) -> None:
    one = pa.struct([("A", pa.int8()), ("a", pa.int8())])
    other = pa.struct([("a", pa.int8()), ("", pa.string()), ("A", pa.int32())])
    dates = [
        manifest(pa.schema([("id", pa.int64()), ("x", kind)]), date(2025, 1, day))
        for day, kind in ((15, one), (16, other))
    ]
    shape = resolve(pipeline(tmp_path, ""), dates, None)
    wide = pa.struct([("A", pa.int32()), ("a", pa.int8()), ("", pa.string())])
    assert shape.columns.field("x").type == wide


def test_types_that_no_type_holds_are_cast_from_what_they_are(tmp_path: Path) -> None:
    dates = [
        manifest(pa.schema([("id", pa.int64()), ("x", kind)]), date(2025, 1, day))
        for day, kind in ((15, pa.date32()), (16, pa.timestamp("us")))
    ]
    chosen = pipeline(tmp_path, '[.columns]\nrename = { x = "day" }\ncast = { day = "date" }')
    shape = resolve(chosen, dates, None)
    assert shape.columns.field("day").type == pa.date32()


@pytest.mark.parametrize(
    ("silver", "message"),
    [
        ('unique_columns = ["idd"]', "silver.unique_columns names 'idd'.* did you mean 'id'"),
        ('order_by = ["statuss"]', "silver.order_by names 'statuss'.* did you mean 'status'"),
        ('partition_by = ["day(x)"]', "silver.partition_by names 'x'"),
        (
            'partition_by = ["day(status)"]',
            r"partition_by names 'status', which is string, .* silver.columns.cast.status = ",
        ),
        ('[.columns]\nkeep = ["id", "stat"]', "silver.columns.keep names 'stat'"),
        ('deletes = "hard"\ndeleted_column = "statsu"', "silver.deleted_column names 'statsu'"),
        ('[.columns]\ndrop = ["stats"]', "silver.columns.drop names 'stats'"),
        ('[.columns]\nrename = { statu = "x" }', "silver.columns.rename names 'statu'"),
        ('[.columns]\ncast = { statu = "json" }', "silver.columns.cast names 'statu'"),
        (
            '[.columns]\nrename = { id = "Status" }',
            "and another is 'Status' already",
        ),
        ('[.columns]\ncast = { id = "date" }', "no exact way from that to date"),
    ],
)
def test_what_the_configuration_names_and_no_record_has(
    tmp_path: Path, silver: str, message: str
) -> None:
    with pytest.raises(QualityError, match=message):
        resolve(pipeline(tmp_path, silver), [manifest(SCHEMA)], None)


def test_what_a_source_sends_with_its_first_delete_may_be_named_before(tmp_path: Path) -> None:
    chosen = pipeline(
        tmp_path,
        'deletes = "hard"\ndeleted_column = "__deleted"\n[.columns]\n'
        'rename = { __deleted = "gone" }\ncast = { gone = "bool" }\n'
        'drop = ["id__variant", "_extra", "note"]',
    )
    told: list[str] = []
    shape = resolve(chosen, [manifest(SCHEMA)], None, warn=told.append)
    assert shape.names == ("id", "status", "status__variant")
    options = "silver.deleted_column and silver.columns.rename and silver.columns.cast"
    assert [message.partition(" yet")[0] for message in told] == [
        f"{options}: no record has a column '__deleted'",
        "silver.columns.drop: no record has a column 'note'",
    ]
    told.clear()
    more = pa.schema([("__deleted", pa.string()), ("note", pa.string())])
    later = manifest(pa.unify_schemas([SCHEMA, more]), date(2025, 1, 16))
    shape = resolve(chosen, [manifest(SCHEMA), later], None, warn=told.append)
    assert not told
    assert shape.columns.field("gone").type == pa.bool_()


@pytest.mark.parametrize("landed", ["created_at", "updated_at", "delete_time", "status"])
def test_a_name_of_its_own_is_no_slip(tmp_path: Path, landed: str) -> None:
    told: list[str] = []
    chosen = pipeline(tmp_path, 'deletes = "hard"\ndeleted_column = "deleted_at"')
    texts: dict[str, DataType] = dict.fromkeys(("id", "tag", landed), pa.string())
    one = manifest(pa.schema(texts))
    resolve(chosen, [one], None, warn=told.append)
    assert len(told) == 1
    resolve(pipeline(tmp_path, '[.columns]\ndrop = ["tags"]'), [one], None, warn=told.append)
    assert len(told) == 2


@pytest.mark.parametrize(
    "typed", ["deletedAt", "Deleted-at", "_deleted_at", "delted_at", "deletde_at", "deleted_as"]
)
def test_a_slip_of_the_keyboard_is_no_column_that_may_come(tmp_path: Path, typed: str) -> None:
    texts: dict[str, DataType] = dict.fromkeys(("id", "deleted_at"), pa.string())
    schema = pa.schema(texts)
    for silver in (f'deleted_column = "{typed}"', f'[.columns]\ndrop = ["{typed}"]'):
        with pytest.raises(QualityError, match="did you mean 'deleted_at'"):
            resolve(pipeline(tmp_path, silver), [manifest(schema)], None)


@pytest.mark.parametrize("name", ["effective_from", "Deleted_At", "_bronze_row", "_FAULT"])
def test_a_record_takes_no_name_of_ours(tmp_path: Path, name: str) -> None:
    schema = pa.schema([("id", pa.int64()), (name, pa.int64())])
    with pytest.raises(QualityError, match=r"which Silver itself writes.*silver\.columns\.rename"):
        resolve(pipeline(tmp_path, ""), [manifest(schema)], None)


def test_a_frozen_table_takes_no_new_column_and_no_wider_type(tmp_path: Path) -> None:
    chosen = pipeline(tmp_path, 'contract = "freeze"')
    narrow = pa.schema([("id", pa.int32())])
    base = manifest(narrow.append(pa.field("_bronze_date", pa.date32())))
    resolve(chosen, [manifest(narrow)], base)
    with pytest.raises(QualityError, match="'id' is int64, and the table has int32"):
        resolve(chosen, [manifest(pa.schema([("id", pa.int64())]))], base)
    lacks = resolve(chosen, [manifest(pa.schema([("id", pa.int16())]))], base)
    assert lacks.columns.field("id").type == pa.int32()
    with pytest.raises(QualityError, match=r"'n' is new, and silver\.contract"):
        resolve(chosen, [manifest(pa.schema([("id", pa.int32()), ("n", pa.int32())]))], base)


def test_without_a_row_of_bronze_a_table_has_no_column(tmp_path: Path) -> None:
    shape = resolve(pipeline(tmp_path, ""), [manifest(pa.schema([]))], None)
    assert (shape.names, shape.keys) == ((), ())


def test_records_say_where_they_stand_whatever_columns_are_called(tmp_path: Path) -> None:
    odd = ["id", "file_row_number", "filename", 'a"b', "c0", "sélect *; --", "x.y\n"]
    table = pa.table({name: pa.array([7, 8]) for name in odd})
    found = records(pipeline(tmp_path, ""), tmp_path, table, name="pa[r]t*?'s.parquet")
    assert [list(row) for row in found] == [
        [*odd, "_is_delete", "_bronze_date", "_bronze_part", "_bronze_row", "_fault"]
    ] * 2
    assert [row["_bronze_row"] for row in found] == [0, 1]
    assert {row["file_row_number"] for row in found} == {7, 8}
    assert (found[0]["_bronze_date"], found[0]["_bronze_part"]) == (DAY, 0)
    assert found[0]["_fault"] is None
    assert found[0]["_is_delete"] is False


def test_a_column_that_a_file_lacks_is_null(tmp_path: Path) -> None:
    later = manifest(pa.schema([("id", pa.int64()), ("n", pa.int32())]), date(2025, 1, 16))
    found = records(
        pipeline(tmp_path, ""), tmp_path, pa.table({"id": pa.array([1])}), others=[later]
    )
    assert found[0]["n"] is None
    assert found[0]["_fault"] is None


def test_a_value_that_its_cast_can_not_hold_says_so(tmp_path: Path) -> None:
    chosen = pipeline(tmp_path, '[.columns]\ncast = { status = "int16" }')
    table = pa.table({"id": [1, 2, 3], "status": pa.array(["7", None, "40000"])})
    found = records(chosen, tmp_path, table)
    assert [row["status"] for row in found] == [7, None, None]
    assert [row["_fault"] for row in found] == [
        None,
        None,
        "column 'status' (int16) can't hold 40000",
    ]


def test_deletes_are_codes_and_marks(tmp_path: Path) -> None:
    top = (
        'load = "cdc"\nprimary_key = ["id"]\nincremental = { cursor = "at" }\n'
        'cdc = { operation = "op" }'
    )
    cdc = Changes(operation="op", insert=("I",), update=("U",), delete=("D", "3"))
    at = pa.array([1, 2, 3, 4])
    texts = pa.table({"id": [1, 2, 3, 4], "at": at, "op": ["I", "D", "d", None]})
    of = manifest(texts.schema, made_by="cdc", cdc=cdc)
    found = records(pipeline(tmp_path, "", top), tmp_path, texts, of=of)
    assert [row["_is_delete"] for row in found] == [False, True, False, False]
    numbers = pa.table({"id": [1, 2], "at": at[:2], "op": pa.array([2, 3])})
    of = manifest(numbers.schema, made_by="cdc", cdc=cdc)
    found = records(pipeline(tmp_path, "", top), tmp_path, numbers, of=of)
    assert [row["_is_delete"] for row in found] == [False, True]
    marked = pipeline(tmp_path, 'deletes = "hard"\ndeleted_column = "gone"')
    truths = pa.table({"id": [1, 2, 3], "gone": pa.array([True, False, None])})
    assert [row["_is_delete"] for row in records(marked, tmp_path, truths)] == [True, False, False]
    times = pa.table({"id": [1, 2], "gone": pa.array(["2025-01-01", None])})
    assert [row["_is_delete"] for row in records(marked, tmp_path, times)] == [True, False]


def test_marks_that_are_texts_are_read_as_what_they_are_cast_to(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, 3, 4], "__deleted": ["true", "false", None, "maybe"]})
    marked = 'deletes = "hard"\ndeleted_column = "__deleted"\n'
    plain = records(pipeline(tmp_path, marked), tmp_path, table)
    assert [row["_is_delete"] for row in plain] == [True, True, False, True]
    columns = '[.columns]\nrename = { __deleted = "gone" }\ncast = { gone = "bool" }'
    found = records(pipeline(tmp_path, marked + columns), tmp_path, table)
    assert [row["_is_delete"] for row in found] == [True, False, False, False]
    assert found[3]["_fault"] == "column 'gone' (bool) can't hold maybe"


def test_any_column_of_a_table_may_be_null(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False)])
    shape = resolve(pipeline(tmp_path, ""), [manifest(schema)], None)
    assert shape.columns.field("id").nullable


def test_durations_of_two_units_are_no_one_number(tmp_path: Path) -> None:
    dates = [
        manifest(
            pa.schema([Column(name="id", type=pa.int64(), key="id", unit=unit).field()]),
            date(2025, 1, day),
        )
        for day, unit in ((15, "s"), (16, "ms"))
    ]
    for columns in ("", '[.columns]\ncast = { id = "string" }'):
        with pytest.raises(QualityError, match="'id' is a duration in s on some dates and a dur"):
            resolve(pipeline(tmp_path, columns), dates, None)


def test_what_did_not_fit_is_of_the_column_as_it_is_called_now(tmp_path: Path) -> None:
    chosen = pipeline(tmp_path, '[.columns]\nrename = { status = "state" }')
    shape = resolve(chosen, [manifest(SCHEMA)], None)
    assert shape.names == ("id", "state", "status__variant")
    assert Column.parse(shape.columns.field("status__variant")).of == "state"
