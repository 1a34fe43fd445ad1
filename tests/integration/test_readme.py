"""Every command and every code block of README.md is run here.

test_operations_guide.py has those of docs/operations.md; each other guide has a test of its own.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import textwrap
import tomllib
from datetime import date, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine import Engine, load_config, open_engine
from bronze_engine.telemetry.events import Event, RunFinished
from tests.documents import (
    GUIDE,
    HTTP,
    POSTGRES,
    READING,
    README,
    ROOT,
    STORES,
    Document,
    exit_statuses,
    statuses_shown,
)
from tests.integration.azurite import Azurite, azurite
from tests.integration.cli.command import tree
from tests.integration.moto import Moto, moto
from tests.integration.postgres import Database, database, postgres
from tests.integration.walkthrough import (
    BINARIES,
    DAY,
    ORDERS,
    ROWS,
    TOKEN,
    Shell,
    demo,
    demo_url,
    shop,
    shop_url,
)

__all__ = ["azurite", "database", "demo", "demo_url", "moto", "postgres", "shop", "shop_url"]

pytestmark = pytest.mark.integration

# What the prose shows as a command. Whoever adds one runs it in a test below.
README_COMMANDS = {
    "bronze --install-completion",
    "bronze init",
    "bronze run myteam.orders --profile",
    "bronze tune myteam.orders",
    "bronze inspect https://api.example.com/v2/orders --bearer-env SHOP_TOKEN",
    "bronze demo --serve",
    "bronze demo --target s3://my-bucket/bronze",
    "bronze check myteam.orders",
    "bronze run myteam.orders --date 2025-01-15 --dry-run",
    "bronze verify myteam.orders --date 2025-01-15",
    "bronze schema > pipelines.schema.json",
    "bronze ddl",
    "bronze list",
    "bronze test-connection warehouse",
    "bronze inspect public.customers --connection warehouse",
    'bronze inspect "incoming/prices_*.csv.gz"',
    "bronze discover warehouse",
    "bronze backfill myteam.orders --from 2025-01-01 --to 2025-01-15",
    "bronze quarantine show myteam.orders --date 2025-01-15",
    "bronze history myteam.orders",
    "bronze state show myteam.orders",
    "bronze status",
    "bronze batch --retry-failed last",
    "bronze show myteam.orders --date 2025-01-15",
    "bronze diff myteam.orders --date 2025-01-14 --date 2025-01-15",
}


def test_the_first_example_lands_a_partition(demo: Shell) -> None:
    [example, _] = README.blocks("python")
    (demo.folder / "example.py").write_text(example)
    done = demo("python example.py")
    partition = demo.folder / f"bronze/demo/orders/dt={DAY}"
    assert done.stdout == f"{ROWS} rows in {partition}\n"
    assert demo.manifest("demo.orders")["row_count"] == ROWS


def test_the_command_beside_it_does_the_same(demo: Shell) -> None:
    run, batch = README.blocks("sh")[0].splitlines()
    assert "2 of 2 runs" in demo(batch).stdout
    for generation in (2, 3):  # a re-run is always safe
        demo(run)
        manifest = demo.manifest("demo.orders")
        assert (manifest["generation"], manifest["row_count"]) == (generation, ROWS)


@pytest.mark.asyncio
async def test_the_example_with_batches_hands_out_every_record(demo: Shell) -> None:
    [_, example] = README.blocks("python")
    taken = example.replace("...", "taken.append(batch)")
    assert taken != example
    source = f"async def take(engine, date, taken):\n{textwrap.indent(taken, '    ')}"
    names: dict[str, Any] = {}
    exec(compile(source, str(README.path), "exec"), names)  # noqa: S102  # it is our own document
    batches: list[pa.RecordBatch] = []
    config = load_config(demo.folder / "pipelines.toml", environ=demo.environment)
    async with open_engine(config) as engine:
        await names["take"](engine, date, batches)
    assert sum(batch.num_rows for batch in batches) == ROWS
    assert list(tree(demo.folder)) == ["pipelines.toml"]


@pytest.mark.asyncio
async def test_hooks_are_given_as_the_readme_says(demo: Shell) -> None:
    assert "open_engine(config, hooks=[hook])" in README.prose
    assert "open_engine(config, hooks=[hook])" in GUIDE.prose
    told: list[Event] = []
    config = load_config(demo.folder / "pipelines.toml", environ=demo.environment)
    engine: Engine
    async with open_engine(config, hooks=[told.append]) as engine:
        await engine.run("demo.orders", run_date=DAY)
    assert isinstance(told[-1], RunFinished)


@pytest.mark.parametrize(
    ("shown", "command"),
    [
        ("make demo", "bronze demo --records 2000"),
        ("make demo TARGET=s3", "bronze demo --records 2000 --emulator s3"),
        ("make demo TARGET=azure", "bronze demo --records 2000 --emulator azure"),
    ],
)
def test_make_demo_runs_the_demo(
    shown: str, command: str, tmp_path: Path, moto: Moto, azurite: Azurite
) -> None:
    assert shown in "".join(README.blocks("sh")).splitlines()
    recipe = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", *shown.split()[1:], "RECORDS=2000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert recipe.stdout.splitlines()[-1] == f".venv/bin/{command}"
    assert moto.url != azurite.url  # the emulators can be started here
    (tmp_path / ".azurite").symlink_to(ROOT / ".azurite")
    done = Shell(tmp_path)(command)
    assert re.search(r"^rows +2,000$", done.stdout, re.MULTILINE)
    assert re.search(r"^checksums .*: all match$", done.stdout, re.MULTILINE)


def test_the_demo_shows_what_the_readme_shows(tmp_path: Path) -> None:
    [shown] = [block for block in README.blocks("text") if block.startswith("pipeline")]
    day = re.search(r"^pipeline +demo.orders (\S+)$", shown, re.MULTILINE)
    assert day is not None
    done = Shell(tmp_path)(f"bronze demo --date {day[1]}")
    assert re.search(r"sha256 +(\w+)", done.stdout) is not None
    for label in ("rows", "pages", "bytes in", "bytes out", "checksums"):
        [line] = [line for line in shown.splitlines() if line.startswith(f"{label} ")]
        assert line in done.stdout
    labels = [line.split("  ")[0] for line in shown.split("\n\n")[0].splitlines()]
    printed = [line.split("  ")[0] for line in done.stdout.split("\n\n")[0].splitlines()]
    assert [label for label in printed if label != "warnings"] == labels


def test_the_demo_lands_in_a_store_of_ones_own(tmp_path: Path, moto: Moto) -> None:
    command = "bronze demo --target s3://my-bucket/bronze"
    assert command in README_COMMANDS
    shell = Shell(
        tmp_path,
        AWS_ENDPOINT_URL=moto.url,
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="secret-key",
    )
    bucket = moto.bucket()
    done = shell(f"{command} --records 2000".replace("my-bucket", bucket))
    assert f"partition    s3://{bucket}/bronze/demo/orders/dt=" in done.stdout
    assert list(tree(tmp_path)) == []


def test_the_store_of_the_readme_is_one(tmp_path: Path) -> None:
    [block] = README.blocks("toml", "Land in S3 or Azure")
    (tmp_path / "pipelines.toml").write_text(block)
    urls = re.findall(r"\b(?:s3|az|abfss)://[\w.@/-]+", block)
    assert len(urls) == 3
    for url in urls:
        config = load_config(
            tmp_path / "pipelines.toml",
            overrides=[f"stores.lake.url={url}"],
            environ={"AZURE_STORAGE_ACCOUNT": "account"},
        )
        assert config.store(config.engine.target).location == url


def test_every_target_of_make_that_the_documents_name_exists() -> None:
    named = {
        command.split()[1]
        for document in (README, GUIDE)
        for command in document.commands("make") | {"make demo"}
    }
    assert {"demo", "test", "lint", "bench", "bench-full", "lock"} <= named
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert named <= set(phony[1].split())


def test_a_new_user_lands_an_api_step_by_step(shop: Shell) -> None:
    checked = shop("bronze check myteam.orders").stdout
    assert checked.count("ok ") == 3
    plan = shop("bronze run myteam.orders --date 2025-01-15 --dry-run").stdout
    assert "/v2/orders?page=1&per_page=500" in plan
    assert "rate" in plan
    assert not list((shop.folder / "bronze").rglob("*.*"))
    ran = shop("bronze run myteam.orders --date 2025-01-15").stdout
    assert re.search(r"^rows +1,200$", ran, re.MULTILINE)
    assert "verdict    ok" in shop("bronze verify myteam.orders --date 2025-01-15").stdout
    logged = "".join(path.read_text() for path in shop.folder.glob("logs/*"))
    assert TOKEN not in logged + ran + plan + checked


def test_an_api_is_looked_at_before_it_is_configured(shop: Shell, shop_url: str) -> None:
    [command] = [each for each in README_COMMANDS if each.startswith("bronze inspect http")]
    (shop.folder / "pipelines.toml").unlink()
    shop.environment["SHOP_TOKEN"] = TOKEN
    printed = shop(command.replace("https://api.example.com", shop_url)).stdout
    assert 'records = "data.items"' in printed
    assert 'token = "${SHOP_TOKEN}"' in printed
    assert TOKEN not in printed


def test_a_database_lands_as_it_says(tmp_path: Path, database: Database) -> None:
    database.execute("""
        CREATE TABLE customers (id int PRIMARY KEY, name text, paid numeric(10,2));
        INSERT INTO customers SELECT n, 'name ' || n, n / 100.0 FROM generate_series(1, 500) n;
        CREATE ROLE warehouse_reader LOGIN PASSWORD 'a-canary-of-the-reader';
        GRANT SELECT ON customers TO warehouse_reader;
    """)
    server = database.server
    [own] = README.blocks("toml", "Land your database")
    for key, value, ours in (
        ("host", "db.example.com", f'"{server.host}"\nport = {server.port}'),
        ("database", "shop", f'"{database.name}"'),
        ("user", "reader", '"warehouse_reader"'),
    ):
        assert f'{key} = "{value}"' in own
        own = own.replace(f'{key} = "{value}"', f"{key} = {ours}")
    (tmp_path / "pipelines.toml").write_text(own)
    shell = Shell(tmp_path, PGPASSWORD="a-canary-of-the-reader")
    shell("bronze run myteam.customers --date 2025-01-15")
    manifest = shell.manifest("myteam.customers")
    assert manifest["row_count"] == 500
    assert "PostgreSQL" in shell("bronze test-connection warehouse").stdout
    inspected = shell("bronze inspect public.customers --connection warehouse").stdout
    assert "decimal128(10, 2)" in inspected
    found = tomllib.loads(shell("bronze discover warehouse").stdout)
    assert list(found["pipelines"]["warehouse"]) == ["customers"]


def test_files_land_as_it_says(tmp_path: Path) -> None:
    [own] = README.blocks("toml", "Land your files")
    (tmp_path / "pipelines.toml").write_text(own)
    (tmp_path / "incoming").mkdir()
    with gzip.open(tmp_path / "incoming/prices_1.csv.gz", "wt") as file:
        file.write("article,amount\n00501,1.10\n00502,99999999999999.99\n")
    shell = Shell(tmp_path)
    shell("bronze run myteam.prices --date 2025-01-15")
    [file_] = shell.manifest("myteam.prices")["files"]
    table = pq.read_table(tmp_path / f"bronze/myteam/prices/dt={DAY}/{file_['name']}")
    assert table["article"].to_pylist() == ["00501", "00502"]
    assert table["amount"].to_pylist() == [Decimal("1.10"), Decimal("99999999999999.99")]
    drafted = shell('bronze inspect "incoming/prices_*.csv.gz" --toml').stdout
    assert tomllib.loads(drafted)["pipelines"]["incoming"]["prices"]["source"]["format"] == "csv"


def test_day_after_day_as_it_says(shop: Shell) -> None:
    [block] = README.blocks("toml", "Day after day")
    own = (shop.folder / "pipelines.toml").read_text()
    merged, count = re.subn(r"^\[pipelines\.myteam\.orders\].*\n", "", own, flags=re.MULTILINE)
    assert count == 1
    (shop.folder / "pipelines.toml").write_text(merged + block)
    commands = README.commands("bronze")
    [backfill] = [each for each in commands if each.startswith("bronze backfill")]
    assert f"{len(ORDERS):,}" in shop(backfill).stdout
    days = [DAY - timedelta(days=number) for number in range(15)]
    rows = {day: shop.manifest("myteam.orders", day)["row_count"] for day in days}
    assert rows == {day: len(ORDERS) if day == date(2025, 1, 14) else 0 for day in days}
    looks = ("quarantine show", "history", "state show", "show", "diff")
    for look in looks:
        [command] = [each for each in commands if each.startswith(f"bronze {look} ")]
        assert "2025-01-15" in shop(command).stdout, command
    broken = README.text.split("expression = ")[1].split("\n")[0]
    text = (shop.folder / "pipelines.toml").read_text().replace(broken, '"amount > 0.5"')
    (shop.folder / "pipelines.toml").write_text(text)
    failed = shop("bronze run myteam.orders --date 2025-01-14", status=8)
    assert "QUAL001" in failed.stderr
    assert shop.manifest("myteam.orders", date(2025, 1, 14))["generation"] == 1


def test_a_table_is_made_as_it_says(shop: Shell) -> None:
    days, silver = README.blocks("toml", "Day after day")[0], README.blocks("toml", "A table of it")
    path = shop.folder / "pipelines.toml"
    own = re.sub(r"^\[pipelines\.myteam\.orders\].*\n", "", path.read_text(), flags=re.MULTILINE)
    path.write_text(own + days + silver[0])
    shop("bronze run myteam.orders --date 2025-01-14 --only bronze")
    made, shown = README.blocks("sh", "A table of it")[0].splitlines()
    assert re.search(rf"^rows +{len(ORDERS):,} ", shop(made).stdout, re.MULTILINE)
    assert "effective_from" in shop(shown).stdout
    assert "nothing new" in shop(made).stdout


def test_many_pipelines_run_as_it_says(shop: Shell) -> None:
    items = README.blocks("toml", "Many pipelines at once")[0]
    with (shop.folder / "pipelines.toml").open("a") as file:
        file.write(
            f"{items}[pipelines.myteam.items.source]\n"
            'type = "http"\napi = "shop"\npath = "/orders"\nrecords = "data.items"\n'
            'params = { day = "{run_date}" }\n'
        )
    daily, dates, again, late = README.blocks("sh", "Many pipelines at once")[0].splitlines()
    assert "1 of 1 runs" in shop(daily).stdout
    assert "myteam.orders" in shop(dates, status=2).stderr  # it would land today under old dates
    shop(f"{daily.replace('--tag daily', 'myteam.orders')}")
    assert "0 of 0 runs" in shop(again).stdout
    assert re.search(r"^late +0 ", shop(late).stdout, re.MULTILINE)


def test_a_run_is_profiled_and_tuned_as_it_says(shop: Shell) -> None:
    profiled = shop("bronze run myteam.orders --profile").stdout
    assert re.search(r"^decode +[0-9]", profiled, re.MULTILINE)
    # Its orders are three pages, which is too little to tune: of a few each they are more.
    small = "--set pipelines.myteam.orders.source.paginator.page_size=20"
    assert "As configured" in shop(f"bronze tune myteam.orders --max-requests 60 {small}").stdout


def test_then_only_what_is_new(shop: Shell) -> None:
    _, block = README.blocks("toml", "Land your own API")
    own = (shop.folder / "pipelines.toml").read_text()
    merged, count = re.subn(r"^\[pipelines\.myteam\.orders\].*\n", "", own, flags=re.MULTILINE)
    assert count == 1
    (shop.folder / "pipelines.toml").write_text(merged + block)
    shop("bronze run myteam.orders --date 2025-01-15")
    assert shop.manifest("myteam.orders")["row_count"] == len(ORDERS)
    high = shop.manifest("myteam.orders")["watermark"]["high"]
    assert high == ORDERS[-1]["updated_at"]
    shop("bronze run myteam.orders --date 2025-01-16")
    later = shop.manifest("myteam.orders", date(2025, 1, 16))
    assert (later["row_count"], later["watermark"]["low"]) == (0, high)


def test_init_check_and_run_go_together(tmp_path: Path, demo_url: str) -> None:
    shell = Shell(tmp_path, DEMO_URL=demo_url)
    shell("bronze init")
    assert "demo.orders" in shell("bronze list").stdout
    shell("bronze check")
    assert "$defs" in json.loads(shell("bronze schema").stdout)


def test_demo_serve_listens_where_init_expects_it(tmp_path: Path) -> None:
    command = [str(BINARIES / "bronze"), "demo", "--serve", "--port", "0", "--records", "10"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        try:
            url = json.loads(served.stdout.readline())["url"]
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        finally:
            served.terminate()
    written = files("bronze_engine.demo").joinpath("pipelines.toml").read_text()
    usage = Shell(tmp_path)("bronze demo --help").stdout
    port = re.search(r"http://127\.0\.0\.1:(\d+)", written)
    assert port is not None
    assert f"[default: {port[1]};" in " ".join(usage.split())


def test_what_lands_is_what_the_documents_list(shop: Shell) -> None:
    shop("bronze run myteam.orders --date 2025-01-15")
    landed = {path for path in tree(shop.folder / "bronze") if path.startswith("myteam/")}
    [listing] = [block for block in README.blocks("text") if block.startswith("bronze/myteam/")]
    names = [line.split()[0] for line in listing.splitlines()[1:]]
    patterns = [re.sub(r"-[0-9a-f]{12}-", "-????????????-", name) for name in names]
    prefix = f"myteam/orders/dt={DAY}/"
    assert all(any(fnmatchcase(path, prefix + one) for one in patterns) for path in landed)
    assert len(landed) == len(patterns)
    file = next(path for path in landed if path.endswith(".parquet"))
    columns = pq.read_schema(shop.folder / "bronze" / file).names
    described = re.findall(r"_\w+", listing.splitlines()[1].split(maxsplit=1)[1])
    assert columns[-len(described) :] == described


def test_the_table_of_errors_is_that_of_the_code() -> None:
    assert statuses_shown(README.section("Errors")) == exit_statuses()


def test_readme_and_guide_agree_on_what_to_retry() -> None:
    row = re.compile(r"^\| (\d+) \| `\w+` \|[^|]*\| ([^|]*) \|", re.MULTILINE)
    words = {"never": "never", "once": "once", "yes": "yes", "with": "wait", "only": "wait"}

    def verdicts(table: str) -> dict[str, str]:
        return {status: words[re.findall(r"\w+", cell)[0]] for status, cell in row.findall(table)}

    readme = verdicts(README.section("Errors"))
    assert readme == verdicts(GUIDE.section("Exit codes and what to do"))
    assert len(readme) == 8
    statuses = re.compile(r"^\| ([\d, ]+) \|", re.MULTILINE)
    shown = statuses.findall(README.section("Errors"))
    assert set(shown) <= set(statuses.findall(GUIDE.section("Exit codes and what to do")))
    assert shown[:2] == ["0", "1"]


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("bronze run myteam.nothing", 2, "there is no pipeline"),
        ("env SHOP_TOKEN=expired bronze run myteam.orders", 3, "AUTH001"),
        ("rm .env; bronze check myteam.orders", 2, "SHOP_TOKEN"),
        ("bronze run myteam.orders --set source.records=data.rows", 5, "items"),
        ("bronze run myteam.orders --set source.path=/none", 4, "EXT001"),
    ],
)
def test_troubleshooting_describes_what_is_said(
    shop: Shell, command: str, status: int, said: str
) -> None:
    done = shop(command, status=status)
    assert said in done.stderr + done.stdout


def test_every_command_of_the_prose_is_known_to_this_test() -> None:
    assert README.commands("bronze") == README_COMMANDS


def test_the_life_of_a_row_leads_through_files_that_exist() -> None:
    named = re.findall(r"`([\w/]+(?:/|\.py))`", README.section("Development"))
    assert len(named) >= 7
    package = ROOT / "src/bronze_engine"
    assert [each for each in named if not (package / each).exists()] == []


def test_every_block_of_toml_is_valid_by_itself() -> None:
    for document in (README, GUIDE, HTTP, STORES, POSTGRES):
        for block in document.blocks("toml"):
            assert tomllib.loads(block)


@pytest.mark.parametrize(
    "document",
    [README, GUIDE, HTTP, STORES, READING, POSTGRES],
    ids=lambda document: document.path.name,
)
def test_every_link_leads_somewhere(document: Document) -> None:
    assert document.links()
    for link in document.links():
        path, _, anchor = link.partition("#")
        target = document.path if not path else document.path.parent / path
        assert target.exists(), link
        if anchor:
            assert anchor in Document(str(target.resolve().relative_to(ROOT))).anchors(), link
