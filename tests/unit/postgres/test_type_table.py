"""The guides' tables of types are what the cases that prove them make of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.databases.type_cases import CASES
from tests.integration.databases.type_table import GUIDES, with_table

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_the_table_of_types_is_the_one_that_the_tests_prove(path: Path) -> None:
    guide = path.read_text("utf-8")
    assert guide == with_table(path.name, guide), (
        "run python -m tests.integration.databases.type_table"
    )


def test_every_case_stands_once() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_a_case_that_changes_changes_the_table(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr("tests.integration.databases.type_table.CASES", CASES[1:])
    guide = path.read_text("utf-8")
    assert guide != with_table(path.name, guide)
