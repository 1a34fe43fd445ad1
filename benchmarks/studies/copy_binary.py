"""What decoding COPY BINARY costs: ours, and a loop with struct.unpack, in turn.

Tables: TPC-H's lineitem as its generator makes it; a mixed one with text, jsonb, uuid, bytea,
timestamps and NULLs; numbers alone; and false starts, where every row has what looks like the
beginnings of rows in a bytea. Bytes are handed over in groups of 1 MiB, as a run does, cut at
rows. A round counts only once both have read the same values. Decoding counts alone, in CPU
seconds of this process per million rows. The loop is what a careful program writes without
numpy: one unpack a field, and pyarrow's arrays from the lists. It reads fewer rows.
"""

from __future__ import annotations

import json
import random
import struct
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pyarrow as pa

from benchmarks.harness.figures import Figures
from benchmarks.harness.scenario import Options, Scenario, Size
from benchmarks.harness.spread import spread
from benchmarks.harness.tables import table as told_table
from bronze_engine.sources.copy_binary.batch import CopyBinary
from bronze_engine.sources.copy_binary.field import Field, Kind
from bronze_engine.sources.postgres.decoder import GROUP_BYTES

LOOP_SHARE = 20
"""The loop reads one row in so many: it takes as much longer."""

_DAY_0, _EPOCH = date(2000, 1, 1), datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Value = Any
Row = Sequence[Value]


class Table(NamedTuple):
    """A table's columns and what makes one of its rows."""

    fields: tuple[Field, ...]
    row: Callable[[random.Random, int], Row]


def field(name: str, kind: Kind, type_: pa.DataType, *, nullable: bool = False) -> Field:
    return Field(name=name, kind=kind, type=type_, nullable=nullable)


_MONEY = pa.decimal128(15, 2)
_FLAGS, _STATUS = (b"A", b"N", b"R"), (b"F", b"O")
_SHIP = (b"DELIVER IN PERSON", b"COLLECT COD", b"NONE", b"TAKE BACK RETURN")
_MODES = (b"AIR", b"FOB", b"MAIL", b"RAIL", b"REG AIR", b"SHIP", b"TRUCK")
_WORDS = (b"furiously", b"carefully", b"quickly", b"deposits", b"ironic", b"packages", b"the")

LINEITEM = Table(
    (
        field("l_orderkey", "int8", pa.int64()),
        field("l_partkey", "int4", pa.int32()),
        field("l_suppkey", "int4", pa.int32()),
        field("l_linenumber", "int4", pa.int32()),
        field("l_quantity", "numeric", _MONEY),
        field("l_extendedprice", "numeric", _MONEY),
        field("l_discount", "numeric", _MONEY),
        field("l_tax", "numeric", _MONEY),
        field("l_returnflag", "text", pa.string()),
        field("l_linestatus", "text", pa.string()),
        field("l_shipdate", "date", pa.date32()),
        field("l_commitdate", "date", pa.date32()),
        field("l_receiptdate", "date", pa.date32()),
        field("l_shipinstruct", "text", pa.string()),
        field("l_shipmode", "text", pa.string()),
        field("l_comment", "text", pa.string()),
    ),
    lambda chance, at: (
        at // 4, chance.randrange(200_000), chance.randrange(10_000), at % 4 + 1,
        Decimal(chance.randrange(1, 51)).scaleb(0),
        Decimal(chance.randrange(90_000, 10_500_000)).scaleb(-2),
        Decimal(chance.randrange(11)).scaleb(-2), Decimal(chance.randrange(9)).scaleb(-2),
        chance.choice(_FLAGS), chance.choice(_STATUS),
        *(date(1992, 1, 1) + timedelta(days=chance.randrange(2500)) for _ in range(3)),
        chance.choice(_SHIP).ljust(25), chance.choice(_MODES).ljust(10),
        b" ".join(chance.choices(_WORDS, k=chance.randrange(2, 6)))[:43],
    ),
)  # fmt: skip

