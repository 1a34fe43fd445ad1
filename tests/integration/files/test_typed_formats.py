"""Parquet, Arrow IPC and JSON files: every value as it was, or a fault that says why not."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.errors import ExtractError, QualityError
from tests.integration.files.landing import Lake

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

TIMES: Final = 2000
"""Enough for several groups, the later ones after the layout is settled."""

Form = Literal["parquet", "file", "stream"]
FORMS: Final[tuple[Form, ...]] = ("parquet", "file", "stream")
MANY: Final = Decimal("-" + "9" * 65 + "." + "9" * 10 + "1")
VALUES: Final[dict[str, tuple[pa.DataType, list[Any], pa.DataType, list[Any] | None]]] = {
    "i8": (pa.int8(), [1, None, -128], pa.int8(), None),
    "u64": (pa.uint64(), [2**64 - 1, 0, None], pa.decimal128(20, 0), None),
    "d256": (pa.decimal256(76, 11), [Decimal("1.5"), MANY, None], pa.decimal256(76, 11), None),
    "ns": (
        pa.timestamp("ns", "Europe/Berlin"),
        [1, 2**62, None],
        pa.timestamp("ns", "UTC"),
        [1, 2**62, None],
    ),
    "us": (
        pa.timestamp("us"),
        [datetime(9999, 12, 31, 23, 59, 59, 999999), None, datetime(1, 1, 1)],  # noqa: DTZ001
        pa.timestamp("us"),
        None,
    ),
    "text": (pa.large_string(), ["é\n", "", None], pa.string(), None),
    "bytes": (pa.binary(), [b"\x00\xff", b"", None], pa.binary(), None),
    "fixed": (pa.binary(2), [b"ab", b"cd", None], pa.binary(), None),
    "flag": (pa.bool_(), [True, False, None], pa.bool_(), None),
    "double": (pa.float64(), [0.1, -0.0, None], pa.float64(), None),
    "clock": (pa.time32("s"), [time(1, 2, 3), None, time(0)], pa.time64("us"), None),
    "list": (pa.list_(pa.int32()), [[1, None], [], None], pa.list_(pa.int32()), None),
    "deep": (
        pa.struct([("a", pa.list_(pa.struct([("b", pa.string())])))]),
        [{"a": [{"b": "x"}, None]}, {"a": None}, None],
        pa.struct([("a", pa.list_(pa.struct([("b", pa.string())])))]),
        None,
    ),
    "map": (
        pa.map_(pa.string(), pa.int32()),
        [[("k", 1)], [], None],
        pa.list_(pa.struct([("key", pa.string()), ("value", pa.int32())])),
        [[{"key": "k", "value": 1}], [], None],
    ),
    "lasted": (
        pa.duration("us"),
        [timedelta(seconds=1), None, timedelta(days=-1)],
        pa.int64(),
        [1_000_000, None, -86_400_000_000],
    ),
    "nothing": (pa.null(), [None, None, None], pa.string(), None),
}


def write(path: Path, table: pa.Table, form: Form) -> None:
    if form == "parquet":
        pq.write_table(table, path, row_group_size=2 if table.num_rows < 100 else 1500)
        return
    make = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with pa.OSFile(str(path), "wb") as out, make(out, table.schema) as writer:
        writer.write_table(table)


def lake(folder: Path, form: Form, more: str = "") -> Lake:
    name = "parquet" if form == "parquet" else "arrow"
    return Lake(folder, f'url = "inbox/*"\nformat = "{name}"', more)


def ticks(array: Any) -> list[Any]:
    """Nanoseconds have no Python type."""
    kind = array.type
    is_ns = pa.types.is_timestamp(kind) and kind.unit == "ns"
    return list((array.cast(pa.int64()) if is_ns else array).to_pylist())


@pytest.mark.parametrize("form", FORMS)
async def test_types_land_as_they_are(tmp_path: Path, form: Form) -> None:
    one = lake(tmp_path, form, "output = { row_group_rows = 1000 }")
    arrays = {name: pa.array(given, kind) for name, (kind, given, _, _) in VALUES.items()}
    arrays["coded"] = pa.array(["a", None, "a"]).dictionary_encode()
    if form != "parquet":
        arrays["view"] = pa.array([[1], None, [2, 3]], pa.list_view(pa.int32()))
        arrays["text_view"] = pa.array(["x", None, ""], pa.string_view())
    table = pa.concat_tables([pa.table(arrays)] * TIMES).combine_chunks()
    write(one.inbox / "a", table, form)
    landed = await one.table()
    assert landed.num_rows == 3 * TIMES
    assert [name for name in landed.schema.names if "__variant" in name] == []
    assert landed.slice(0, 3).to_pylist() == landed.slice(3 * TIMES - 3).to_pylist()
    following = await one.table(date(2025, 1, 16))  # begins with the columns of the first
    assert following.schema == landed.schema
    assert one.manifest(date(2025, 1, 16)).schema_changes == ()
    landed = landed.slice(3 * TIMES // 2, 3)
    for name, (_, given, kind, expected) in VALUES.items():
        column = landed.column(name)
        assert pa.types.is_list(kind) or column.type == kind, name
        assert ticks(column) == (given if expected is None else expected), name
    assert landed["coded"].to_pylist() == ["a", None, "a"]
    if form != "parquet":
        assert landed["view"].to_pylist() == [[1], None, [2, 3]]
        assert landed["text_view"].to_pylist() == ["x", None, ""]


@pytest.mark.parametrize("form", FORMS)
async def test_rows_without_a_column_are_no_empty_file(tmp_path: Path, form: Form) -> None:
    """They landed as 0 rows. Arrow counts none in Parquet's footer; others do."""
    one = lake(tmp_path, form)
    path = one.inbox / "a"
    write(path, pa.table({"n": [1, 2, 3]}).select([]), form)
    if form == "parquet":
        warnings = (await one.run()).warnings
        assert any("a has no column, and so nothing to land" in each for each in warnings)
        root = b"schema\x15\x00\x00\x16"  # without children; the count of rows is next, by zigzag
        path.write_bytes(path.read_bytes().replace(root + b"\x00", root + b"\x06", 1))
        assert pq.read_metadata(path).num_rows == 3
    with pytest.raises(ExtractError, match="a has 3 rows and no column; whatever wrote it"):
        await one.run()


