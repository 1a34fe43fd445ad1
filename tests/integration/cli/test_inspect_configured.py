"""`bronze inspect` of what is configured: what a pipeline lacks, and what an API lends."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.integration.cli.command import DATE, Bronze, in_background, shop
from tests.integration.cli.inspected import (
    ROWS,
    TOKEN,
    by_cursor,
    by_next_url,
    check_and_run,
    configured,
    guarded,
    landed,
)
from tests.integration.http_server import answer

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]


def test_what_auto_finds_is_written_down(bronze: Bronze) -> None:
    with in_background(guarded(by_cursor)) as server:
        configured(
            bronze,
            server,
            'records = "items"\n[pipelines.local.orders.source.paginator]\ntype = "auto"',
        )
        found = bronze.well("inspect", "local.orders", "--json").json
    assert found["paginator"]["confidence"] == "confirmed"
    added = tomllib.loads(found["toml"])["pipelines"]["local"]["orders"]["source"]
    assert added["paginator"] == {
        "type": "cursor",
        "cursor_path": "next_page_token",
        "cursor_param": "page_token",
    }


def test_api_of_the_configuration_lends_its_credentials(bronze: Bronze) -> None:
    with in_background(guarded(by_next_url)) as server:
        shop(bronze.folder)
        file = bronze.folder / "pipelines.toml"
        auth = f'\n[apis.shop.auth]\ntype = "bearer"\ntoken = "{TOKEN}"\n'
        file.write_text(file.read_text().replace("http://127.0.0.1:1", server.url) + auth)
        ran = bronze.well("inspect", "/orders", "--api", "shop", "--toml")
        assert "apis" not in tomllib.loads(ran.out)
        assert TOKEN not in ran.out
        file.write_text(f"{file.read_text()}\n{ran.out}")
        bronze.well("run", "shop.orders", "--date", DATE)
        assert TOKEN not in bronze.well("inspect", f"{server.url}/orders", "--api", "shop").out
        elsewhere = bronze("inspect", "http://127.0.0.1:9/orders", "--api", "shop")
    assert elsewhere.status == 2
    assert "does not lie below the base_url" in elsewhere.errors[0]
    manifest = json.loads(
        (bronze.folder / f"lake/shop/orders/dt={DATE}/_metadata.json").read_text()
    )
    assert manifest["row_count"] == len(ROWS)


def test_pipeline_without_a_paginator_is_told_which(bronze: Bronze) -> None:
    with in_background(guarded(by_next_url)) as server:
        configured(bronze, server, 'records = "results"')
        found = bronze.well("inspect", "local.orders", "--json").json
        assert found["paginator"]["confidence"] == "confirmed"
        file = bronze.folder / "pipelines.toml"
        addition = tomllib.loads(found["toml"])["pipelines"]["local"]["orders"]
        assert addition["primary_key"] == ["id"]
        assert addition["source"]["paginator"] == {"type": "next_url", "next_path": "next"}
        text = found["toml"].replace("[pipelines.local.orders]\nprimary_key", "\n#")
        check_and_run(bronze, file.read_text() + text, "local.orders")
        assert TOKEN not in json.dumps(found)
    assert len(landed(bronze, "orders")) == len(ROWS)


def test_pipeline_with_a_wrong_path_is_told_the_right_one(bronze: Bronze) -> None:
    with in_background(guarded(by_cursor)) as server:
        configured(bronze, server, 'records = "results"')
        found = bronze.well("inspect", "local.orders", "--json").json
    assert 'no "results" in the body' in found["notes"][0]
    assert tomllib.loads(found["toml"])["pipelines"]["local"]["orders"]["source"]["records"] == (
        "items"
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("demo.orders", "page"),
        ("demo.orders_new", "page"),
        ("demo.orders_offset", "offset"),
        ("demo.orders_cursor", "cursor"),
        ("demo.orders_link", "link_header"),
        ("demo.orders_next", "next_url"),
        ("demo.customers", "none"),
        ("demo.orders_basic", "page"),
    ],
)
def test_configured_pipelines_are_inspected_as_they_are(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch, demo_url: str, name: str, kind: str
) -> None:
    monkeypatch.setenv("DEMO_URL", demo_url)
    before = sorted(bronze.folder.iterdir())
    found = bronze.well("inspect", name, "--json", "--config", str(ROOT / "pipelines.toml")).json
    assert found["paginator"] == {
        "settings": {"type": kind},
        "confidence": "configured",
        "why": "as configured",
    }
    assert len(found["pages"]) == (1 if kind == "none" else 2)
    assert found["requests"] == len(found["pages"])
    assert found["primary_key"] == "id"
    assert sorted(bronze.folder.iterdir()) == before
    assert "demo-token" not in json.dumps(found)


def test_pipeline_that_needs_nothing(bronze: Bronze) -> None:
    async def handle(*_: object) -> bytes:
        return answer([{"name": "x", "size": 1}, {"name": "x", "size": 2}])

    with in_background(handle) as server:
        configured(bronze, server, "")
        found = bronze.well("inspect", "local.orders", "--json").json
    assert found["toml"] == "# Nothing to add to [pipelines.local.orders]\n"
