"""Text, jsonb, bytea and uuid."""

from __future__ import annotations

import struct
import uuid

import pyarrow as pa
import pytest

from bronze_engine.errors import ExtractError
from bronze_engine.model.arrow import Array
from bronze_engine.sources.copy_binary.batch import CopyBinary
from bronze_engine.sources.copy_binary.field import Field, Kind
from tests.unit.copy_binary.sent import rows

pytestmark = pytest.mark.unit


def decode(kind: Kind, values: list[bytes | None], type_: pa.DataType | None = None) -> Array:
    field = Field(name="c", kind=kind, type=pa.string() if type_ is None else type_)
    array = CopyBinary([field]).decode([rows([value] for value in values)]).batch.column(0)
    array.validate(full=True)
    return array


def test_null_is_not_empty() -> None:
    assert decode("text", [b"", None, b"a", None, b""]).to_pylist() == ["", None, "a", None, ""]


def test_text_is_what_was_sent() -> None:
    texts = ["naïve", "日本", "😀", "a\nb\tc", '"quoted"', "NULL", "\\N", "x" * 100_000, " "]

    assert decode("text", [text.encode() for text in texts]).to_pylist() == texts


@pytest.mark.parametrize("bad", [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
def test_text_that_is_no_utf_8_is_refused(bad: bytes) -> None:
    with pytest.raises(ExtractError, match='column "c": a value is no UTF-8'):
        decode("text", [b"fine", bad, b"fine, too"])


def test_a_character_may_not_be_cut_between_two_values() -> None:
    """Both halves together would be UTF-8."""
    with pytest.raises(ExtractError):
        decode("text", ["ä".encode()[:1], "ä".encode()[1:]])


def test_jsonb_is_its_text() -> None:
    texts = ['{"a": 1.10, "b": [null, "ü"]}', "null", '""', "12345678901234567890.123"]

    found = decode("jsonb", [*(b"\1" + text.encode() for text in texts), None])

    assert found.to_pylist() == [*texts, None]


@pytest.mark.parametrize("values", [[b"\2{}"], [b"\1{}", None, b"\2[]"]])
def test_jsonb_of_an_unknown_version_is_refused(values: list[bytes | None]) -> None:
    with pytest.raises(ExtractError, match="jsonb of version 2, where 1 is known"):
        decode("jsonb", values)


def test_bytes_are_any() -> None:
    values = [bytes(range(256)), b"", None, b"\xff" * 3]

    assert decode("bytea", values, pa.binary()).to_pylist() == values


def test_a_uuid_is_its_text() -> None:
    keys = [uuid.UUID(int=at * 0x1234_5678_9ABC_DEF0_0FED_CBA9 % 2**128) for at in range(300)]
    keys += [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]

    assert decode("uuid", [*(key.bytes for key in keys), None]).to_pylist() == [
        *map(str, keys), None
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["text", "jsonb"])
def test_a_large_value_of_its_own_is_not_copied_again(kind: Kind) -> None:
    text = "x" * 1_000_000
    sent = b"\1" * (kind == "jsonb") + text.encode()

    found = decode(kind, [sent])

    assert found.to_pylist() == [text]
    assert struct.unpack_from("=i", found.buffers()[1])[0] > 0  # where it lay in its row
    assert decode(kind, [None]).to_pylist() == [None]
