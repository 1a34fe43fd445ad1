"""Rows of data on a terminal: each on one line, in columns, and unambiguous."""

from __future__ import annotations

import os
from typing import Any

import pytest

from bronze_engine.cli.printing.grid import cell, print_grid

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "NULL"),
        ("", '""'),
        ("NULL", '"NULL"'),
        ("null", "null"),
        (True, "true"),
        (0, "0"),
        (2**70, str(2**70)),
        (1.5, "1.5"),
        ("1.50", "1.50"),
        ("two\nlines\tand \x1b[31mred", r"two\nlines\tand \x1b[31mred"),
        ("\u202ereversed", r"\u202ereversed"),
        ({"a": None, "b": ["é"]}, '{"a": null, "b": ["é"]}'),
    ],
)
def test_a_cell_is_one_line_and_unambiguous(value: Any, shown: str) -> None:
    assert cell(value) == shown


def test_columns_are_as_wide_as_what_they_hold(capsys: pytest.CaptureFixture[str]) -> None:
    print_grid(["id", "name"], [{"id": 1, "name": "東京"}, {"id": 10, "name": "é"}])
    assert capsys.readouterr().out.splitlines() == ["id  name", "1   東京", "10  é"]


def test_a_long_value_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_grid(["id", "text"], [{"id": 1, "text": "東" * 99}, {"id": 2, "text": "x" * 40}])
    _, first, second = capsys.readouterr().out.splitlines()
    assert first == f"1   {'東' * 19}…"
    assert second == f"2   {'x' * 40}"


def test_columns_that_do_not_fit_stand_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def narrow(fallback: tuple[int, int] = (80, 24)) -> os.terminal_size:
        return os.terminal_size((20, fallback[1]))

    monkeypatch.setattr("shutil.get_terminal_size", narrow)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    row = {name: name * 8 for name in "abcd"}
    print_grid(list(row), [row])
    blocks = capsys.readouterr().out.split("\n\n")
    assert [block.split() for block in blocks] == [
        ["a", "b", "aaaaaaaa", "bbbbbbbb"],
        ["c", "d", "cccccccc", "dddddddd"],
    ]