async def test_timestamps_of_96_bits_land_exactly_or_not_at_all(tmp_path: Path) -> None:
    one = lake(tmp_path, "parquet")
    far = datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001
    table = pa.table({"at": pa.array([far, None, datetime(1, 1, 1)], pa.timestamp("us"))})  # noqa: DTZ001
    pq.write_table(table, one.inbox / "a", use_deprecated_int96_timestamps=True)
    assert (await one.table())["at"].to_pylist() == table["at"].to_pylist()
    fine = pa.table({"at": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))})
    pq.write_table(fine, one.inbox / "a", use_deprecated_int96_timestamps=True)
    with pytest.raises(QualityError, match=r'type it as "timestamp\(ns\)" in schema\.columns\.at'):
        await one.run()
    typed = 'schema = { columns = { at = "timestamp(ns)" } }'
    one.configure('url = "inbox/*"\nformat = "parquet"', typed)
    assert ticks((await one.table())["at"]) == [1_700_000_000_123_456_789]


@pytest.mark.parametrize("form", FORMS)
async def test_files_may_differ_in_their_columns(tmp_path: Path, form: Form) -> None:
    one = lake(tmp_path, form)
    write(one.inbox / "a", pa.table({"n": pa.array([1], pa.int8()), "s": [{"x": 1}]}), form)
    wide = {"new": ["y"], "n": pa.array([300], pa.int64()), "s": [{"y": "z"}]}
    write(one.inbox / "b", pa.table(wide), form)
    landed = await one.table()
    assert landed["n"].to_pylist() == [1, 300]
    assert landed["new"].to_pylist() == [None, "y"]
    assert landed["s"].to_pylist() == [{"x": 1, "y": None}, {"x": None, "y": "z"}]


async def test_a_type_of_another_kind_lands_beside(tmp_path: Path) -> None:
    one = lake(tmp_path, "parquet")
    write(one.inbox / "a", pa.table({"n": [1, 2]}), "parquet")
    write(one.inbox / "b", pa.table({"n": ["3", "no number"]}), "parquet")
    landed = await one.table()
    assert landed["n"].to_pylist() == [1, 2, 3, None]
    assert landed["n__variant"].to_pylist() == [None, None, None, '"no number"']


@pytest.mark.parametrize(("on_drift", "rows"), [("quarantine", 3), ("fail", None)])
async def test_drift_goes_where_it_is_told(tmp_path: Path, on_drift: str, rows: int | None) -> None:
    more = f'schema = {{ on_drift = "{on_drift}" }}\nquality = {{ max_bad_rows = 1 }}\n'
    one = lake(tmp_path, "parquet", more)
    write(one.inbox / "a", pa.table({"n": [1, 2]}), "parquet")
    write(one.inbox / "b", pa.table({"n": ["3", "no number"]}), "parquet")
    if rows is None:
        with pytest.raises(QualityError, match="can't hold no number"):
            await one.run()
        return
    report = await one.run()
    assert (report.rows, report.rejected) == (rows, 1)


