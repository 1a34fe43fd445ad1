"""A decoder as a whole: what becomes of special values, the schema, calls side by side."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pyarrow as pa
import pytest

from bronze_engine.config.database.postgres import OnSpecial
from bronze_engine.errors import QualityError
from bronze_engine.sources.copy_binary.batch import CopyBinary
from bronze_engine.sources.copy_binary.field import Field
from tests.unit.copy_binary.sent import numeric, row, rows

pytestmark = pytest.mark.unit

FIELDS = (
    Field(name="id", kind="int4", type=pa.int32(), nullable=False),
    Field(
        name="amount",
        kind="numeric",
        type=pa.decimal128(6, 2),
        nullable=False,
        source_type="numeric",
    ),
    Field(name="until", kind="timestamp", type=pa.timestamp("us"), nullable=False),
    Field(name="note", kind="text", type=pa.string()),
)
FOREVER = struct.pack("!q", 2**63 - 1)
ONCE = struct.pack("!q", 0)


def one(amount: str, until: bytes = ONCE, note: bytes | None = b"a") -> bytes:
    return row([struct.pack("!i", 1), numeric(Decimal(amount)), until, note])


def test_fail_names_the_column_the_value_and_the_way_out() -> None:
    sent = one("1.5") + one("123456.5") + one("NaN", FOREVER)

    with pytest.raises(QualityError) as caught:
        CopyBinary(FIELDS).decode([sent])

    assert str(caught.value) == (
        'QUAL001 column "amount" (numeric) has the value 123456.5, which decimal128(6, 2) '
        'can\'t hold; set source.on_special = "text" to keep such values in "amount__variant", '
        'or "null" to land NULL for them'
    )
    assert caught.value.context == {"column": "amount"}


def test_a_long_value_is_shown_in_part() -> None:
    with pytest.raises(QualityError) as caught:
        CopyBinary(FIELDS).decode([one("7" * 5000)])
    assert f"has the value {'7' * 200}... (5,000 characters), which" in str(caught.value)


def test_null_lands_null_and_counts() -> None:
    decoded = CopyBinary(FIELDS, on_special="null").decode(
        [one("1.5") + one("123456.5") + one("NaN", FOREVER)]
    )

    assert decoded.batch.schema.names == ["id", "amount", "until", "note"]
    assert decoded.batch.column("amount").to_pylist() == [Decimal("1.50"), None, None]
    assert decoded.batch.column("until").null_count == 1
    assert decoded.specials == {"amount": 2, "until": 1}


def test_text_keeps_the_text_beside_the_column() -> None:
    decoded = CopyBinary(FIELDS, on_special="text").decode(
        [one("1.5") + one("123456.5") + one("NaN", FOREVER)]
    )

    batch = decoded.batch
    assert batch.column("amount__variant").to_pylist() == [None, "123456.5", "NaN"]
    assert batch.column("until__variant").to_pylist() == [None, None, "infinity"]
    assert batch.column("until").null_count == 1
    assert decoded.specials == {"amount": 2, "until": 1}


@pytest.mark.parametrize("sent", [b"", one("1.5"), one("NaN")])
def test_text_has_the_same_columns_whatever_comes(sent: bytes) -> None:
    decoder = CopyBinary(FIELDS, on_special="text")

    assert decoder.schema.names == [
        "id", "amount", "amount__variant", "until", "until__variant", "note"
    ]  # fmt: skip
    assert decoder.decode([sent]).batch.schema.equals(decoder.schema)


@pytest.mark.parametrize(
    ("on_special", "nullable"),
    [("fail", [False, False, False, True]), ("null", [False, True, True, True])],
)
def test_a_column_may_be_null_where_special_values_become_null(
    on_special: OnSpecial, nullable: list[bool]
) -> None:
    schema = CopyBinary(FIELDS, on_special=on_special).schema

    assert [field.nullable for field in schema] == nullable


def test_a_batch_holds_nothing_of_the_bytes_that_came() -> None:
    """What is sent may be given up: text, bytes and small values are in buffers of their own."""
    sent = rows([[struct.pack("!i", at), b"t" * (at % 9)] for at in range(2000)])
    columns = [FIELDS[0], Field(name="t", kind="text", type=pa.string())]

    batch = CopyBinary(columns).decode([sent]).batch

    assert batch.get_total_buffer_size() < len(sent)


def test_calls_side_by_side_do_not_meet() -> None:
    decoder = CopyBinary(FIELDS, on_special="text")
    groups = [
        b"".join(
            one(f"{at}.{number % 90 + 10}", note=b"n" * (number % at)) for number in range(400)
        )
        for at in range(1, 9)
    ]
    alone = [decoder.decode([group]).batch for group in groups]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda group: decoder.decode([group]).batch, groups * 4))

    assert all(batch.equals(alone[at % 8]) for at, batch in enumerate(together))
