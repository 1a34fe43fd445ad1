"""Hard values from a server's answer to Parquet and back: exact, or quarantined with the reason.

Each value comes on a page, and so in a group, of its own: alone it decides whether the fast path
takes the group. It is read back with pyarrow and with DuckDB.
"""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.model.arrow import schema_from_text
from bronze_engine.model.layout import STAMP_COLUMNS, Layout
from bronze_engine.model.manifest import Manifest
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.stores import read_all
from tests.integration.http_server import Seen, answer, serve
from tests.unit.decode.rows import loads, records_of
from tests.unit.decode.test_paths_agree import without_empties, without_nulls_in_lists
from tests.unit.run.harness import (
    DAY,
    NAME,
    cut_groups,
    load_text,
    manifest_of,
    opened,
    partition_of,
)

pytestmark = pytest.mark.integration

CONFIG = """
[engine]
log_dir = ""
[apis.shop]
base_url = "{url}"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
records = "items"
[pipelines.team.orders.source.paginator]
type = "page"
"""

LANDS = {
    "an integer of 41 digits": "1" + "0" * 40,
    "a negative integer of 40 digits": "-" + "1234567890" * 4,
    "2^63": "9223372036854775808",
    "-2^63": "-9223372036854775808",
    "2^53+1": "9007199254740993",
    "a decimal of 40 digits": "0.1234567890123456789012345678901234567890",
    "a decimal of 20 and 20 digits": "12345678901234567890.12345678901234567890",
    "1e400": "1e400",
    "-1e400": "-1E+400",
    "1e-400": "1e-400",
    "a huge exponent": "1e99999999999999999999",
    "a tiny one": "-7E-99999999999999999999",
    "-0.0": "-0.0",
    "one with an exponent": "1.5E+3",
    "17 digits": "0.30000000000000004",
    "the double nearest 0.1, in full": "0.1000000000000000055511151231257827021181583404541015625",
    "a number of 5,000 digits": "7" * 5000,
    "emoji and a flag": '"\U0001f600 \U0001f1e9\U0001f1ea é \\ud83d\\ude00"',
    "control characters": '"a\\u0000b\\u001f\\n\\t\\"\\\\"',
    "a string of 5 MB": '"' + "é" * 2_500_000 + '"',
    "a timestamp with an offset": '"2025-01-15T12:30:00.123456789+05:45"',
    "an empty key": '{"": 1}',
    "keys with dots": '{"a.b": {"c.d": [1, 2]}, "a": {"b": 1.50}}',
    "keys that look flattened": '{"a__b": 1, "a": {"b": 2}}',
    "keys alike up to case": '{"K": 1, "k": 2}',
    "mixed types in a list": '[1, "x", null, {"k": [true]}, 2.50, []]',
    "an object of objects": '{"x": {"y": {"z": {"deep": "value"}}}}',
    "a list of lists": "[[1], [], [2, 3]]",
    "an empty list": "[]",
    "numbers beyond all types in a list": "[1e400, 10000000000000000000000]",
    "true": "true",
    "98 levels": "[" * 98 + "]" * 98,
}
REJECTED = {
    "NaN": ("NaN", "NaN is not JSON"),
    "Infinity": ("Infinity", "Infinity is not JSON"),
    "-Infinity": ("-Infinity", "-Infinity is not JSON"),
    "NaN in a list": ("[1, NaN]", "NaN is not JSON"),
    "a lone surrogate": ('"\\ud800"', "a lone surrogate"),
    "a lone surrogate in an object": ('{"k": "\\udc00"}', "a lone surrogate"),
}
TOO_DEEP = {"101 levels": ("[" * 101 + "]" * 101, "nested deeper than 100 levels")}
"""Rejected, unless lists land as the text that was sent, where nothing is lost."""
TWICE = {"a key that stands twice": ('{"k": 1, "k": 2}', "key 'k' stands twice")}
"""Rejected, unless the object does."""

MODES = {
    "structs": (),
    "json": ("schema.nested=json",),
    "flattened": ("schema.flatten=__",),
    "flattened to one level": ("schema.flatten=.", "schema.flatten_depth=1"),
    "flattened, then json": ("schema.flatten=__", "schema.nested=json", "schema.flatten_depth=1"),
    "widening": ("schema.on_drift=widen",),
    "raw": ("schema.raw=true",),
}


async def land(
    pages: list[str], folder: Path, *overrides: str
) -> tuple[Manifest, MemoryStore, list[dict[str, Any]]]:
    """Run over a server with these records, one page each; the manifest, the store, the rows."""

    async def shop(seen: Seen, _: Any) -> bytes:
        at = int(seen.query.get("page", 1)) - 1
        items = pages[at] if at < len(pages) else ""
        return answer(body=f'{{"items": [{items}]}}'.encode())

    store = MemoryStore(ManualClock())
    async with serve(shop) as server:
        config = load_text(CONFIG.format(url=server.url), *overrides, folder=folder)
        async with opened(config, None, store=store, clock=SYSTEM_CLOCK) as engine:
            await engine.run(NAME, run_date=DAY)
    manifest = await manifest_of(store)
    assert manifest is not None
    return manifest, store, await rows_of(store, manifest, folder)


