"""Tables as TOML: what is rendered reads back as what it was."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.inspection.toml import render

pytestmark = pytest.mark.unit

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_SCALAR = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | _TEXT
_VALUE: st.SearchStrategy[Any] = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_TEXT, _VALUE, max_size=4))
def test_documents_read_back(tree: dict[str, Any]) -> None:
    assert tomllib.loads(render(tree)) == tree


def test_tables_have_headers_and_comments_their_place() -> None:
    tree = {"a": {"x": 1, "b": {"y": "two", "c.d": {"z": [True]}}}}
    assert render(tree, {("a", "b"): ["# why"]}) == (
        '[a]\nx = 1\n\n[a.b]\ny = "two"\n# why\n\n[a.b."c.d"]\nz = [true]\n'
    )


def test_long_lists_stand_on_lines_of_their_own() -> None:
    text = render({"names": ["a" * 60, "b" * 60]})
    assert text.splitlines()[1:3] == [f'    "{"a" * 60}",', f'    "{"b" * 60}",']
    assert tomllib.loads(text) == {"names": ["a" * 60, "b" * 60]}


def test_null_is_refused() -> None:
    with pytest.raises(ValueError, match="no value for NoneType"):
        render({"a": None})
