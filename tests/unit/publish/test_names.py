"""File names: written, read back, and never taken for ours when they are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.publish.names import (
    FileName,
    data_name,
    deleted_name,
    pages_name,
    parse,
    quarantine_name,
)

pytestmark = pytest.mark.unit

RUNS = st.from_regex(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", fullmatch=True)
COUNTS = st.integers(min_value=0, max_value=10**9)


def test_names_are_those_of_the_design() -> None:
    name = data_name(generation=1, run="a1b2", slice=0, number=12)
    assert name == "part-g00000001-a1b2-00000-00012.parquet"
    rejected = quarantine_name(generation=1, run="a1b2", slice=3)
    assert rejected == "_quarantine/g00000001-a1b2-00003.jsonl.zst"
    captured = pages_name(generation=1, run="a1b2", slice=3, number=0)
    assert captured == "_pages/g00000001-a1b2-00003-00000.jsonl.zst"
    gone = deleted_name(generation=1, run="a1b2", slice=3, number=0)
    assert gone == "_deleted/part-g00000001-a1b2-00003-00000.parquet"


@given(generation=COUNTS, run=RUNS, place=COUNTS, number=COUNTS)
def test_names_are_read_back(generation: int, run: str, place: int, number: int) -> None:
    name = data_name(generation=generation, run=run, slice=place, number=number)
    expected = FileName(kind="data", generation=generation, run=run, slice=place, number=number)
    assert parse(name) == expected
    assert parse(f"country=DE/day=__HIVE_DEFAULT_PARTITION__/{name}") == expected
    rejected = quarantine_name(generation=generation, run=run, slice=place)
    assert parse(rejected) == FileName(
        kind="quarantine", generation=generation, run=run, slice=place, number=None
    )
    captured = pages_name(generation=generation, run=run, slice=place, number=number)
    assert parse(captured) == FileName(
        kind="pages", generation=generation, run=run, slice=place, number=number
    )
    gone = deleted_name(generation=generation, run=run, slice=place, number=number)
    assert parse(gone) == FileName(
        kind="deleted", generation=generation, run=run, slice=place, number=number
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "part-g00000001-r-00000-00000.parquet.bak",
        "x-part-g00000001-r-00000-00000.parquet",
        "part-g1-r-00000-00000.parquet",
        "part-g000000001-r-00000-00000.parquet",
        "part-g00000001-r-000000-00000.parquet",
        "part-g00000001--00000-00000.parquet",
        "part-g00000001-r-00000.parquet",
        "part-g00000001-r x-00000-00000.parquet",
        "part-g0000000\u0661-r-00000-00000.parquet",
        "part-g00000001-r-00000-00000.parquet\n",
        "other/part-g00000001-r-00000-00000.parquet",
        "_quarantine/part-g00000001-r-00000-00000.parquet",
        "g00000001-r-00000.jsonl.zst",
        "a=b/_quarantine/g00000001-r-00000.jsonl.zst",
        "_quarantine/g00000001-r-0000.jsonl.zst",
        "_pages/g00000001-r-00000.jsonl.zst",
        "_pages/g00000001-r-00000-00000.jsonl",
        "_pages/part-g00000001-r-00000-00000.parquet",
        "a=b/_pages/g00000001-r-00000-00000.jsonl.zst",
        "_metadata.json",
        "part-00000-of-00001.parquet",
    ],
)
def test_what_is_not_ours_to_the_last_character_is_not_parsed(name: str) -> None:
    assert parse(name) is None


@pytest.mark.parametrize("run", ["", "-a", "a/b", "a.b", "a b", "x" * 65, "é"])
def test_run_that_could_not_be_read_back_is_refused(run: str) -> None:
    with pytest.raises(ValueError, match="read back"):
        data_name(generation=1, run=run, slice=0, number=0)
    with pytest.raises(ValueError, match="read back"):
        quarantine_name(generation=1, run=run, slice=0)
    with pytest.raises(ValueError, match="read back"):
        pages_name(generation=1, run=run, slice=0, number=0)


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="read back"):
        data_name(generation=1, run="r", slice=-1, number=0)
