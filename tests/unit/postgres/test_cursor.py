"""The cursor as SQL."""

from __future__ import annotations

import pytest

from bronze_engine.model.window import CursorType
from bronze_engine.sources.postgres.cursor import Cursor

pytestmark = pytest.mark.unit


def cursor(kind: CursorType, type_name: str, zone: str | None = None) -> Cursor:
    return Cursor(name='a"b', kind=kind, type_name=type_name, timezone=zone)


@pytest.mark.parametrize(
    ("kind", "type_name", "condition"),
    [
        ("integer", "int8", '"a""b" > \'5\'::int8'),
        ("text", "text", '"a""b" COLLATE "C" > \'5\'::text'),
        ("text", "bpchar", '"a""b"::text COLLATE "C" > \'5\'::text'),
        ("text", "uuid", '"a""b" > \'5\'::uuid'),
        ("xid8", "xid8", '"a""b" > \'5\'::xid8'),
    ],
)
def test_a_watermark_is_compared_as_its_type(
    kind: CursorType, type_name: str, condition: str
) -> None:
    assert cursor(kind, type_name).above("5") == condition
    assert cursor(kind, type_name).above("5", is_open=False) == condition.replace(">", ">=")


@pytest.mark.parametrize(
    ("type_name", "zone", "value", "written"),
    [
        ("timestamptz", None, "2024-01-01T00:00:00Z", "'2024-01-01T00:00:00Z'::timestamptz"),
        (
            "timestamptz",
            "Asia/Tokyo",
            "2024-01-01T00:00:00",
            "('2024-01-01T00:00:00'::timestamp AT TIME ZONE 'Asia/Tokyo'::text)",
        ),
        (
            "timestamptz",
            "Asia/Tokyo",
            "2024-01-01T00:00:00+00:00",
            "'2024-01-01T00:00:00+00:00'::timestamptz",
        ),
        ("timestamp", "Asia/Tokyo", "2024-01-01 00:00", "'2024-01-01 00:00'::timestamp"),
        (
            "timestamp",
            "Asia/Tokyo",
            "2024-01-01 00:00-05",
            "('2024-01-01 00:00-05'::timestamptz AT TIME ZONE 'Asia/Tokyo'::text)",
        ),
    ],
)
def test_an_instant_is_taken_in_the_zone_of_the_cursor(
    type_name: str, zone: str | None, value: str, written: str
) -> None:
    assert cursor("timestamp", type_name, zone).literal(value) == written


def test_xmin_has_the_high_bits_of_the_transactions_around_it() -> None:
    expression = Cursor.of_xmin((3 << 32) + 100).expression
    assert expression == (
        '("xmin"::text::bigint + CASE WHEN "xmin"::text::bigint >= 100'
        f" THEN {2 << 32} ELSE {3 << 32} END)"
    )
