"""Texts as indices: read so where a file has them so, and written as if they had come as values."""

from __future__ import annotations

import io
import random
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.config.output import Output
from bronze_engine.encode.indices import INDICES, is_indices, listed_anew, read_as_indices
from bronze_engine.encode.parquet import ParquetEncoder
from bronze_engine.encode.rowgroups import RowGroups
from bronze_engine.encode.weight import row_weights, weight
from bronze_engine.model.arrow import Array, Field

pytestmark = pytest.mark.unit

TEXTS: Final = ("", "new", "paid", "sent\n", "é", None)
FIELDS: Final[list[Field]] = [
    pa.field("status", pa.string()),
    pa.field("note", pa.string()),
    pa.field("n", pa.int64()),
]
SCHEMA: Final = pa.schema(FIELDS)


def rows(count: int, texts: tuple[str | None, ...] = TEXTS, seed: int = 0) -> pa.Table:
    chosen = random.Random(seed)
    status = [chosen.choice(texts) for _ in range(count)]
    notes = [f"note {chosen.random()}" for _ in range(count)]
    return pa.table([status, notes, list(range(count))], schema=SCHEMA)


def read(table: pa.Table, *, row_group_size: int = 700, batch_size: int = 300) -> pa.Table:
    """As a file that is written anew is read: what repeats as indices."""
    sink = io.BytesIO()
    options: Any = {"use_dictionary": ["status"]}
    pq.write_table(table, sink, row_group_size=row_group_size, **options)
    metadata = pq.read_metadata(io.BytesIO(sink.getvalue()))
    names = read_as_indices(metadata, table.schema)
    file = pq.ParquetFile(io.BytesIO(sink.getvalue()), read_dictionary=names)
    return pa.Table.from_batches(list(file.iter_batches(batch_size)), file.schema_arrow)


def encoded(*tables: pa.Table, options: Output | None = None) -> bytes:
    encoder = ParquetEncoder("x.parquet", SCHEMA, options or Output())
    parts = [part for table in tables for part in encoder.write(table)]
    last, _ = encoder.finish()
    return b"".join(part.data for part in (*parts, *last))


def grouped(table: pa.Table, size: int, bytes_: int = 10**9) -> list[pa.Table]:
    groups = RowGroups(rows=size, bytes_=bytes_, max_rows_per_file=10**9)
    found = []
    for batch in table.to_batches():
        groups.add(batch)
        while groups.is_full:
            found.append(groups.take(SCHEMA))
    if groups.held_rows:
        found.append(groups.take(SCHEMA))
    return found


def test_only_texts_that_are_stored_as_indices_are_read_so() -> None:
    table = rows(2_000)
    found = read(table)
    assert [field.type for field in found.schema] == [INDICES, pa.string(), pa.int64()]
    assert found.cast(SCHEMA).equals(table)


def test_a_chunk_that_is_mostly_values_is_read_as_values() -> None:
    some = rows(1_400, texts=tuple(f"text {n}" for n in range(20_000)))
    names = read(pa.concat_tables([rows(1_400), some])).schema
    assert names.field("status").type == pa.string()


@pytest.mark.parametrize("size", [1, 299, 700, 1_000, 5_000])
@pytest.mark.parametrize("encoding", ["plain", "delta"])
def test_the_file_is_the_same_to_the_last_byte(size: int, encoding: str) -> None:
    table = rows(2_000)
    kept = pa.array([n % 11 != 0 and n > 30 for n in range(2_000)])
    options = Output(encoding=encoding)  # type: ignore[arg-type]  # one of the two
    groups = grouped(read(table).filter(kept), size)
    assert all(is_indices(group.schema.field("status").type) for group in groups)
    plain = grouped(table.filter(kept), size)
    assert [group.num_rows for group in groups] == [group.num_rows for group in plain]
    # Files begin with enough rows to tell what repeats.
    data = encoded(*groups, options=options)
    assert data == encoded(*plain, options=options)
    back = pq.read_table(io.BytesIO(data))
    assert back.schema.equals(SCHEMA, check_metadata=True)
    assert back.equals(table.filter(kept))


def test_a_file_may_have_row_groups_of_both_kinds() -> None:
    one, other = rows(900, seed=1), rows(900, seed=2)
    plain = encoded(one, other)
    assert encoded(read(one), other) == plain
    assert encoded(one, read(other)) == plain
    mixed = pa.concat_tables([read(one).cast(SCHEMA), other])
    assert encoded(mixed.slice(0, 900), mixed.slice(900)) == plain


def test_texts_that_no_row_has_any_more_are_in_no_file() -> None:
    table = rows(3_000, texts=("gone for good", "b", "c"))
    kept = pa.array([text != "gone for good" for text in table.column(0).to_pylist()])
    left = read(table).filter(kept)
    chunks: list[Array] = left.column(0).chunks
    assert any("gone for good" in chunk.dictionary.to_pylist() for chunk in chunks)
    data = encoded(*grouped(left, 1_000), options=Output(compression="none"))
    assert b"gone for good" not in data
    assert b"note 0." in data


def test_columns_of_nothing_but_null_and_of_no_row() -> None:
    table = rows(1_000, texts=(None,))
    assert encoded(*grouped(read(table), 400)) == encoded(*grouped(table, 400))
    empty = pa.chunked_array([pa.array([], INDICES)])
    assert len(listed_anew(empty)) == 0


def test_indices_weigh_what_their_texts_do() -> None:
    table = rows(1_000)
    for batch in read(table).to_batches():
        plain = batch.cast(SCHEMA)
        assert weight(batch) == weight(plain)
        assert row_weights(batch).tolist() == row_weights(plain).tolist()
    by_bytes = [group.num_rows for group in grouped(read(table), 10**9, bytes_=9_000)]
    assert by_bytes == [group.num_rows for group in grouped(table, 10**9, bytes_=9_000)]
    assert len(by_bytes) > 3