async def test_text_that_is_no_utf8_is_kept_beside(tmp_path: Path) -> None:
    one = lake(tmp_path, "file")
    bad = pa.StringArray.from_buffers(
        2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xff\xfe")
    )
    write(one.inbox / "a", pa.table({"t": bad}), "file")
    landed = await one.table()
    assert landed["t"].to_pylist() == ["a", None]
    assert landed["t__variant"].to_pylist() == [None, '{"base64": "//4="}']


@pytest.mark.parametrize("form", FORMS)
async def test_columns_of_an_empty_file_land(tmp_path: Path, form: Form) -> None:
    one = lake(tmp_path, form)
    write(one.inbox / "a", pa.table({"n": pa.array([], pa.int16())}), form)
    report = await one.run()
    assert report.rows == 0
    first = one.manifest().schema[0]
    assert (first.name, first.type) == ("n", "int16")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("left", [0, 3, 200])
async def test_a_cut_file_lands_nothing(tmp_path: Path, form: Form, left: int) -> None:
    one = lake(tmp_path, form)
    write(one.inbox / "a", pa.table({"n": range(1000)}), form)
    whole = (one.inbox / "a").read_bytes()
    (one.inbox / "a").write_bytes(whole[:left])
    with pytest.raises(ExtractError, match="inbox/a"):
        await one.run()


