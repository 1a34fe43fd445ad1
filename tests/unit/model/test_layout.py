"""What a layout keeps of a column beside its name and type."""

from __future__ import annotations

import pyarrow as pa
import pytest

from bronze_engine.model.arrow import schema_from_text, schema_to_text
from bronze_engine.model.layout import Column, Layout
from bronze_engine.model.manifest import columns_of

pytestmark = pytest.mark.unit

AMOUNT = Column(
    name="amount",
    type=pa.decimal128(18, 4),
    key="Amount",
    nullable=False,
    source_type="numeric(18,4)",
)


def test_the_types_of_the_source_outlive_a_manifest() -> None:
    schema = pa.schema([AMOUNT.field(), Column(name="a", type=pa.int64(), key="a").field()])
    again = Layout(version=1, schema=schema_from_text(schema_to_text(schema)), is_settled=True)
    assert again.columns()[0] == AMOUNT
    assert again.columns()[1].source_type is None


def test_the_manifest_lists_type_nullability_and_what_the_source_calls_it() -> None:
    [column, other] = columns_of(pa.schema([AMOUNT.field(), pa.field("a", pa.int64())]))
    assert (column.type, column.nullable) == ("decimal128(18, 4)", False)
    assert column.source_type == "numeric(18,4)"
    assert (other.nullable, other.source_type) == (True, None)


def test_settling_keeps_what_the_source_says_of_a_column() -> None:
    empty = Column(name="a", type=pa.null(), key="a", source_type="unknown")
    layout = Layout(version=0, schema=pa.schema([AMOUNT.field(), empty.field()])).settled()
    assert layout.columns()[0] == AMOUNT
    assert layout.columns()[1].source_type == "unknown"
