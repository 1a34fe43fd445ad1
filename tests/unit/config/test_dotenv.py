from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.loading.dotenv import parse_dotenv
from bronze_engine.config.loading.fault import Fault

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("export A=1", "1"),
        ("  A = 1  ", "1"),
        ("A=", ""),
        ("A=a b c", "a b c"),
        ("A=a # comment", "a"),
        ("A=a#b", "a#b"),
        ("A=# comment", ""),
        ("A='a # b $X \\n'", "a # b $X \\n"),
        ('A="a # b" # comment', "a # b"),
        ('A="a\\n\\"b\\" \\\\"', 'a\n"b" \\'),
        ("A=a=b==", "a=b=="),
        ("A=$X${Y}", "$X${Y}"),
        ("A=it's", "it's"),
    ],
)
def test_a_line_gives_a_variable(line: str, value: str) -> None:
    faults: list[Fault] = []
    assert parse_dotenv(f"# first\n\n{line}\n", faults) == {"A": value}
    assert faults == []


@pytest.mark.parametrize("line", ["A", "=1", "1A=x", "A='x", 'A="x', "A B=1", "A='x' y"])
def test_any_other_line_is_a_fault_that_does_not_show_it(line: str) -> None:
    faults: list[Fault] = []
    assert parse_dotenv(f"B=2\n{line}\n", faults) == {"B": "2"}
    assert [str(fault) for fault in faults] == ["line 2: write NAME=value, with quotes in pairs"]


@given(st.text(max_size=200))
def test_no_text_takes_long_or_breaks(text: str) -> None:
    parse_dotenv(text, [])


@given(st.text(st.characters(exclude_characters="'", exclude_categories=("Cc", "Zl", "Zp", "Cs"))))
def test_single_quotes_hold_any_text(text: str) -> None:
    assert parse_dotenv(f"A='{text}'", []) == {"A": text}
