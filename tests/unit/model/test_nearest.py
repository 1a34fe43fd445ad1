"""What an error says of a name that is none of the known ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bronze_engine.model.nearest import nearest, nearest_names

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("word", "known", "told"),
    [
        ("updated", ["id", "updated_at"], 'did you mean "updated_at"?'),
        ("ID", ["name", "id"], 'did you mean "id"?'),
        ("straße", ["STRASSE"], 'did you mean "STRASSE"?'),
        ("zzz", ["name", "id"], 'known are "id", "name"'),
        ("", ["name"], 'known are "name"'),
        ("zzz", [], "there are none"),
    ],
)
def test_the_nearest_is_told_whatever_its_case_else_what_is_known(
    word: str, known: list[str], told: str
) -> None:
    assert nearest(word, known) == told


def test_of_thousands_of_names_twenty_are_told() -> None:
    told = nearest("zzz", (f"{number:04}" for number in range(3000)))
    assert told.startswith('known are "0000", "0001"')
    assert told.endswith('"0019" and 2,980 more')


@pytest.mark.parametrize(
    ("write", "told"), [(repr, "did you mean 'id'?"), (str, "did you mean id?")]
)
def test_a_name_is_written_as_its_error_writes_names(
    write: Callable[[str], str], told: str
) -> None:
    assert nearest("idd", ["id"], write=write) == told


def test_the_nearest_come_first() -> None:
    assert nearest_names("orders", ["orderd", "Orders", "customers"], most=2) == [
        "Orders",
        "orderd",
    ]
