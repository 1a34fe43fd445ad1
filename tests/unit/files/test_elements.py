"""JSON arrays, cut between their elements wherever the chunks end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.errors import ExtractError
from bronze_engine.sources.files.elements import Elements

pytestmark = pytest.mark.unit

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.sampled_from('a"\\,[]{}\n é'), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def elements(data: bytes, step: int, limit: int = 1 << 20) -> list[Any]:
    cutter = Elements("x.json", limit)
    found: list[Any] = []
    for start in range(0, len(data), step):
        for piece in cutter.feed(data[start : start + step]):
            found += json.loads(piece)
    cutter.finish()
    return found


@given(
    st.lists(values, max_size=8),
    st.integers(1, 40),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_the_elements_are_those_of_the_whole(
    array: list[Any], step: int, indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps(array, indent=indent, ensure_ascii=ascii_only).encode()
    assert elements(b" \n" + data + b"\r\n ", step) == array


@pytest.mark.parametrize("step", [1, 3, 100])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("[1, 2", "its end is missing"),
        ('["a', "its end is missing"),
        ('[{"a": 1}', "its end is missing"),
        ("{}", "no array"),
        ("[1] [2]", "goes on behind"),
        ("[1]\n[2]", "goes on behind"),
        ("[1, 2,]", "comma without an element"),
        ("[,1]", "comma without an element"),
        ('[{"a": 1}}', "ends with a brace"),
    ],
)
def test_what_is_no_array_is_told(text: str, why: str, step: int) -> None:
    with pytest.raises((ExtractError, json.JSONDecodeError)) as raised:
        elements(text.encode(), step)
    if isinstance(raised.value, ExtractError):
        assert why in str(raised.value)


def test_an_element_past_the_limit_is_told() -> None:
    with pytest.raises(ExtractError, match="a record of more than 100 bytes"):
        elements(json.dumps(["x" * 500]).encode(), 50, limit=100)


@pytest.mark.parametrize("piece", [1, 5, 1000])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_element_past_the_limit_ends_the_run_whatever_the_pieces(place: int, piece: int) -> None:
    parts = [b"1", b"2", b"3"]
    parts[place] = b'"' + b"x" * 48 + b'"'
    data = b"[" + b",".join(parts) + b"]"

    def cut(most: int) -> None:
        elements = Elements("a.json", most)
        for start in range(0, len(data), piece):
            list(elements.feed(data[start : start + piece]))
        elements.finish()

    cut(50)
    with pytest.raises(ExtractError, match="more than 49 bytes"):
        cut(49)
