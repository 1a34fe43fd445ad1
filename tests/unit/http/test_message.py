"""What servers say in their errors, wherever it stands."""

from __future__ import annotations

from typing import Any

import pytest

from bronze_engine.sources.http.body.message import fault_in, message_in

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"error": {"code": 1, "message": "deep"}}, "deep"),
        ([{"message": "of a list", "errorCode": "X"}], "of a list"),
        ({"errorMessages": ["The value 'x' does not exist"], "errors": {}}, "The value 'x' does"),
        (  # QuickBooks
            {"Fault": {"Error": [{"Message": "Error parsing query", "code": "4000"}]}},
            "Error parsing query",
        ),
        ({"Title": "Forbidden", "Detail": "AuthenticationUnsuccessful"}, "Authentication"),  # Xero
        (  # HubSpot
            {"message": "There was a problem.", "errors": [{"message": "over 10000"}]},
            "There was a problem.: over 10000",
        ),
        ({"message": "the same", "errors": [{"message": "the same"}]}, "the same"),
        ({"code": 7}, ""),
    ],
)
def test_a_message_is_found(value: Any, text: str) -> None:
    found = message_in(value)
    assert found.startswith(text)
    assert bool(found) == bool(text)


def test_a_fault_in_an_answer_of_200_is_found_whatever_its_case() -> None:
    assert fault_in(b'{"Fault": {"Error": [{"Message": "no\\nquery"}]}}') == "no query"
    assert fault_in(b'{"title": "a record"}') == ""