async def rows_of(store: MemoryStore, manifest: Manifest, folder: Path) -> list[dict[str, Any]]:
    """What pyarrow reads; DuckDB must read the same."""
    tables: list[pa.Table] = []
    paths: list[str] = []
    for number, file in enumerate(manifest.files):
        body = await read_all(store, f"{partition_of()}/{file.name}")
        tables.append(pq.read_table(io.BytesIO(body)))
        path = folder / f"{number}.parquet"
        path.write_bytes(body)
        paths.append(str(path))
    rows = pa.concat_tables(tables, promote_options="default").to_pylist()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.read_parquet(paths, union_by_name=True)
        names = relation.columns
        found = [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
    for by_duckdb, by_pyarrow in zip(found, rows, strict=True):
        one, other = printed(by_duckdb), printed(by_pyarrow)
        assert {n: (one.get(n), v) for n, v in other.items() if one.get(n) != v} == {}
        assert one.keys() == other.keys()
    return rows


def printed(row: dict[str, Any]) -> dict[str, str]:
    """A row by name, whatever the order of its columns: -0.0 is not 0.0 here."""
    return {name: repr(_unnamed(value)) for name, value in sorted(row.items()) if value is not None}


def _unnamed(value: Any) -> Any:
    """Objects by their values, as DuckDB renames a field that another equals up to case; instants
    as ISO 8601, whatever the zone's class."""
    match value:
        case dict():
            return [_unnamed(each) for each in value.values()]
        case tuple() | list():
            return [_unnamed(each) for each in value]
        case datetime():
            return value.astimezone(UTC).isoformat()
        case _:
            return value


async def rejected(store: MemoryStore, manifest: Manifest) -> list[tuple[str, str]]:
    """The bytes and the reason of each quarantined record."""
    found = []
    for file in manifest.quarantine:
        body = await read_all(store, f"{partition_of()}/{file.name}")
        lines = pa.CompressedInputStream(pa.BufferReader(body), "zstd").read().splitlines()
        records = [msgspec.json.decode(line) for line in lines]
        found += [(record["raw"], record["reason"]) for record in records]
    return found


def layout_of(manifest: Manifest) -> Layout:
    """The columns of the records as they landed."""
    schema = schema_from_text(manifest.arrow_schema)
    added = {*STAMP_COLUMNS, "_raw"}
    return Layout(
        version=0, schema=pa.schema([field for field in schema if field.name not in added])
    )


def compared(record: dict[str, Any], *, is_flat: bool) -> Any:
    return without_nulls_in_lists(without_empties(record) if is_flat else record)


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["v", "v{}"], ids=["one column", "a column each"])
@pytest.mark.parametrize("is_settled", [False, True], ids=["before a file opens", "after"])
async def test_hard_values_arrive_or_are_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, name: str, *, is_settled: bool
) -> None:
    cut_groups(monkeypatch, 1)
    is_flat, is_text = "flattened" in mode, "json" in mode
    refused = REJECTED | ({} if is_text else TOO_DEEP) | ({} if is_text and not is_flat else TWICE)
    values = [*LANDS.values(), *(text for text, _ in (REJECTED | TOO_DEEP | TWICE).values())]
    texts = [
        f'{{"id":{at},"{name.format(at)}":{value}, "x":0.5}}'
        for at, value in enumerate(values, start=10)
    ]
    first = ['{"id":1,"v":0.25,"x":1.5},{"id":2,"v":3.0,"x":2.5},{"id":3,"x":3}']
    overrides = ["quality.max_bad_rows=100", f"output.row_group_rows={2 if is_settled else 10_000}"]
    manifest, store, rows = await land([*first, *texts], tmp_path, *overrides, *MODES[mode])

    quarantine = await rejected(store, manifest)
    bad = [(value, reason) for value, reason in refused.values()]
    assert len(quarantine) == len(bad)
    for (raw, reason), (value, why) in zip(quarantine, bad, strict=True):
        assert f":{value}, " in raw
        assert why in reason

    good = [*first[0].replace("},{", "}\n{").splitlines()]
    good += [text for text, value in zip(texts, values, strict=True) if value not in dict(bad)]
    assert len(rows) == len(good) == manifest.row_count
    if mode == "raw":
        assert [row.pop("_raw") for row in rows] == good
    found = records_of(rows, layout_of(manifest))
    for landed, text in zip(found, good, strict=True):
        assert compared(landed, is_flat=is_flat) == compared(loads(text), is_flat=is_flat)


def utc(*parts: int) -> datetime:
    return datetime(*parts).replace(tzinfo=UTC)  # type: ignore[arg-type]  # noqa: DTZ001


