"""`bronze inspect` of files, and what tells them from an API."""

from __future__ import annotations

import shlex

import pytest

from tests.documents import Document
from tests.integration.cli.command import Bronze, in_background
from tests.integration.cli.inspected import ROWS
from tests.integration.http_server import Seen, answer

pytestmark = pytest.mark.integration


def test_the_guide_to_files_shows_what_is_printed(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bronze.folder)
    guide = Document("docs/files.md")
    (bronze.folder / "inbox").mkdir()
    (bronze.folder / "inbox/orders_20250115.csv").write_text(guide.blocks("csv")[0])
    command = next(line for line in guide.blocks("sh") if "bronze inspect" in line)
    toml = bronze.well(*shlex.split(command)[1:]).out
    assert toml in guide.blocks("toml")
    (bronze.folder / "pipelines.toml").write_text(toml)
    found = bronze.well("inspect", "inbox.orders", "--json").json
    assert found["toml"] == "# Nothing to add to [pipelines.inbox.orders]\n"
    assert {each["name"]: each["type"] for each in found["columns"]} == {
        "id": "int64",
        "zip": "string",
        "name": "string",
        "amount": "decimal128(18, 2)",
        "ordered_at": "timestamp[us, tz=UTC]",
    }
    lines = bronze.well("inspect", "inbox/orders_20250115.csv").out.splitlines()
    assert "delimiter    ;" in lines


def test_a_url_is_a_file_by_its_ending_or_where_it_is_said(bronze: Bronze) -> None:
    async def handle(seen: Seen, _: object) -> bytes:
        return answer(status=405, body=b"") if seen.method == "HEAD" else answer(ROWS)

    with in_background(handle) as server:
        an_api = bronze.well("inspect", f"{server.url}/orders.json", "--json").json
        a_file = bronze.well("inspect", f"{server.url}/orders.json", "--json", "--files").json
        refused = bronze("inspect", f"{server.url}/orders.json", "--files", "-H", "A: b")
    assert an_api["paginator"]["settings"]["type"] == "none"
    assert (a_file["format"], a_file["rows"]) == ("json", len(ROWS))
    assert refused.status == 2
    assert "are of APIs" in refused.err
