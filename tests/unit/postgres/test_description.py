"""RowDescription, read off what a server sends when a statement is prepared."""

from __future__ import annotations

import struct

import pytest

from bronze_engine.sources.postgres.description import Described, parse_description

pytestmark = pytest.mark.unit


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def description(*columns: tuple[str, int, int]) -> bytes:
    body = struct.pack("!h", len(columns))
    for name, type_id, modifier in columns:
        body += name.encode() + b"\0" + struct.pack("!ihIhih", 0, 0, type_id, -1, modifier, 0)
    return message(b"T", body)


def test_names_types_and_modifiers_are_read() -> None:
    sent = description(("amount", 1700, 1179656), ("ü", 4294967295, -1))
    before = message(b"1", b"") + message(b"t", struct.pack("!h", 0))
    assert parse_description(before + sent + message(b"Z", b"I")) == (
        Described("amount", 1700, 1179656),
        Described("ü", 4294967295, -1),
    )


def test_a_query_of_no_columns_is_described_as_such() -> None:
    assert parse_description(description()) == ()


def test_what_gives_no_rows_is_none() -> None:
    assert parse_description(message(b"1", b"") + message(b"n", b"")) is None


def test_only_the_first_description_counts() -> None:
    sent = description(("a", 23, -1)) + description(("b", 25, -1))
    assert parse_description(sent) == (Described("a", 23, -1),)
