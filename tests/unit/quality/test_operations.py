"""The operation of each change: counted by its code, and rejected without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.cdc import Cdc
from bronze_engine.contracts import Decoded
from bronze_engine.errors import QualityError
from bronze_engine.model.block import Reject
from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.layout import Layout
from bronze_engine.quality.operations import Operations, check_order
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

CDC = Cdc(operation="op", insert=("I", "r"), update=("U",), delete=("D",))


def decoded_of(values: Sequence[object], kind: pa.DataType, name: str = "op") -> Decoded:
    batch = pa.RecordBatch.from_arrays(
        [pa.array(range(len(values))), pa.array(values, kind)], names=["id", name]
    )

    def refuse(places: Sequence[int], reasons: Sequence[str]) -> Sequence[Reject]:
        return [
            Reject(reason=reason, page=1, offset=place, raw=b"%d" % place)
            for place, reason in zip(places, reasons, strict=True)
        ]

    return Decoded(batch=batch, layout=Layout(version=0, schema=batch.schema), refuse=refuse)


async def judged(cdc: Cdc, *groups: Decoded) -> tuple[list[Decoded], ChangeCounts]:
    with Workers(1) as workers:
        operations = Operations(cdc, workers)
        found = [await operations.apply(group) for group in groups]
        for group in found:
            await operations.count(group)
        return found, operations.counts


@pytest.mark.asyncio
async def test_each_code_counts_for_its_operation() -> None:
    groups = [decoded_of(["I", "U", "U"], pa.string()), decoded_of(["D", "r", "U"], pa.string())]
    found, counts = await judged(CDC, *groups)
    assert found == groups
    assert counts == ChangeCounts(inserts=2, updates=3, deletes=1)


@pytest.mark.asyncio
@settings(max_examples=50, deadline=None)
@given(codes=st.lists(st.sampled_from(["I", "r", "U", "D", "i", "", "T", None]), max_size=20))
async def test_rows_without_a_code_are_rejected_and_no_others(codes: list[str | None]) -> None:
    [found], counts = await judged(CDC, decoded_of(codes, pa.string()))
    wanted = [place for place, code in enumerate(codes) if code in {"I", "r", "U", "D"}]
    assert found.batch.column("id").to_pylist() == wanted
    rejected = [place for place in range(len(codes)) if place not in wanted]
    assert [reject.offset for reject in found.rejects] == rejected
    seen = Counter(codes)
    assert counts == ChangeCounts(
        inserts=seen["I"] + seen["r"], updates=seen["U"], deletes=seen["D"]
    )


@pytest.mark.asyncio
async def test_reasons_name_the_column_and_the_code_and_later_rules_find_the_right_records() -> (
    None
):
    [found], _ = await judged(CDC, decoded_of(["x", "I", None, "D"], pa.string()))
    assert [reject.reason for reject in found.rejects] == [
        "cdc.operation: op is 'x', a code of no insert, update or delete",
        "cdc.operation: op is NULL",
    ]
    assert found.refuse is not None
    [reject] = found.refuse([1], ["breaks a rule"])
    assert (reject.offset, reject.raw) == (3, b"3")


@pytest.mark.asyncio
async def test_numbers_and_dictionaries_have_codes_as_texts() -> None:
    cdc = Cdc(operation="op", insert=("2",), update=("4",), delete=("1",))
    _, counts = await judged(cdc, decoded_of([1, 2, 4, 4], pa.int32()))
    assert counts == ChangeCounts(inserts=1, updates=2, deletes=1)
    encoded = decoded_of(["I", "D"], pa.dictionary(pa.int32(), pa.string()))
    _, counts = await judged(CDC, encoded)
    assert counts == ChangeCounts(inserts=1, deletes=1)


@pytest.mark.asyncio
async def test_a_column_that_is_not_there_is_told_with_its_neighbour() -> None:
    with pytest.raises(QualityError, match="'op', and no record has such a column; did you mean"):
        await judged(CDC, decoded_of(["I"], pa.string(), name="opp"))


@pytest.mark.asyncio
async def test_a_type_without_codes_is_told() -> None:
    with pytest.raises(QualityError, match="column 'op' is double, and codes are texts"):
        await judged(CDC, decoded_of([1.0], pa.float64()))


@pytest.mark.asyncio
async def test_rows_without_a_record_are_kept_as_their_columns() -> None:
    group = decoded_of(["x"], pa.string())
    plain = Decoded(batch=group.batch, layout=group.layout)
    [found], _ = await judged(CDC, plain)
    assert [(reject.offset, reject.raw) for reject in found.rejects] == [
        (0, b'{"id": 0, "op": "x"}')
    ]
    assert found.refuse is None


def test_an_order_by_that_no_record_has_is_told() -> None:
    layout = decoded_of(["I"], pa.string()).layout
    check_order(Cdc(operation="op", order_by=("id",)), layout)
    with pytest.raises(QualityError, match=r"cdc\.order_by names 'lsn'"):
        check_order(Cdc(operation="op", order_by=("lsn",)), layout)
