"""The end of a chain after so many records: rejected ones are records that came, too."""

from __future__ import annotations

import pytest

from bronze_engine.sources.http.body.shape import Shape
from bronze_engine.sources.http.fetch import Page
from bronze_engine.sources.http.limited import limited
from bronze_engine.sources.http.paging.pager import Answered, Ask

pytestmark = pytest.mark.unit

BODY = b'[[1], [2], "bad", "worse", [3], [4]]'


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("most", "values", "bad"),
    [
        (1, [1], 0),
        (2, [1, 2], 0),
        (3, [1, 2], 1),
        (4, [1, 2], 2),
        (5, [1, 2, 3], 2),
        (6, [1, 2, 3, 4], 2),
        (8, [1, 2, 3, 4, 1, 2], 2),
    ],
)
async def test_so_many_records_come_good_and_bad(most: int, values: list[int], bad: int) -> None:
    shape = Shape(None, record_kind="array", record_keys=["n"], keep_originals=True)
    pages: list[Page] = []

    async def keep(page: Page) -> None:
        pages.append(page)

    hand_on = limited(keep, most)
    for number in (1, 2):
        split = shape.split(BODY)
        answered = Answered(records=split.records)
        await hand_on(
            Page(ask=Ask(number=number), split=split, answered=answered, date=None, bytes_in=1)
        )
    lines = [lines for page in pages for lines in page.split.lines]
    assert b"".join(each.data for each in lines) == b"".join(b'{"n":%d}\n' % n for n in values)
    assert sum(len(each.bad) for each in lines) == bad
    assert [raw for each in lines for raw in each.originals or ()] == [b"[%d]" % n for n in values]
    assert sum(page.split.records for page in pages) == most
