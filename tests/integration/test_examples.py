"""Each example lands what its server holds, within the limits that it imitates."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
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


INSPECTED = [
    ("github", "/repos/octo/shop/issues?state=all", github.TOKEN, "link_header", 250),
    ("stripe", "/v1/charges?limit=50", stripe.KEY, "keyset", len(stripe.CHARGES)),
]


@pytest.mark.parametrize(("folder", "path", "token", "kind", "rows"), INSPECTED)
def test_inspect_writes_the_pipeline_of_an_example(
    bronze: Bronze,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    path: str,
    token: str,
    kind: str,
    rows: int,
) -> None:
    monkeypatch.setenv("TOKEN_OF_EXAMPLE", token)
    with served(folder, "--pace", "20") as url:
        options = ["--bearer-env", "TOKEN_OF_EXAMPLE", "--name", "team.found", "--toml"]
        ran = bronze.well("inspect", f"{url}{path}", *options)
        (bronze.folder / "pipelines.toml").write_text(ran.out)
        report = bronze.well("run", "team.found", "--date", DATE, "--json").json
    assert tomllib.loads(ran.out)["pipelines"]["team"]["found"]["source"]["paginator"]["type"] == (
        kind
    )
    assert report["rows"] == rows


@pytest.mark.parametrize("pipeline", ["github.comments", "salesforce.contacts"])
def test_inspect_looks_at_few_chains_of_many(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch, pipeline: str
) -> None:
    folder = pipeline.partition(".")[0]
    shutil.copy(ROOT / "examples" / folder / "pipelines.toml", bronze.folder)
    with served(folder, "--pace", "20") as url:
        monkeypatch.setenv(f"{folder.upper()}_URL", url)
        found = bronze.well("inspect", pipeline, "--json").json
    assert 0 < found["rows"] <= 400
    assert found["requests"] < 100
    assert found["primary_key"] is not None


REFUSED = [
    ("github", "GET", "/repos/octo/shop/issues", {"Authorization": f"Bearer {github.TOKEN}"}),
    ("stripe", "GET", "/v1/customers", {"Authorization": f"Bearer {stripe.KEY}"}),
    (
        "shopify",
        "GET",
        f"/admin/api/{shopify.VERSION}/orders.json",
        {"X-Shopify-Access-Token": shopify.TOKEN},
    ),
    ("graphql", "POST", "/graphql", {"Authorization": f"Bearer {graphql.TOKEN}"}),
]


@pytest.mark.parametrize(("folder", "method", "path", "headers"), REFUSED)
def test_servers_refuse_what_goes_past_their_limits(
    folder: str, method: str, path: str, headers: dict[str, str]
) -> None:
    body = b'{"query": "orders(first: $first, after: $after)"}' if method == "POST" else None
    with served(folder) as url, httpx.Client(trust_env=False) as client:
        statuses = [
            client.request(method, f"{url}{path}", headers=headers, content=body).status_code
            for _ in range(100)
        ]
        unknown = client.request(method, f"{url}{path}", content=body).status_code
    assert statuses.count(429) > 0
    assert statuses[0] == 200
    assert unknown == 401


LIMITED = [
    ("shop.orders", 10, len(graphql.ORDERS), "graphql", "1"),
    ("shopify.orders", 4, len(shopify.ORDERS), "shopify", "10"),
    ("shopify.products", 50, len(shopify.PRODUCTS), "shopify", "5"),
]


@pytest.mark.parametrize(("pipeline", "size", "rows", "folder", "pace"), LIMITED)
def test_small_pages_meet_the_limits_and_nothing_is_lost(
    bronze: Bronze,
    monkeypatch: pytest.MonkeyPatch,
    pipeline: str,
    size: int,
    rows: int,
    folder: str,
    pace: str,
) -> None:
    shutil.copy(ROOT / "examples" / folder / "pipelines.toml", bronze.folder)
    size_of_page = f"source.paginator.page_size={size}"
    with served(folder, "--pace", pace) as url:
        monkeypatch.setenv(f"{folder.upper()}_URL", url)
        options = ["--date", DATE, "--json", "--set", size_of_page]
        report = bronze.well("run", pipeline, *options).json
    assert report["rows"] == rows
    if pipeline == "shopify.products":  # three queries of 502 points each
        assert report["retries"] > 0


def test_the_commands_of_the_readme(bronze: Bronze, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", bronze.folder / "examples")
    text = (ROOT / "examples/README.md").read_text()
    server, run = (line.strip() for line in text.splitlines() if line.startswith("    "))
    assert server == "python -m examples.github.server &"
    with served("github") as url:
        monkeypatch.setenv("GITHUB_URL", url)
        bronze.well(*shlex.split(run)[1:])
    [manifest] = bronze.folder.glob("examples/github/bronze/github/issues/dt=*/_metadata.json")
    assert json.loads(manifest.read_text())["row_count"] == len(github.ISSUES)


@pytest.mark.parametrize("folder", ["github", "graphql", "salesforce", "shopify", "stripe"])
def test_every_pipeline_of_an_example_is_run_here(folder: str) -> None:
    tables = tomllib.loads((ROOT / "examples" / folder / "pipelines.toml").read_text())
    names = {f"{team}.{name}" for team, each in tables["pipelines"].items() for name in each}
    assert names <= {example.pipeline for example in EXAMPLES}
    assert f"({folder}/pipelines.toml)" in (ROOT / "examples/README.md").read_text()
