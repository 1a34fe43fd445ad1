"""Each example lands what its server holds, within the limits that it imitates."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from examples.github import server as github
from examples.graphql import server as graphql
from examples.salesforce import server as salesforce
from examples.shopify import server as shopify
from examples.stripe import server as stripe

from tests.integration.cli.command import Bronze, environment

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DATE = "2025-01-15"
STAMPS = ["_load_date", "_source_system", "_source_entity"]


class Example(msgspec.Struct, frozen=True):
    """A pipeline of an example, and the rows that its server holds."""

    pipeline: str
    rows: list[dict[str, Any]]
    key: str = "id"
    shown_as: Callable[[dict[str, Any]], dict[str, Any]] = dict

    @property
    def folder(self) -> str:
        team = self.pipeline.partition(".")[0]
        return "graphql" if team == "shop" else team


def price(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "total_price": Decimal(row["total_price"])}


def changed_since(day: str) -> list[dict[str, Any]]:
    return [row for row in github.ISSUES if row["updated_at"] > f"{day}T00:00:00Z"]


EXAMPLES = [
    Example("github.issues", github.ISSUES),
    Example("github.issues_changed", changed_since("2025-01-10")),
    Example(
        "github.comments",
        [{**row, "issue_number": row["id"] // 100} for row in github.COMMENTS],
    ),
    Example("github.closed", [row for row in github.ISSUES if row["state"] == "closed"]),
    Example("stripe.customers", stripe.CUSTOMERS),
    Example("stripe.charges", stripe.CHARGES),
    Example("shopify.orders", shopify.ORDERS, shown_as=price),
    Example("shopify.products", shopify.PRODUCTS),
    Example("salesforce.accounts", salesforce.ACCOUNTS, key="Id"),
    Example("salesforce.contacts", salesforce.CONTACTS, key="Id"),
    Example("shop.orders", graphql.ORDERS),
]


@contextmanager
def served(folder: str, *options: str) -> Iterator[str]:
    """The example's server in a process of its own; it ends with its input."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"examples.{folder}.server", "--port", "0", *options],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture
def bronze(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bronze:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SALESFORCE_POLL", "10ms")
    return Bronze(tmp_path, capsys)


def landed(folder: Path, pipeline: str) -> list[dict[str, Any]]:
    team, _, entity = pipeline.partition(".")
    partition = folder / f"bronze/{team}/{entity}/dt={DATE}"
    manifest = json.loads((partition / "_metadata.json").read_text())
    tables = [pq.ParquetFile(partition / each["name"]).read() for each in manifest["files"]]
    table = pa.concat_tables(tables).drop_columns(STAMPS)
    return [_plain(row) for row in table.to_pylist()]


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case datetime():
            return int(value.timestamp())
        case date():
            return value.isoformat()
    return value


def without_nulls(value: Any) -> Any:
    """A column that only other records have is NULL in this one."""
    match value:
        case dict():
            cleaned = {name: without_nulls(item) for name, item in value.items()}
            return {name: item for name, item in cleaned.items() if item not in (None, {})}
        case list():
            return [without_nulls(item) for item in value]
    return value


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.pipeline)
def test_example_lands_what_its_server_holds(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch, example: Example
) -> None:
    shutil.copy(ROOT / "examples" / example.folder / "pipelines.toml", bronze.folder)
    with served(example.folder, "--pace", "20") as url:
        monkeypatch.setenv(f"{example.folder.upper()}_URL", url)
        bronze.well("check", example.pipeline)
        bronze.well("run", example.pipeline, "--date", DATE)
    bronze.well("verify", example.pipeline, "--date", DATE)
    rows = landed(bronze.folder, example.pipeline)
    wanted = [example.shown_as(row) for row in example.rows]
    assert [row[example.key] for row in rows] == [row[example.key] for row in wanted]
    assert list(map(without_nulls, rows)) == list(map(without_nulls, wanted))


def test_limits_are_imitated(bronze: Bronze, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the vendor's own pace, and small pages: the server refuses, and nothing is lost."""
    shutil.copy(ROOT / "examples" / "graphql" / "pipelines.toml", bronze.folder)
    with served("graphql") as url:
        monkeypatch.setenv("GRAPHQL_URL", url)
        report = bronze.well(
            "run",
            "shop.orders",
            "--date",
            DATE,
            "--json",
            *("--set", "source.paginator.page_size=10"),
        ).json
    assert report["retries"] > 0
    assert report["rows"] == len(graphql.ORDERS)