@pytest.mark.parametrize("offset", [-1, 2**30])
async def test_offsets_that_a_damaged_file_has_are_not_followed(
    tmp_path: Path, offset: int
) -> None:
    one = Lake(tmp_path, 'url = "inbox/*"\nformat = "arrow"')
    table = pa.table({"s": ["one", "two", "three"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
    data = sink.getvalue().to_pybytes()
    before, after = (b"".join(n.to_bytes(4, "little", signed=True) for n in (0, 3, each, 11))
                     for each in (6, offset))  # fmt: skip
    assert data.count(before) == 1
    (one.inbox / "a.arrow").write_bytes(data.replace(before, after))
    with pytest.raises(ExtractError, match="is damaged: values of it lie outside of it"):
        await one.run()


async def test_a_stream_without_its_end_is_told(tmp_path: Path) -> None:
    one = lake(tmp_path, "stream")
    write(one.inbox / "a", pa.table({"n": range(1000)}), "stream")
    assert not any("no mark of its end" in told for told in (await one.run()).warnings)
    whole = (one.inbox / "a").read_bytes()
    (one.inbox / "a").write_bytes(whole[:-8])
    report = await one.run()
    assert report.rows == 1000
    assert any("inbox/a has no mark of its end" in told for told in report.warnings)


async def test_a_type_that_can_not_land_is_told(tmp_path: Path) -> None:
    one = lake(tmp_path, "file")
    kind = pa.month_day_nano_interval()
    write(one.inbox / "a", pa.table({"gap": pa.array([(1, 2, 3)], kind)}), "file")
    with pytest.raises(QualityError, match="column 'gap' has the type month_day_nano_interval"):
        await one.run()


@pytest.mark.parametrize(
    ("value", "path"),
    [("INTERVAL 1 DAY", "gap"), ("{'of': [INTERVAL 1 DAY]}", "gap.of.list.element")],
)
async def test_an_interval_of_parquet_is_no_12_bytes(tmp_path: Path, value: str, path: str) -> None:
    one = lake(tmp_path, "parquet")
    duckdb.sql(f"COPY (SELECT 1 AS id, {value} AS gap) TO '{one.inbox / 'a.parquet'}'")
    with pytest.raises(QualityError, match=f"column '{path}' has the type INTERVAL"):
        await one.run()


async def test_the_same_files_give_the_same_hashes(tmp_path: Path) -> None:
    one = lake(tmp_path, "parquet")
    for number in range(5):
        write(one.inbox / f"{number}", pa.table({"n": range(number * 1000, 3000)}), "parquet")
    hashes = []
    for _ in range(2):
        await one.run()
        hashes.append([file.sha256 for file in one.manifest().files])
    assert hashes[0] == hashes[1]


JSON_TEXTS = {
    "array": '[{"a": 1, "b": "é"}, {"a": 12345678901234567890123, "b": null}]',
    "record": '{"a": 1, "b": "é"}',
    "marked": '\ufeff[{"a": 1, "b": "é"}]',
    "empty": "[]",
}


@pytest.mark.parametrize("name", JSON_TEXTS)
async def test_json_documents(tmp_path: Path, name: str) -> None:
    one = Lake(tmp_path, 'url = "inbox/*.json"\nformat = "json"')
    (one.inbox / "a.json").write_text(JSON_TEXTS[name], encoding="utf-8")
    expected = json.loads(JSON_TEXTS[name].lstrip("\ufeff"))
    expected = expected if isinstance(expected, list) else [expected]
    landed = await one.table()
    assert landed.num_rows == len(expected)
    if expected:
        assert landed["b"].to_pylist() == [each["b"] for each in expected]
        assert list(map(str, landed["a"].to_pylist())) == [str(each["a"]) for each in expected]


async def test_records_below_a_path(tmp_path: Path) -> None:
    one = Lake(tmp_path, 'url = "inbox/*.json"\nformat = "json"\nrecords = "data.items"')
    (one.inbox / "a.json").write_text('{"data": {"items": [{"a": 1}, {"a": 2}]}}')
    assert await one.values("a") == [1, 2]
    (one.inbox / "a.json").write_text('{"data": {"rows": []}}')
    with pytest.raises(ExtractError, match=r"inbox/a\.json.*items"):
        await one.run()


async def test_an_array_is_larger_than_what_is_held(tmp_path: Path) -> None:
    source = 'url = "inbox/*.json"\nformat = "json"\nmax_document_bytes = "64KiB"'
    one = Lake(tmp_path, source)
    rows = [{"a": number, "b": "x" * 50} for number in range(50_000)]
    (one.inbox / "a.json").write_text(json.dumps(rows))
    assert await one.values("a") == list(range(50_000))
    (one.inbox / "a.json").write_text(json.dumps({"all": rows}))
    with pytest.raises(ExtractError, match=r"more than 65,536 bytes; raise source\.max_document"):
        await one.run()


async def test_a_document_a_line_is_told_as_ndjson(tmp_path: Path) -> None:
    one = Lake(tmp_path, 'url = "inbox/*.json"\nformat = "json"')
    (one.inbox / "a.json").write_text('{"a": 1}\n{"a": 2}\n')
    with pytest.raises(ExtractError, match='a document a line; set format = "ndjson"'):
        await one.run()


async def test_a_record_that_is_none_says_where_it_stands(tmp_path: Path) -> None:
    more = "quality = { max_bad_rows = 1 }\n"
    one = Lake(tmp_path, 'url = "inbox/*.json"\nformat = "json"', more)
    (one.inbox / "a.json").write_text('[{"a": 1}, 7]')
    assert (await one.run()).rejected == 1
    (rejects,) = one.manifest().quarantine
    path = one.folder / "bronze/drop/it/dt=2025-01-15" / rejects.name
    with pa.CompressedInputStream(pa.OSFile(str(path), "r"), "zstd") as stream:
        line = json.loads(stream.read())
    assert line["file"].endswith("inbox/a.json")
    assert (line["offset"], line["raw"]) == (1, "7")


@pytest.mark.parametrize(
    ("body", "records", "told"),
    [
        ('{"data": null}', "data", "write \\[\\] where there are none"),
        ('{"rows": [], "error": "x"}', "data", 'there are the keys "rows", "error"; it says: x'),
        ('{"data": {"id": 1}}', "data", "set source.records|set `records` to the path"),
        ("<html><body>", "data", "fetch it again"),
        ("<a/>", "data", "convert it before it is landed"),
        ("[1]", None, "set source.records"),
        ("[" * 5000 + "]" * 5000, "data", "EXT001|QUAL001"),
    ],
)
async def test_advice_names_only_what_files_have(
    tmp_path: Path, body: str, records: str | None, told: str
) -> None:
    more = "" if records is None else f'\nrecords = "{records}"'
    one = Lake(tmp_path, f'url = "inbox/*.json"\nformat = "json"{more}')
    (one.inbox / "a.json").write_text(body)
    with pytest.raises((ExtractError, QualityError), match=told) as caught:
        await one.run()
    others = ("null_records", "absent_records", "single_record", "record_kind", "`path`", "Accept")
    for other in (*others, "[apis", "server"):
        assert other not in str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "parquet", "ndjson"])
async def test_drift_that_fails_names_the_file(tmp_path: Path, kind: str) -> None:
    more = 'schema.on_drift = "fail"\nschema.columns = { n = "int64" }'
    one = Lake(tmp_path, f'url = "inbox/*"\nformat = "{kind}"', more)
    path = one.inbox / "a.data"
    if kind == "parquet":
        pq.write_table(pa.table({"n": ["x"]}), path)
    else:
        path.write_text("n\nx\n" if kind == "csv" else '{"n": "x"}\n')
    with pytest.raises(QualityError, match=r"inbox/a\.data") as caught:
        await one.run()
    assert "file 1" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["short", "more than the twelve bytes of a view"], pa.string_view()),
        ([b"\xff", b""], pa.binary_view()),
    ],
)
async def test_dictionaries_of_views_land_as_their_values(
    tmp_path: Path, values: list[Any], kind: pa.DataType
) -> None:
    """As Polars writes a Categorical."""
    one = Lake(tmp_path, 'url = "inbox/*"\nformat = "arrow"')
    indices = pa.array([1, 0, None, 1], pa.uint32())
    column = pa.DictionaryArray.from_arrays(indices, pa.array(values, kind))
    expected = [values[1], values[0], None, values[1]]
    maps: Any = pa.MapArray  # the stubs know no lists of offsets
    nested: dict[str, Any] = {
        "d": column,
        "s": pa.StructArray.from_arrays([column], ["c"]),
        "l": pa.ListArray.from_arrays([0, 1, 2, 2, 4], column),
        "f": pa.FixedSizeListArray.from_arrays(column, 1),
        "m": maps.from_arrays([0, 1, 2, 3, 4], pa.array(["a", "b", "c", "d"]), column),
    }
    batch = pa.record_batch(nested)
    with pa.ipc.new_file(str(one.inbox / "a.arrow"), batch.schema) as file:
        file.write_batch(batch)
    landed = await one.table()
    assert landed["d"].to_pylist() == expected
    assert landed["s"].to_pylist() == [{"c": value} for value in expected]
    assert landed["l"].to_pylist() == [expected[:1], expected[1:2], [], expected[2:]]
    assert landed["f"].to_pylist() == [[value] for value in expected]
    rows: list[Any] = landed["m"].to_pylist()
    assert [each[0]["value"] for each in rows] == expected


