"""Every command and every code block of docs/operations.md is run here."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.documents import (
    GUIDE,
)
from tests.integration.cli.command import tree
from tests.integration.walkthrough import (
    BINARIES,
    DAY,
    ORDERS,
    TOKEN,
    Shell,
    shop,
    shop_url,
)

__all__ = ["shop", "shop_url"]

pytestmark = pytest.mark.integration

# What the prose shows as a command. Whoever adds one runs it in a test below.
GUIDE_COMMANDS = {
    # These two: in cli/test_command.py.
    "bronze",
    "bronze list | head",
    "bronze backfill",
    "bronze batch",
    "bronze batch --only silver",
    "bronze batch --retry-failed last",
    "bronze diff",
    "bronze diff NAME --date A --date B --data",
    "bronze gc",
    "bronze gc NAME --delete",
    "bronze diff myteam.orders --silver --data",
    "bronze diff staging/silver/myteam/orders s3://lake/silver/myteam/orders --data",
    "bronze quarantine show",
    "bronze quarantine show myteam.orders --silver",
    "bronze run",
    "bronze run myteam.orders",
    "bronze run myteam.orders --profile",
    "bronze status --max-age 26h",
    "bronze tune myteam.orders",
    "bronze check",
    "bronze check myteam.orders",
    "bronze gc --all --delete",
    "bronze gc myteam.orders",
    "bronze plan",
    "bronze plan myteam.orders --date 2025-01-15",
    "bronze replay team.orders --date 2025-01-15",
    "bronze run … --json",
    "bronze run … --set engine.target=/tmp/bronze",
    "bronze schema",
    "bronze silver",
    "bronze silver myteam.orders",
    "bronze silver myteam.orders --rebuild",
    "bronze state rebuild",
    "bronze status",
    "bronze status --json",
    "bronze test-connection lake",
    "bronze test-connection shop",
    "bronze verify",
    "bronze verify team.orders --date 2025-01-15",
}


def failing(shop: Shell) -> None:
    """Nothing listens where the API was."""
    file = shop.folder / "pipelines.toml"
    text = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:1", file.read_text())
    file.write_text(text + '\n[apis.shop.retry]\nbackoff = "1ms"\n')


def stub_sleep(shop: Shell) -> Path:
    """A `sleep` that notes what it was asked for."""
    folder = shop.folder / "stubs"
    folder.mkdir()
    (folder / "sleep").write_text(f"#!/bin/sh\necho $1 >>{folder}/slept\n")
    (folder / "sleep").chmod(0o755)
    shop.environment["PATH"] = f"{folder}{os.pathsep}{shop.environment['PATH']}"
    return folder / "slept"


def test_the_shell_example_retries_only_what_may_get_better(shop: Shell) -> None:
    script, _ = GUIDE.blocks("sh", "Exit codes and what to do")
    slept = stub_sleep(shop)
    shop.environment["DAY"] = "2025-01-15"
    shop(script)
    shop(f"DAY=yesterday\n{script}", status=2)
    assert not slept.exists()
    failing(shop)
    shop(script, status=9)
    assert slept.read_text() == "300\n"
    assert len(list(shop.folder.glob(f"bronze/_runs/myteam/orders/{DAY}/*.json"))) == 3


def test_the_example_that_counts_codes_counts_them(shop: Shell) -> None:
    _, script = GUIDE.blocks("sh", "Exit codes and what to do")
    for path in ("/none", "/none", "/orders"):
        shop(f"bronze run myteam.orders --set source.path={path}", status=4 * (path == "/none"))
    shop("bronze run myteam.nothing", status=2)
    assert [line.split() for line in shop(script).stdout.splitlines()] == [
        ["1", "CFG001"],
        ["2", "EXT001"],
    ]


def test_the_example_that_reads_a_partition_reads_what_landed(shop: Shell) -> None:
    [example] = GUIDE.blocks("python", "What lies where")
    shop("bronze run myteam.orders --date 2025-01-15")
    (shop.folder / "example.py").write_text(example + "print(orders.count_rows())\n")
    assert shop("python example.py").stdout == f"{len(ORDERS)}\n"


def test_the_line_for_cron_lands_yesterday(shop: Shell) -> None:
    [block] = GUIDE.blocks("cron")
    [line] = [line for line in block.splitlines() if not line.startswith("#")]
    *times, command = line.split(maxsplit=5)
    assert all(re.fullmatch(r"\*|\d+", each) for each in times)
    assert not re.search(r"(?<!\\)%", command)  # cron would end the command there
    (shop.folder / "env").write_text(f"export SHOP_TOKEN={TOKEN}\n")
    (shop.folder / ".env").unlink()
    (shop.folder / ".venv").mkdir()
    (shop.folder / ".venv/bin").symlink_to(BINARIES)
    before = datetime.now(UTC).date()
    shop(command.replace("/srv/bronze", str(shop.folder)).replace("\\%", "%"))
    days = [before - timedelta(days=1), datetime.now(UTC).date() - timedelta(days=1)]
    landed = [path.name for path in (shop.folder / "bronze/myteam/orders").iterdir()]
    assert len(landed) == 1
    assert landed[0] in {f"dt={day}" for day in days}
    assert "committed generation 1" in (shop.folder / "cron.log").read_text()


def test_the_task_for_airflow_fails_for_good_where_retrying_cannot_help(
    shop: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    [example] = GUIDE.blocks("python", "Airflow")
    compile(example, "airflow", "exec", ast.PyCF_ONLY_AST)

    class AirflowFailException(Exception):
        pass

    def task(**_: object) -> Any:
        return lambda function: function

    for name, value in (("exceptions", AirflowFailException), ("sdk", task)):
        module = ModuleType(f"airflow.{name}")
        setattr(module, value.__name__, value)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, "airflow", ModuleType("airflow"))
    monkeypatch.setenv("PATH", shop.environment["PATH"])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    names: dict[str, Any] = {}
    exec(example.replace("/srv/bronze", str(shop.folder)), names)  # noqa: S102  # our own document
    names["land"]("2025-01-15")
    assert shop.manifest("myteam.orders")["row_count"] == len(ORDERS)
    with pytest.raises(AirflowFailException, match="exit 2"):
        names["land"]("yesterday")
    failing(shop)
    with pytest.raises(subprocess.CalledProcessError):
        names["land"]("2025-01-15")


def test_the_cron_job_of_kubernetes_starts_what_runs_here(shop: Shell) -> None:
    yaml = importlib.import_module("yaml")
    [block] = GUIDE.blocks("yaml")
    job = yaml.safe_load(block)
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["command"] == ["sh", "-c"]
    [script] = container["args"]
    done = shop(script)
    assert all(json.loads(line)["time"] for line in done.stderr.splitlines())
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    assert pod["terminationGracePeriodSeconds"] >= 10


def test_the_layout_of_the_guide_names_all_that_lies_there(shop: Shell) -> None:
    listing = GUIDE.section("What lies where").split("\n\n")[0].strip()
    lines = [line.strip() for line in listing.splitlines() if not line.startswith(" " * 40)]
    folder = lines[0]
    shown = [re.split(r" {2,}|\.zst |\.json ", line)[0] for line in lines[1:]]
    patterns = [each if each.startswith("{") else folder + each for each in shown]
    values = {"target": "bronze", "log_dir": "logs", "system": "myteam", "entity": "orders"}

    def glob(pattern: str) -> str:
        text = pattern.replace("2025-01-15", "*").replace("g00000001", "g*")
        return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], "*"), text).rstrip("*") + "*"

    # A cursor that no record has: every one is rejected, and then they all may be.
    rejecting = "--set load=incremental --set incremental.on_null_cursor=quarantine"
    rejecting += " --set incremental.cursor=changed_at"
    shop(f"bronze run myteam.orders --date 2025-01-15 {rejecting}", status=8)
    shop(f"bronze run myteam.orders --date 2025-01-15 {rejecting} --set quality.max_bad_rows=2000")
    kept = "--set source.capture=pages --set apis.shop.rate_limit.requests_per_day=1000"
    shop(f"bronze run myteam.orders --date 2025-01-16 {kept}")
    delta = "pipelines.myteam.orders.output.table_format=delta"
    shop(f"bronze batch myteam.orders --date 2025-01-17 --set {delta}")
    shop("bronze silver myteam.orders --set 'silver.unique_columns=[\"id\"]'")
    decided = "--watermark 2025-01-20T00:00:00Z --force --set load=incremental"
    shop(f"bronze state set myteam.orders {decided} --set incremental.cursor=changed_at")
    found = [path for path in tree(shop.folder) if path.startswith(("bronze/", "logs/"))]
    unknown = [path for path in found if not any(fnmatchcase(path, glob(p)) for p in patterns)]
    assert not unknown
    unseen = [p for p in patterns if not any(fnmatchcase(path, glob(p)) for path in found)]
    while_a_run_lasts = [".dt=2025-01-15.checkpoint", ".dt=2025-01-15.g00000002.table", "*.lease"]
    assert unseen == [f"{{target}}/_state/{{system}}/{{entity}}{end}" for end in while_a_run_lasts]


def test_lines_of_the_log_look_as_in_the_guide(shop: Shell) -> None:
    shown = [line.strip() for line in GUIDE.section("Logs").splitlines() if "metric=" in line]
    shape = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (?:DEBUG|INFO|WARNING|ERROR) \S")
    assert all(shape.match(line) for line in shown)
    failing(shop)
    # Failures within 100 ms of each other count as one.
    spaced = (
        "--set apis.shop.circuit_breaker.failures=1 --set apis.shop.circuit_breaker.cooldown=1ms"
    )
    done = shop(f"bronze run myteam.orders --date 2025-01-15 -v {spaced}", status=9)
    lines = done.stderr.splitlines()
    assert all(shape.match(line) for line in lines if not line.startswith("  | "))

    def fields(line: str) -> list[str]:
        return re.findall(r"(\w+)=", line)

    for metric in ("rate_limit", "breaker_state"):
        [example] = [line for line in shown if f"metric={metric}" in line]
        real = next(line for line in lines if f"metric={metric}" in line)
        assert fields(real) == fields(example)
    retried = re.compile(r"WARNING GET http\S+: .+; attempt 1 of 5, the next in \d\.\d\d s$")
    spent = re.compile(r"ERROR RETRY001 GET http\S+ failed 5 times, at last with: .")
    for wanted in (retried, spent):
        assert any(wanted.search(line) for line in lines), wanted
        assert any(wanted.search(line) for line in GUIDE.section("Logs").splitlines()), wanted


def test_a_line_of_the_json_log_has_the_fields_of_the_guide(shop: Shell) -> None:
    done = shop("bronze run myteam.nothing --json-log", status=2)
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    named = re.search(r"one JSON object a line with ([^.]+) and the\nfields", GUIDE.text)
    assert named is not None
    assert set(re.findall(r"`(\w+)`", named[1])) <= set(line)


def test_old_logs_are_removed_by_the_line_of_the_guide(tmp_path: Path) -> None:
    [command] = GUIDE.commands("find")
    old, new = tmp_path / "logs/bronze-2024-01-01.log", tmp_path / "logs/bronze-2025-01-15.log"
    old.parent.mkdir()
    for file in (old, new):
        file.touch()
    long_ago = time.time() - 40 * 86400
    os.utime(old, (long_ago, long_ago))
    Shell(tmp_path)(command)
    assert [old.exists(), new.exists()] == [False, True]


def test_pipelines_are_tried_out_as_the_guide_says(shop: Shell) -> None:
    shop("bronze check")
    before = {path for path in tree(shop.folder) if not path.startswith("logs/")}
    shop("bronze plan myteam.orders --date 2025-01-15")
    elsewhere = shop.folder / "elsewhere"
    printed = shop(f"bronze run myteam.orders --json --set engine.target={elsewhere}").stdout
    report = json.loads(printed)
    assert report["partition"].startswith(str(elsewhere))
    monitoring = GUIDE.section("Monitoring").split("2. **The run report**")[1].split("3. **")[0]
    assert set(re.findall(r"`([a-z_]+)`", monitoring)) <= set(report)
    kept = {path for path in tree(shop.folder) if not path.startswith(("logs/", "elsewhere/"))}
    assert kept == before


def test_a_partition_is_decoded_again_as_the_guide_says(shop: Shell) -> None:
    [command] = [each for each in GUIDE_COMMANDS if each.startswith("bronze replay")]
    command = command.replace("team.orders", "myteam.orders")
    shop("bronze run myteam.orders --date 2025-01-15")
    assert "STATE001" in shop(command, status=7).stderr
    shop("bronze run myteam.orders --date 2025-01-15 --set source.capture=pages")
    failing(shop)
    shop(command)
    manifest = shop.manifest("myteam.orders")
    assert (manifest["generation"], manifest["row_count"]) == (3, len(ORDERS))


def test_a_table_is_made_and_made_good_as_the_guide_says(shop: Shell) -> None:
    with (shop.folder / "pipelines.toml").open("a") as file:
        file.write('\n[pipelines.myteam.orders.silver]\nunique_columns = ["id"]\n')
    silver, batch, status, kept = (
        "bronze silver myteam.orders",
        "bronze batch --only silver",
        "bronze status --json",
        "bronze quarantine show myteam.orders --silver",
    )
    assert {silver, batch, status, kept} <= GUIDE_COMMANDS
    broken = "--set 'silver.order_by=[\"nope\"]'"
    failed = shop(f"bronze run myteam.orders --date 2025-01-15 {broken}", status=8)
    assert f"`{silver}` goes on from there" in failed.stderr
    assert json.loads(shop(status).stdout)[0]["silver"]["code"] == "QUAL001"
    shop(silver)
    shop(batch)
    both = json.loads(shop("bronze run myteam.orders --date 2025-01-15 --json").stdout)
    assert [both[layer]["layer"] for layer in ("bronze", "silver")] == ["bronze", "silver"]
    assert both["silver"]["rows"] == len(ORDERS)
    assert json.loads(shop(status).stdout)[0]["silver"]["pending"] == 0
    shop(kept)
    (diff,) = (each for each in GUIDE_COMMANDS if each.startswith("bronze diff myteam"))
    assert shop(diff).stdout.endswith("no difference\n")
    (pair,) = (each for each in GUIDE_COMMANDS if each.startswith("bronze diff staging"))
    shutil.copytree(shop.folder / "bronze", shop.folder / "staging")
    assert shop(pair.replace("s3://lake", "bronze")).stdout.endswith("no difference\n")


def test_state_that_is_gone_is_made_anew(shop: Shell) -> None:
    shop("bronze run myteam.orders --date 2025-01-15")
    hint = shop.folder / "bronze/_state/myteam/orders.json"
    before = hint.read_text()
    shutil.rmtree(shop.folder / "bronze/_state")
    [command] = [each for each in GUIDE_COMMANDS if each.startswith("bronze state")]
    shop(f"{command} myteam.orders")
    assert hint.read_text() == before


def test_garbage_is_listed_and_removed_as_the_guide_says(shop: Shell) -> None:
    shop("bronze run myteam.orders --date 2025-01-15")
    partition = shop.folder / f"bronze/myteam/orders/dt={DAY}"
    orphan = partition / "part-g00000002-dead-00000-00000.parquet"
    orphan.write_bytes(b"x")
    notes = partition / "notes.txt"
    notes.write_bytes(b"x")
    listed = shop("bronze gc myteam.orders").stdout
    assert orphan.name in listed
    assert orphan.exists()
    removed = shop("bronze gc --all --delete").stdout
    assert re.search(r"^fenced .*: generation 2", removed, re.MULTILINE)
    assert re.search(r"^not ours .*notes\.txt$", removed, re.MULTILINE)
    assert not orphan.exists()
    assert notes.exists()
    verified = shop(f"bronze verify {partition} --json").stdout
    assert json.loads(verified)["rows"] == len(ORDERS)


def test_connections_are_tried_out_as_the_guide_says(shop: Shell) -> None:
    with (shop.folder / "pipelines.toml").open("a") as file:
        file.write('\n[stores.lake]\ntype = "local"\npath = "lake"\n')
    done = shop("bronze test-connection lake").stdout
    assert re.search(r"^ok +delete", done, re.MULTILINE)
    assert not tree(shop.folder / "lake")
    done = shop("bronze test-connection shop").stdout
    assert "--path" in done
    assert TOKEN not in done


def test_every_command_of_the_prose_is_known_to_this_test() -> None:
    assert GUIDE.commands("bronze") == GUIDE_COMMANDS
