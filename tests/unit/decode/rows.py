"""Decodes lines as `fold.py` does, and gets the source's records back from what landed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.contracts import Decoded, Request
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.encode.rowgroups import conform
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Column, Layout
from bronze_engine.model.path import key_path


def request(
    *,
    schema: SchemaConfig | None = None,
    base: Layout | None = None,
    incremental: Incremental | None = None,
    low: str | None = None,
    read_from: str | None = None,
    cap: str | None = None,
) -> Request:
    return Request(
        pipeline="shop.orders",
        system="shop",
        entity="orders",
        run_date=date(2025, 1, 15),
        run="r1",
        load="full",
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
        schema=SchemaConfig() if schema is None else schema,
        base=base,
        incremental=incremental,
        low=low,
        read_from=read_from,
        cap=cap,
    )


def block(
    lines: Sequence[bytes], *, page: int = 1, offset: int = 0, as_of: datetime | None = None
) -> Block:
    data = b"".join(line + b"\n" for line in lines)
    return Block(data=data, records=len(lines), page=page, offset=offset, as_of=as_of)


def decode(
    *lines: bytes,
    layout: Layout | None = None,
    columns: dict[str, str] | None = None,
    on_drift: Any = "variant",
    base: Layout | None = None,
    **options: Any,
) -> Decoded:
    """One group of one block; `options` are of [schema]."""
    schema = SchemaConfig(columns=columns or {}, on_drift=on_drift, **options)
    return JsonDecoder(request(schema=schema, base=base)).decode([block(lines)], layout)


def fold(
    decoder: JsonDecoder, groups: Sequence[Block], *, settle_after: int
) -> tuple[list[Decoded], Layout]:
    """All groups in order; the layout is settled after the first `settle_after`."""
    layout: Layout | None = None
    results: list[Decoded] = []
    for place, group in enumerate(groups):
        decoded = decoder.decode([group], layout)
        results.append(decoded)
        layout = decoded.layout
        if place + 1 == settle_after:
            layout = layout.settled()
    assert layout is not None
    return results, layout.settled()


def table(results: Sequence[Decoded], layout: Layout) -> pa.Table:
    return pa.Table.from_batches(
        [conform(result.batch, layout.schema) for result in results], schema=layout.schema
    )


def records_of(rows: Sequence[dict[str, Any]], layout: Layout) -> list[dict[str, Any]]:
    """The source's records, nulls left out, numbers as Decimal: what was landed, read back."""
    columns = layout.columns()
    keys = {column.name: column.key for column in columns}
    found: list[dict[str, Any]] = []
    for row in rows:
        record: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for column in columns:
            value = row[column.name]
            if value is None:
                continue
            if column.role == "extra":
                extra = loads(value)
            elif column.role == "variant":
                assert column.of is not None
                key = keys[column.of]
                assert key is not None
                record[key] = loads(value)
            else:
                assert column.key is not None
                record[column.key] = _source_value(column, value)
        found.append(without_nulls(_merged(_nested(record), extra)))
    return found


def _merged(record: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    for key, value in extra.items():
        inside = record.get(key)
        record[key] = _merged(inside, value) if isinstance(inside, dict) else value
    return record


def _nested(record: dict[str, Any]) -> dict[str, Any]:
    """Flattened values back in their objects."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        *outer, last = key_path(key)
        place = found
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = value
    return found


def loads(text: str | bytes) -> Any:
    return json.loads(text, parse_float=_number, parse_int=_number)


def _number(text: str) -> Decimal | str:
    """A number by its value; one whose exponent no Decimal has stands for itself."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def without_nulls(value: Any) -> Any:
    """Absent and null are one in a column: no list element is dropped, no key with null kept."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def _source_value(column: Column, value: Any) -> Any:
    if column.role in ("json", "number"):
        return loads(value)
    return _plain(value, pa.field("", column.type))


def _plain(value: Any, field: pa.Field[Any]) -> Any:
    kind: Any = field.type
    if value is None:
        return None
    if field.metadata and b"bronze.role" in field.metadata:
        return loads(value)
    if isinstance(value, dict):
        return {key: _plain(inner, kind.field(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, kind.value_field) for inner in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return Decimal(repr(value))
    return value


def raws(rejects: Sequence[Reject]) -> list[bytes]:
    return [reject.raw for reject in rejects]