TYPED: list[tuple[str, str, Any]] = [
    ("int8", "-128", -128),
    ("int8", "128", None),
    ("int16", '"-32768"', -32768),
    ("int32", "2147483648", None),
    ("int64", '"9223372036854775807"', 2**63 - 1),
    ("int64", '"9223372036854775808"', None),
    ("int64", '"00123"', None),
    ("int64", '"-0"', None),
    ("int64", '" 1"', None),
    ("int64", "1.0", None),
    ("int64", "true", None),
    ("uint8", "255", 255),
    ("uint16", "65536", None),
    ("uint32", "4294967295", 2**32 - 1),
    ("uint64", "18446744073709551615", 2**64 - 1),
    ("uint64", '"18446744073709551616"', None),
    ("uint64", "-1", None),
    ("double", '"0.30000000000000004"', 0.30000000000000004),
    ("double", '"0.1000000000000000055511151231257827"', None),
    ("double", '"1e400"', None),
    ("double", '"-0.0"', -0.0),
    ("double", '"NaN"', None),
    ("double", '"1,5"', None),
    ("bool", '"true"', True),
    ("bool", '"False"', False),
    ("bool", '"1"', None),
    ("bool", "1", None),
    ("string", "1.50", "1.50"),
    ("json", '{"a": 1.50}', '{"a": 1.50}'),
    ("decimal(38,10)", '"1234567890123456789012345678.0123456789"',
     Decimal("1234567890123456789012345678.0123456789")),
    ("decimal(38,2)", "0.001", None),
    ("decimal(9,2)", "1e3", Decimal("1000.00")),
    ("date", '"2025-02-29"', None),
    ("date", '"2024-02-29"', date(2024, 2, 29)),
    ("time", '"23:59:59.999999"', time(23, 59, 59, 999999)),
    ("timestamp", '"2025-01-15T12:30:00+05:45"', utc(2025, 1, 15, 6, 45)),
    ("timestamp", '"2025-01-15T12:30:00.1234567Z"', None),
    ("timestamp", "1736944200", None),
    ("epoch_s", "1736944200", utc(2025, 1, 15, 12, 30)),
    ("epoch_s", '"1736944200"', utc(2025, 1, 15, 12, 30)),
    ("epoch_s", "1736944200.123456", utc(2025, 1, 15, 12, 30, 0, 123456)),
    ("epoch_s", "1736944200.1234567", None),
    ("epoch_s", "-1", utc(1969, 12, 31, 23, 59, 59)),
    ("epoch_s", "1736944200000", None),  # milliseconds: the year 57010
    ("epoch_s", "1.7369442E+9", utc(2025, 1, 15, 12, 30)),
    ("epoch_s", '"2025-01-15T12:30:00Z"', None),
    ("epoch_ms", "1736944200001", utc(2025, 1, 15, 12, 30, 0, 1000)),
    ("epoch_us", "1736944200000001", utc(2025, 1, 15, 12, 30, 0, 1)),
    ("epoch_us", "1736944200000001.5", None),
    ("epoch_ns", "1736944200000000000", utc(2025, 1, 15, 12, 30)),
    ("epoch_ns", "9223372036854775808", None),
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("is_settled", [False, True], ids=["before a file opens", "after"])
async def test_typed_values_are_exact_or_left_as_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_settled: bool
) -> None:
    cut_groups(monkeypatch, 1)
    plain = {
        "string": '"x"', "json": "[]", "date": '"2025-01-15"', "time": '"12:00:00"',
        "timestamp": '"2025-01-15T00:00:00Z"', "bool": "true",
        "epoch_ns": "1000",  # DuckDB's timestamps with a zone have microseconds
    }  # fmt: skip
    first = ",".join(f'"c{at}":{plain.get(kind, "1")}' for at, (kind, _, _) in enumerate(TYPED))
    pages = [f"{{{first}}},{{{first}}}"]
    pages += [f'{{"c{at}":{text}}}' for at, (_, text, _) in enumerate(TYPED)]
    types = [f"schema.columns.c{at}={kind}" for at, (kind, _, _) in enumerate(TYPED)]
    rows = f"output.row_group_rows={2 if is_settled else 10_000}"
    manifest, _, found = await land(pages, tmp_path, rows, *types)
    assert manifest.rejected_count == 0
    for at, (kind, text, value) in enumerate(TYPED):
        row = found[2 + at]
        variant = row.get(f"c{at}__variant")
        landed = row[f"c{at}"]
        if value is None:
            assert landed is None, (kind, text)
            kept = variant == text or f'"c{at}":{text}' in (row.get("_extra") or "")
            assert kept, (kind, text, variant)
        else:
            assert variant is None
            assert printed({kind: landed}) == printed({kind: value}), text


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["structs", "json", "flattened"])
async def test_ten_thousand_columns(tmp_path: Path, mode: str) -> None:
    record = "{" + ",".join(f'"c{at}":{at}' for at in range(9_999)) + ',"o":{"k":[1]}}'
    manifest, _, rows = await land([f"{record},{record}", record], tmp_path, *MODES[mode])
    assert len(rows) == manifest.row_count == 3
    for row in records_of(rows, layout_of(manifest)):
        assert row == loads(record)
