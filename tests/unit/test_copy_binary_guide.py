"""docs/copy_binary.md says what the code does: its bytes are rows, its numbers the code's."""

from __future__ import annotations

import re
from decimal import Decimal

import pyarrow as pa
import pytest

from bronze_engine.sources.copy_binary.batch import _MAX_BYTES, CopyBinary
from bronze_engine.sources.copy_binary.field import Field
from bronze_engine.sources.copy_binary.rows import _SAMPLE_ROWS
from bronze_engine.sources.copy_binary.words import _WORD_DIGITS
from bronze_engine.sources.postgres.decoder import GROUP_BYTES
from tests.documents import Document

pytestmark = pytest.mark.unit

PAGE = Document("docs/copy_binary.md")
FIELDS = (
    Field(name="id", kind="int4", type=pa.int32()),
    Field(name="name", kind="text", type=pa.string()),
    Field(name="price", kind="numeric", type=pa.decimal128(6, 2)),
)


def test_the_bytes_are_the_rows_that_the_page_says() -> None:
    (dump,) = re.findall(r"```text\n(.*?)```", PAGE.text, re.DOTALL)
    bytes_of_lines = re.findall(r"^[0-9a-f ]{2,40}", dump, re.MULTILINE)
    sent = bytes.fromhex("".join(bytes_of_lines))

    assert CopyBinary(FIELDS).decode([sent]).batch.to_pylist() == [
        {"id": 7, "name": "AB", "price": Decimal("12.50")},
        {"id": 8, "name": None, "price": Decimal("0.00")},
    ]


def test_the_numbers_are_those_of_the_code() -> None:
    assert _SAMPLE_ROWS == 7
    assert "guessed from seven rows" in PAGE.text
    assert _WORD_DIGITS == 18
    assert "in 64 bits up to 18 digits" in PAGE.text
    assert 2**31 - 2**12 < _MAX_BYTES < 2**31
    assert GROUP_BYTES == 2 * 1024**2
    assert "a run closes its groups at 2 MiB" in PAGE.text