MIXED = Table(
    (
        field("id", "int8", pa.int64()),
        field("quantity", "int4", pa.int32(), nullable=True),
        field("score", "float8", pa.float64(), nullable=True),
        field("amount", "numeric", pa.decimal128(18, 4), nullable=True),
        field("active", "bool", pa.bool_(), nullable=True),
        field("category", "text", pa.string(), nullable=True),
        field("note", "text", pa.string(), nullable=True),
        field("updated_at", "timestamptz", pa.timestamp("us", "UTC")),
        field("day", "date", pa.date32(), nullable=True),
        field("key", "uuid", pa.string()),
        field("payload", "jsonb", pa.string(), nullable=True),
        field("digest", "bytea", pa.binary(), nullable=True),
    ),
    lambda chance, at: (
        at,
        *(
            None if chance.random() < 0.1 else value
            for value in (
                chance.randrange(-1000, 1000), chance.gauss(0, 1e6),
                Decimal(chance.randrange(-(10**14), 10**14)).scaleb(-4), chance.random() < 0.5,
                f"category {chance.randrange(50)}".encode(),
                " ".join(chance.choices(("naïve", "text", "größer", "日本"), k=5)).encode(),
            )
        ),
        datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=chance.randrange(10**14)),
        None if chance.random() < 0.1 else date(1970, 1, 1) + timedelta(days=at % 20_000),
        uuid.UUID(int=chance.getrandbits(128)),
        None if at % 7 == 0 else json.dumps({"at": at, "tags": ["a", "b"]}).encode(),
        None if at % 5 == 0 else chance.randbytes(20),
    ),
)  # fmt: skip

NUMBERS = Table(
    (
        *(field(f"a{at}", "int8", pa.int64()) for at in range(4)),
        *(field(f"b{at}", "float8", pa.float64()) for at in range(4)),
        *(field(f"c{at}", "int4", pa.int32(), nullable=True) for at in range(4)),
    ),
    lambda chance, at: (
        at, *(chance.randrange(-(2**63), 2**63) for _ in range(3)),
        *(chance.random() for _ in range(4)),
        *(None if chance.random() < 0.1 else chance.randrange(1000) for _ in range(4)),
    ),
)  # fmt: skip

FALSE_STARTS = Table(
    (field("id", "int8", pa.int64()), field("data", "bytea", pa.binary())),
    lambda chance, at: (
        at,
        (b"\0\2\0\0\0\x08" + at.to_bytes(8, "big") + b"\0\0\0\x04" + b"abcd") * chance.randrange(4),
    ),
)  # fmt: skip

TABLES = {
    "lineitem": LINEITEM, "mixed": MIXED, "numbers": NUMBERS, "false starts": FALSE_STARTS
}  # fmt: skip


ROW_COUNTS: Final[dict[Size, int]] = {"tiny": 6000, "short": 30_000, "full": 100_000}
"""Of each table."""


def run(options: Options) -> dict[str, Any]:
    """CPU seconds a million rows, of each table and round, ours and the loop's."""
    rows = ROW_COUNTS[options.size]
    result: dict[str, Any] = {}
    for name, table in TABLES.items():
        ours, loop, size = measure(table, rows, options.rounds)
        result[name] = {"ours": ours, "loop": loop, "row_bytes": size / rows}
    return {"tables": result}


def tell(figures: Figures) -> str:
    titles = ["table", "bytes a row", "ours, CPU-s a million", "MB a CPU-s", "loop", "times"]
    rows = []
    for name, found in figures["tables"].items():
        ours, loop = found["ours"], found["loop"]
        times = spread([b / a for a, b in zip(ours, loop, strict=True)])
        speed = spread([found["row_bytes"] / cost for cost in ours])
        told = map(str, (spread(ours), speed, spread(loop), times))
        rows.append([name, f"{found['row_bytes']:.0f}", *told])
    return told_table(titles, rows)


SCENARIO: Final = Scenario("copy_binary", "Decoding COPY's binary form", run, tell)


