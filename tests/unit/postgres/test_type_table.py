"""The guide's table of types is what the cases that prove it make of it."""

from __future__ import annotations

import pytest

from tests.integration.databases.type_cases import CASES
from tests.integration.databases.type_table import read_guide, with_table

pytestmark = pytest.mark.unit


def test_the_table_of_types_is_the_one_that_the_tests_prove() -> None:
    guide = read_guide()
    assert guide == with_table(guide), "run python -m tests.integration.databases.type_table"


def test_every_case_stands_once() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def test_a_case_that_changes_changes_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = "tests.integration.databases.type_table.CASES"
    monkeypatch.setattr(changed, CASES[1:])
    guide = read_guide()
    assert guide != with_table(guide)
