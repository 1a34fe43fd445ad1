"""What `bronze inspect` is told in confidence is a variable in its TOML, and never shown."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.integration.cli.command import Bronze, in_background
from tests.integration.cli.inspected import TOKEN, by_link, guarded, in_one_page, inspected
from tests.integration.http_server import Seen, answer

pytestmark = pytest.mark.integration


def test_secrets_are_variables_and_never_shown(bronze: Bronze) -> None:
    def page(seen: Seen) -> bytes:
        assert seen.query["api_key"] == "canary-key-in-query"
        number = int(seen.query.get("p", 1))
        following = "/orders?api_key=canary-key-in-query&p=2" if number == 1 else None
        return answer({"data": [{"id": number, "echo": TOKEN}], "next": following})

    with in_background(guarded(page)) as server:
        options = ["-H", f"Authorization: Bearer {TOKEN}", "-p", "api_key=canary-key-in-query"]
        ran = bronze("inspect", f"{server.url}/orders", "-v", *options)
        assert ran.status == 0, ran.err
        json_of = bronze("inspect", f"{server.url}/orders", "--json", *options)
    for text in (ran.out, ran.err, json_of.out, json_of.err):
        assert "canary" not in text
    assert 'token = "${LOCAL_TOKEN}"' in ran.out
    assert 'api_key = "${LOCAL_API_KEY}"' in ran.out
    assert "# To be set in the environment, or in .env beside this: LOCAL_TOKEN" in ran.out
    assert json_of.json["variables"] == ["LOCAL_TOKEN", "LOCAL_API_KEY"]


def test_a_secret_that_a_variable_holds_is_written_as_that_one(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_OWN_TOKEN", TOKEN)
    with in_background(guarded(in_one_page)) as server:
        found = inspected(bronze, server, "-H", f"Authorization: Bearer {TOKEN}")
    assert 'token = "${MY_OWN_TOKEN}"' in found["toml"]
    assert found["variables"] == []


def test_a_token_may_lie_in_the_env_file_of_the_folder(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    (bronze.folder / ".env").write_text(f"SHOP_TOKEN={TOKEN}\n")
    with in_background(guarded(by_link)) as server:
        ran = bronze.well("inspect", f"{server.url}/orders", "--toml", "--bearer-env", "SHOP_TOKEN")
    assert 'token = "${SHOP_TOKEN}"' in ran.out
    assert TOKEN not in ran.out + ran.err


@pytest.mark.parametrize(
    "options",
    [
        ["-H", f"Authorization: Bearer {TOKEN}"],
        ["-H", f"Authorization: Basic {TOKEN}"],
        ["-H", f"X-Api-Key: {TOKEN}"],
        ["-p", f"api_key={TOKEN}"],
        ["--data", json.dumps({"client_secret": TOKEN})],
    ],
)
@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_a_server_that_repeats_a_secret_is_masked(
    bronze: Bronze, options: list[str], status: int
) -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        assert TOKEN.encode() in seen.raw
        return answer({"message": f"you sent {TOKEN}", "data": [{"a": TOKEN}]}, status=status)

    with in_background(handle) as server:
        ran = bronze("inspect", f"{server.url}/orders", "-v", *options)
        as_json = bronze("inspect", f"{server.url}/orders", "--json", *options)
    assert (ran.status == 0) == (status == 200)
    assert TOKEN not in ran.out + ran.err + as_json.out + as_json.err