def measure(table: Table, rows: int, rounds: int) -> tuple[list[float], list[float], int]:
    """CPU seconds per million rows of each round, ours and the loop's, and the bytes of all."""
    groups = list(groups_of(table, rows))
    few = groups[: max(1, len(groups) // LOOP_SHARE)]
    decoder = CopyBinary(table.fields)
    read = sum(decoder.decode([group]).batch.num_rows for group in groups)
    assert read == rows
    looped = 0
    for group in few:
        batch = loop(table.fields, group)
        assert batch.equals(decoder.decode([group]).batch.select(batch.schema.names))
        looped += batch.num_rows

    def ours() -> None:
        for group in groups:
            decoder.decode([group])

    def theirs() -> None:
        for group in few:
            loop(table.fields, group)

    return (
        [seconds(ours) / rows * 1e6 for _ in range(rounds)],
        [seconds(theirs) / looped * 1e6 for _ in range(rounds)],
        sum(map(len, groups)),
    )


def seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def groups_of(table: Table, rows: int) -> Iterator[bytes]:
    """The table as COPY sends it, without header and trailer, in groups of whole rows."""
    chance = random.Random(1)  # noqa: S311  # the same data each time
    group = bytearray()
    for at in range(rows):
        values = table.row(chance, at)
        group += struct.pack("!h", len(values))
        for column, value in zip(table.fields, values, strict=True):
            sent = None if value is None else sent_as(column, value)
            group += struct.pack("!i", -1) if sent is None else struct.pack("!i", len(sent)) + sent
        if len(group) >= GROUP_BYTES:
            yield bytes(group)
            group.clear()
    if group:
        yield bytes(group)


def sent_as(column: Field, value: Value) -> bytes:
    """A value as the type's send function writes it."""
    match column.kind:
        case "bool":
            return b"\1" if value else b"\0"
        case "int4":
            return struct.pack("!i", value)
        case "int8":
            return struct.pack("!q", value)
        case "float8":
            return struct.pack("!d", value)
        case "date":
            return struct.pack("!i", (value - _DAY_0).days)
        case "timestamptz":
            return struct.pack("!q", (value - _EPOCH) // _MICROSECOND)
        case "uuid":
            return bytes(value.bytes)
        case "jsonb":
            return b"\1" + bytes(value)
        case "numeric":
            return numeric(value, column.type.scale)
        case _:
            return bytes(value)


def numeric(value: Decimal, scale: int) -> bytes:
    """Of a scale that 4 divides or leaves 2."""
    places = -(-scale // 4)
    rest = int(abs(value).scaleb(4 * places))
    digits: list[int] = []
    while rest:
        rest, digit = divmod(rest, 10_000)
        digits.insert(0, digit)
    weight = len(digits) - places - 1 if digits else 0
    while digits and not digits[-1]:
        digits.pop()
    head = (len(digits), weight, 0x4000 if value < 0 else 0, scale)
    return struct.pack(f"!hhHH{len(digits)}h", *head, *digits)


def loop(fields: Sequence[Field], data: bytes) -> pa.RecordBatch:
    """One field after another."""
    columns: list[list[Value]] = [[] for _ in fields]
    readers = [reader(column) for column in fields]
    place = 0
    while place < len(data):
        place += 2
        for values, read in zip(columns, readers, strict=True):
            (length,) = struct.unpack_from("!i", data, place)
            place += 4
            if length < 0:
                values.append(None)
                continue
            values.append(read(data[place : place + length]))
            place += length
    arrays = [pa.array(values, column.type) for values, column in zip(columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(
        arrays,
        schema=pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in fields]),
    )


def reader(column: Field) -> Callable[[bytes], Value]:
    match column.kind:
        case "bool":
            return lambda value: value == b"\1"
        case "int4":
            return lambda value: struct.unpack("!i", value)[0]
        case "int8":
            return lambda value: struct.unpack("!q", value)[0]
        case "float8":
            return lambda value: struct.unpack("!d", value)[0]
        case "date":
            return lambda value: struct.unpack("!i", value)[0] + 10_957
        case "timestamptz":
            return lambda value: struct.unpack("!q", value)[0] + 946_684_800_000_000
        case "uuid":
            return lambda value: str(uuid.UUID(bytes=value))
        case "jsonb":
            return lambda value: value[1:].decode()
        case "text":
            return bytes.decode
        case "numeric":
            scale = column.type.scale
            return lambda value: decimal(value, scale)
        case _:
            return bytes


def decimal(value: bytes, scale: int) -> Decimal:
    count, weight, sign, _ = struct.unpack_from("!hhHH", value)
    number = 0
    for digit in struct.unpack_from(f"!{count}h", value, 8):
        number = number * 10_000 + digit
    exact = Decimal(number).scaleb(4 * (weight - count + 1))
    return (-exact if sign else exact).quantize(Decimal(1).scaleb(-scale))
