"""Whatever `schema.columns` may make of a type holds each of its values: on a real server."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.errors import ConfigError
from tests.integration.databases.printed import differences
from tests.integration.databases.test_types import (
    Prepared,
    create,
    on_the_newest,
    prepared,
    printed,
    read,
    select,
    session,
)
from tests.integration.databases.type_cases import TypeCase

__all__ = ["prepared"]

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

NUMBERS = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "double"),
    *("decimal(5,0)", "decimal(19,0)", "decimal(30,10)", "decimal(76,30)"),
)
OTHERS = (
    *("bool", "date", "time", "timestamp", "timestamp(us)", "timestamp(us, Asia/Kolkata)"),
    *("timestamp(ms)", "timestamp(ns, UTC)", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"),
)


@on_the_newest
async def test_what_is_taken_as_another_type_is_the_same_value(
    prepared: Prepared, version: int, case: TypeCase
) -> None:
    database = prepared(version)
    table = create(database, case, random_rows=50)
    async with session(database) as connection:
        texts = [row[0] for row in await printed(connection, table)]
        json = await connection.fetch(
            f"SELECT pg_catalog.to_json(value)::text FROM {table} ORDER BY ctid"  # noqa: S608
        )
        usual = await read(connection, await select(connection, table), table, "null")
        taken: list[str] = []
        casts: dict[str | None, str] = {"t": "true", "f": "false"}
        for wanted in (*NUMBERS, *OTHERS, "string", "json"):
            try:
                selection = await select(
                    connection, table, types={"value": wanted}, on_special="text"
                )
            except ConfigError:
                continue
            taken.append(wanted)
            landed, _ = await read(connection, selection, table, "text")
            value = landed["value"].combine_chunks()
            if wanted == "string":
                assert (
                    value.to_pylist() == texts
                    if case.declared != "boolean"
                    else [casts.get(text) for text in texts]
                )
            elif wanted == "json":
                expected = [row[0] for row in json]
                assert value.to_pylist() == (texts if case.declared == "json" else expected)
            elif case.declared == "real":
                assert differences(value.cast(pa.float32()), texts) == []
            elif wanted in NUMBERS:
                kept = variants(landed)
                assert [text for text in kept if text is not None] == [
                    text for text, own in zip(texts, kept, strict=True) if own is not None
                ]
                fitting = [
                    text if own is None else None for text, own in zip(texts, kept, strict=True)
                ]
                assert numbers(value.to_pylist()) == numbers(fitting)
            else:
                kind = usual[0].schema.field("value").type
                assert value.cast(kind).equals(usual[0]["value"].combine_chunks())
    assert taken[-2:] == ["string", "json"], "both hold anything"


def variants(landed: pa.Table) -> list[str | None]:
    if "value__variant" in landed.schema.names:
        return landed["value__variant"].to_pylist()
    return [None] * landed.num_rows


def numbers(values: Sequence[Any]) -> list[Any]:
    """As exact numbers; NaN and the infinities by name, floats as the shortest text has them."""
    return [value if value is None else _number(str(value)) for value in values]


def _number(text: str) -> Any:
    number = Decimal(text)
    return number if number.is_finite() else str(number)
