"""Which files are written anew, and which of them together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from bronze_engine.model.part import DataFile
from bronze_engine.silver.merge.files import rewritten, together
from bronze_engine.silver.merge.held import HeldFile

pytestmark = pytest.mark.unit


def file(rows: int, values: Mapping[str, str | None] | None = None) -> HeldFile:
    data = DataFile(name="f", size_bytes=1, sha256="", row_count=rows, values=dict(values or {}))
    return HeldFile(file=data, path=Path("f"), schema=pa.schema([]))


def grouped(*files: HeldFile, max_rows: int) -> list[list[int]]:
    groups = together(list(enumerate(files)), max_rows=max_rows)
    return [[number for number, _ in group] for group in groups]


@pytest.mark.parametrize(
    ("rows", "groups"),
    [
        ([], []),
        ([10], [[0]]),
        ([11], [[0]]),  # of a time when a file could have more
        ([5, 5, 1], [[0, 1], [2]]),
        ([11, 1, 9, 1], [[0], [1, 2], [3]]),
        ([1] * 12, [[*range(10)], [10, 11]]),
        ([0, 0, 10, 0], [[0, 1, 2, 3]]),
    ],
)
def test_files_that_fit_into_one_are_written_as_one(
    rows: list[int], groups: list[list[int]]
) -> None:
    assert grouped(*map(file, rows), max_rows=10) == groups


def test_the_files_of_a_folder_come_together_wherever_they_stand() -> None:
    """Else the small files of a folder would never become one."""
    de, fr, null = ({"country": value} for value in ("DE", "FR", None))
    files = [file(4, de), file(6, fr), file(4, de), file(1, null), file(4, fr), file(2, de)]
    assert grouped(*files, max_rows=10) == [[0, 2, 5], [1, 4], [3]]


def test_small_files_are_written_anew_once_a_folder_has_eight() -> None:
    de, fr = {"country": "DE"}, {"country": "FR"}
    files = [file(10, de), *([file(4, de)] * 7), *([file(4, fr)] * 8)]
    assert rewritten(files, {0, 3}, max_rows=10) == [0, 3, *range(8, 16)]
    assert rewritten(files[:8], set(), max_rows=10) == []
