"""Folders of partition values: read back by everyone who reads Hive's, and never two alike."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.publish.folders import NULL_FOLDER, values_folder
from bronze_engine.publish.names import data_name, parse
from bronze_engine.store.keys import check_key

pytestmark = pytest.mark.unit

TEXTS = st.text(max_size=12) | st.sampled_from([NULL_FOLDER, "a/b", "..", ".", " ", "%2F", "a=b"])


def unescaped(text: str) -> str:
    """As Hive's `unescapePathName` reads it: `%` and two digits are a character."""
    found, at = "", 0
    while at < len(text):
        digits = text[at + 1 : at + 3]
        if text[at] == "%" and len(digits) == 2:
            found, at = found + chr(int(digits, 16)), at + 3
        else:
            found, at = found + text[at], at + 1
    return found


@settings(max_examples=300, deadline=None)
@given(TEXTS.filter(bool), st.none() | TEXTS)
def test_folders_are_keys_that_are_read_back(column: str, value: str | None) -> None:
    folder = values_folder({column: value})
    name = data_name(generation=1, run="r", slice=0, number=0)
    assert parse(f"{folder}/{name}") == parse(name)
    assert check_key(f"{folder}/{name}") == (folder, name)
    left, _, right = folder.partition("=")
    assert unescaped(left) == column
    assert (None if right == NULL_FOLDER else unescaped(right)) == value


def test_folders_are_those_of_the_rules() -> None:
    values = {"country": "DE", "at_day": None, "city": "", "x": "Zürich 東/京"}
    assert (
        values_folder(values)
        == "country=DE/at_day=__HIVE_DEFAULT_PARTITION__/city=/x=Zürich 東%2F京"
    )
    assert values_folder({}) == ""
