"""What `bronze inspect` can't do is told: options that mean nothing, answers without records."""

from __future__ import annotations

import pytest

from tests.integration.cli.command import Bronze, in_background
from tests.integration.cli.inspected import guarded, in_one_page
from tests.integration.http_server import answer

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["ftp://x.example/"], 2, "that is no URL of an API"),
        (["no.such"], 2, "does not exist"),
        (["http://127.0.0.1:1/x", "-H", "nonsense"], 2, "--header: one of them is no pair"),
        (["http://127.0.0.1:1/x", "-p", "nonsense"], 2, "--param: one of them is no pair"),
        (["http://127.0.0.1:1/x", "--data", "{"], 2, "--data is no JSON"),
        (["http://127.0.0.1:1/x", "--bearer-env", "NOT_SET"], 2, "NOT_SET is not set"),
        (["http://127.0.0.1:1/x", "--name", "x"], 2, "write team.name"),
        (["http://127.0.0.1:1/x", "--api", "shop"], 2, "no pipelines.toml"),
        (["team.orders", "-p", "a=b"], 2, "go with a URL"),
    ],
)
def test_what_can_not_be_asked_for_is_told(
    bronze: Bronze, arguments: list[str], status: int, message: str
) -> None:
    ran = bronze("inspect", *arguments)
    assert ran.status == status
    assert message in ran.errors[0]
    assert ran.out == ""


def test_refused_is_an_auth_error_that_says_how_a_credential_is_given(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "expired")
    with in_background(guarded(in_one_page)) as server:
        without = bronze("inspect", f"{server.url}/orders")
        refused = bronze("inspect", f"{server.url}/orders", "--bearer-env", "SHOP_TOKEN")
    assert (without.status, refused.status) == (3, 3)
    assert without.errors[0].startswith("AUTH001")
    assert "--bearer-env VARIABLE" in without.errors[0]
    assert refused.errors[0].endswith("; here it is what the variable SHOP_TOKEN holds")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b'{"id": 1, "name": "x"}', 5, '"id", "name"'),
        (b"<html></html>", 4, "the answer is HTML"),
    ],
)
def test_no_records_is_told(bronze: Bronze, body: bytes, status: int, message: str) -> None:
    async def handle(*_: object) -> bytes:
        return answer(body=body)

    with in_background(handle) as server:
        ran = bronze("inspect", f"{server.url}/orders")
    assert ran.status == status
    assert message in ran.errors[0]