@pytest.mark.parametrize("values", [[{"a": 1}, {"a": 2}], [[1], [2, 3]], [[{"a": [1]}], []]])
async def test_dictionaries_of_nested_values_land_as_these(
    tmp_path: Path, values: list[Any]
) -> None:
    one = Lake(tmp_path, 'url = "inbox/*"\nformat = "arrow"')
    column = pa.DictionaryArray.from_arrays(pa.array([1, 0, None, 1]), pa.array(values))
    batch = pa.record_batch({"d": column})
    with pa.ipc.new_file(str(one.inbox / "a.arrow"), batch.schema) as file:
        file.write_batch(batch)
    assert await one.values("d") == [values[1], values[0], None, values[1]]


async def test_what_arrow_does_not_read_is_not_to_be_fetched_again(tmp_path: Path) -> None:
    one = Lake(tmp_path, 'url = "inbox/*"\nformat = "arrow"')
    views = pa.array([["x"]], pa.list_(pa.string_view()))
    column = pa.DictionaryArray.from_arrays(pa.array([0, 0]), views)
    batch = pa.record_batch({"d": column})
    with pa.ipc.new_file(str(one.inbox / "a.arrow"), batch.schema) as file:
        file.write_batch(batch)
    with pytest.raises(ExtractError, match="write it as another type") as caught:
        await one.run()
    assert "fetch it again" not in str(caught.value)


async def test_a_document_past_the_limit_that_comes_in_one_piece(tmp_path: Path) -> None:
    one = Lake(tmp_path, 'url = "inbox/*"\nformat = "json"\nmax_document_bytes = "1KiB"')
    (one.inbox / "a.json").write_text(json.dumps({"a": "x" * 1024}))
    with pytest.raises(ExtractError, match="has more than 1,024 bytes"):
        await one.run()


async def test_durations_of_another_day_are_counted_in_the_first_days_unit(tmp_path: Path) -> None:
    one = Lake(tmp_path, 'url = "inbox/*"\nformat = "arrow"')
    for day, kind in (
        (date(2025, 1, 15), pa.duration("s")),
        (date(2025, 1, 16), pa.duration("ns")),
    ):
        batch = pa.record_batch({"d": pa.array([3, 3 * 10**9], pa.int64()).cast(kind)})
        with pa.ipc.new_file(str(one.inbox / "a.arrow"), batch.schema) as file:
            file.write_batch(batch)
        table = await one.table(day)
    assert table.column("d").to_pylist() == [None, 3]
    assert table.column("d__variant").to_pylist() == ['"3 ns"', None]
