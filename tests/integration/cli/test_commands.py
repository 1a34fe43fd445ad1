"""Every command as a user gives it: the result on stdout, the log on stderr, exit status 0."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bronze_engine.config.loading.describe import json_schema
from bronze_engine.version import __version__
from tests.integration.cli.command import (
    DATE,
    PARTITION,
    PIPELINE,
    Bronze,
    hidden,
    in_background,
    paged,
    shop,
    tree,
    url_of,
)
from tests.integration.cli.conftest import RECORDS
from tests.integration.http_server import Seen, answer

pytestmark = pytest.mark.integration

RUN = ("run", PIPELINE, "--date", DATE)
ROOT_FILE = Path(__file__).parents[3] / "pipelines.toml"


def files_of(manifest: dict[str, Any]) -> set[str]:
    return {file["name"] for file in manifest["files"]}


def test_init_writes_a_file_that_runs(
    bronze: Bronze, demo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_URL", demo_url)
    ran = bronze.well("init")
    assert "pipelines.toml is written" in ran.out
    assert ran.err == ""
    bronze.well("check")
    orders = bronze.well("run", "demo.orders", "--json").json
    changes = bronze.well("run", "demo.changes", "--json").json
    for report in (orders, *changes.values()):
        assert (report["status"], report["rows"]) == ("committed", RECORDS)
    # Everything came with the first run of the incremental one, and it says so by itself.
    assert bronze.well("run", "demo.changes", "--json").json["bronze"]["watermark"]["low"] is None
    refused = bronze("init")
    assert refused.status == 2
    assert refused.errors[0].startswith("CFG001 pipelines.toml exists;")
    bronze.well("init", "--force")


def test_a_second_run_is_generation_2_and_reaps_the_first(bronze: Bronze) -> None:
    shop(bronze.folder)
    generations = []
    with in_background(paged([{"id": 1}], [{"id": 2}, {"id": 3}])) as server:
        for _ in range(2):
            report = bronze.well(*RUN, "--json", *url_of(server)).json
            generations.append(report["generation"])
            manifest = json.loads((bronze.folder / PARTITION / "_metadata.json").read_bytes())
            assert manifest["run"] == report["run"]
            named = {"_metadata.json", "_checksums.json", *files_of(manifest)}
            assert tree(bronze.folder / PARTITION).keys() == named
    assert generations == [1, 2]
    assert hidden(bronze.folder / "lake") == []
    table = pq.read_table(bronze.folder / PARTITION / files_of(manifest).pop(), partitioning=None)
    assert table.column("id").to_pylist() == [1, 2, 3]
    reports = list((bronze.folder / f"lake/_runs/team/orders/{DATE}").iterdir())
    assert len(reports) == 2


def test_json_is_the_report_of_a_failed_run_too(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(paged([1])) as server:
        ran = bronze(*RUN, "--json", *url_of(server))
    assert ran.status == 8
    (path,) = (bronze.folder / f"lake/_runs/team/orders/{DATE}").glob("*.json")
    assert ran.json == json.loads(path.read_bytes())
    assert (ran.json["status"], ran.json["error_code"]) == ("failed", "QUAL001")
    assert bronze("run", "team.no_such", "--json").out == ""


def test_run_prints_its_summary_and_logs_elsewhere(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(paged([{"id": 1}])) as server:
        ran = bronze.well(*RUN, "--log-file", "whole.log", *url_of(server))
    summary = dict(line.split(maxsplit=1) for line in ran.out.splitlines())
    assert summary["rows"] == "1"
    assert summary["committed"].startswith("generation 1, run ")
    assert "committed generation 1 with 1 rows" in ran.err
    told = [line.split(" ", 2)[2] for line in ran.err.splitlines()]  # without its time
    for kept in (bronze.log(), (bronze.folder / "whole.log").read_text()):
        assert [line.split(" ", 2)[2] for line in kept.splitlines()] == told
    assert " INFO " not in ran.out


def test_json_log_is_one_object_a_line_on_every_path(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(paged([{"id": 1}])) as server:
        ran = bronze.well(*RUN, "--json-log", "-v", "--json", *url_of(server))
    assert ran.json["rows"] == 1
    lines = [json.loads(line) for line in ran.err.splitlines()]
    assert {"INFO", "DEBUG"} <= {line["level"] for line in lines}
    (metric,) = (line for line in lines if line.get("metric") == "run")
    assert (metric["pipeline"], metric["status"], metric["rows"]) == (PIPELINE, "committed", 1)
    kept = [json.loads(line) for line in bronze.log().splitlines()]
    assert [line["message"] for line in kept] == [line["message"] for line in lines]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("command", ["plan", "run --dry-run"])
def test_a_plan_asks_nothing_and_writes_nothing(
    command: str, as_json: bool, bronze: Bronze
) -> None:
    shop(
        bronze.folder,
        '[pipelines.team.orders.source.params]\nkey = "canary-key"\n'
        "[apis.shop.rate_limit]\nrps = 7\n"
        '[pipelines.team.orders.incremental]\ncursor = "at"\nstart_param = "since"\n'
        "initial = 2020-02-02\n",
    )
    before = tree(bronze.folder)
    name, *options = command.split()
    with in_background(paged([{"id": 1}])) as server:
        ran = bronze.well(
            *(name, PIPELINE, *options, "--date", DATE, *url_of(server)),
            *("--set", "load=incremental", "--set", "source.path=/x/{run_date}"),
            *(["--json"] if as_json else []),
        )
        assert server.connections == 0
        url = server.url
    assert tree(bronze.folder) == before
    assert {path.name for path in bronze.folder.iterdir()} == {"pipelines.toml"}
    text = json.dumps(ran.json) if as_json else ran.out
    assert f"GET {url}/x/{DATE}?key=***&since=2020-02-02T00%3A00%3A00Z&page=1" in text
    assert "canary" not in text + ran.err
    assert f"{bronze.folder}/{PARTITION}" in text
    assert "part-g00000001-{run}-00000-00000.parquet" in text
    assert "all pages" in text
    assert "2020-02-02" in text
    assert "7" in (ran.json["limits"]["rate"] if as_json else text)


def test_set_changes_what_is_done(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(paged([{"id": n} for n in range(10)])) as server:
        bronze.well(
            *RUN,
            *url_of(server),
            *("--set", "output.compression=snappy", "--set", "output.max_rows_per_file=4"),
            *("--set", "output.row_group_rows=4", "--set", 'engine.log_dir=""'),
        )
    files = sorted((bronze.folder / PARTITION).glob("*.parquet"))
    assert len(files) == 3
    assert pq.ParquetFile(files[0]).metadata.row_group(0).column(0).compression == "SNAPPY"
    assert not (bronze.folder / "logs").exists()


def test_full_refresh_reads_from_the_beginning(bronze: Bronze) -> None:
    shop(
        bronze.folder,
        '[pipelines.team.orders.incremental]\ncursor = "n"\ncursor_type = "integer"\n'
        'start_param = "since"\n',
    )
    asked: list[str | None] = []

    async def handle(seen: Seen, _: object) -> bytes:
        asked.append(seen.query.get("since"))
        low = int(seen.query.get("since", 0))
        return answer([{"n": n} for n in (5, 6) if n > low] if seen.query["page"] == "1" else [])

    settings = ("--set", "load=incremental")
    with in_background(handle) as server:
        options = (*url_of(server), *settings, "--json")
        first = bronze.well("run", PIPELINE, "--date", "2025-01-14", *options).json
        second = bronze.well("run", PIPELINE, "--date", DATE, *options).json
        assert (first["rows"], second["rows"]) == (2, 0)
        assert (second["watermark"]["low"], second["watermark"]["high"]) == ("6", "6")
        again = bronze.well("run", PIPELINE, "--date", DATE, "--full-refresh", *options).json
    assert (again["rows"], again["watermark"]["low"]) == (2, None)
    assert asked[0] is None
    assert "6" in asked
    assert asked[-1] is None


def test_adopt_takes_over_what_another_pipeline_landed(bronze: Bronze) -> None:
    shop(bronze.folder)
    text = (bronze.folder / "pipelines.toml").read_text()
    other_text = text.replace(
        "[pipelines.team.orders]", '[pipelines.team.orders]\nentity = "orders"'
    )
    (bronze.folder / "other.toml").write_text(other_text.replace("team.orders", "team.other"))
    with in_background(paged([{"id": 1}])) as server:
        bronze.well(*RUN, *url_of(server))
        other = ("run", "team.other", "-c", "other.toml", "--date", DATE, *url_of(server))
        refused = bronze(*other)
        assert refused.status == 7
        assert refused.errors[0].startswith("STATE001 ")
        assert "--adopt" in refused.errors[0]
        assert bronze.well(*other, "--adopt", "--json").json["generation"] == 2


def test_list_shows_pipelines_by_tag(bronze: Bronze) -> None:
    shop(bronze.folder, '[pipelines.team.other]\nextends = "team.orders"\ntags = ["slow"]\n')
    shown = bronze.well("list").out.splitlines()
    assert [line.split()[0] for line in shown] == ["name", "team.orders", "team.other"]
    tagged = bronze.well("list", "--tag", "slow", "--json")
    assert [(each["name"], each["tags"]) for each in tagged.json] == [("team.other", ["slow"])]
    assert bronze.well("list", "--tag", "none", "--json").json == []
    either = bronze.well("list", "--tag", "none", "--tag", "slow", "--json").json
    assert [each["name"] for each in either] == ["team.other"]


def test_a_pipeline_that_can_not_be_resolved_hides_no_other(bronze: Bronze) -> None:
    shop(bronze.folder, '[pipelines.team.two]\nextends = "team.orders"\ntarget = "${NOWHERE}"\n')
    ran = bronze.well("list", "--json")
    assert [each["name"] for each in ran.json] == ["team.orders", "team.two"]
    assert [each["load"] for each in ran.json] == ["full", None]
    assert ran.json[0]["error"] is None
    assert ran.json[1]["error"].startswith("pipelines.toml: pipelines.team.two.target")
    assert f" WARNING CFG001 {ran.json[1]['error']}" in ran.err
    assert "team.two     ?     ?" in bronze.well("list").out
    assert bronze.well("list", "--tag", "other", "--json").json == []
    bronze.well("plan", PIPELINE)
    both = bronze("check", *url_of("http://127.0.0.1:1"))
    assert both.status == 4
    assert "FAIL  team.two  configuration: CFG001 " in both.out


def test_version_and_help_name_what_there_is(bronze: Bronze) -> None:
    assert bronze.well("--version").out == f"bronze-engine {__version__}\n"
    shown = bronze.well("--help").out
    for command in ("run", "plan", "list", "check", "verify", "schema", "init", "demo"):
        assert f"  {command} " in shown
        assert "Usage: " in bronze.well(command, "--help").out
    # A line for each command that says it whole.
    for of in ((), ("state",), ("quarantine",)):
        assert "..." not in bronze.well(*of, "--help").out.partition("Commands:")[2]


def test_schema_is_the_json_schema_of_the_file(bronze: Bronze) -> None:
    ran = bronze.well("schema")
    assert ran.json == json_schema()
    assert ran.err == ""


def test_every_pipeline_of_the_root_file_runs(
    bronze: Bronze, demo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_URL", demo_url)
    (bronze.folder / "pipelines.toml").write_text(ROOT_FILE.read_text())
    names = [each["name"] for each in bronze.well("list", "--json").json]
    teams = tomllib.loads(ROOT_FILE.read_text())["pipelines"]
    assert len(names) == len(teams["demo"]) + 1
    found = bronze.well("check", "--json").json
    assert {each["pipeline"] for each in found if each["ok"]} == set(names)
    for name in names:
        report = bronze.well("run", name, "--json").json
        rows = max(1, RECORDS // 40) if name == "demo.customers" else RECORDS
        assert (name, report["rows"]) == (name, rows)
        day = report["run_date"]
        assert bronze.well("verify", name, "--date", day, "--json").json["rows"] == rows
    assert (bronze.folder / "bronze-scratch/demo/customers").is_dir()


def test_demo_lands_verifies_and_shows(bronze: Bronze) -> None:
    ran = bronze.well("demo", "--records", "1200", "--fault-rate", "0")
    assert "rows         1,200" in ran.out
    assert "all match" in ran.out
    assert "_source_entity" in ran.out
    assert (bronze.folder / "bronze/demo/orders").is_dir()
    as_json = bronze.well("demo", "--records", "10", "--fault-rate", "0", "--json", "-v").json
    assert (as_json["run"]["rows"], as_json["run"]["generation"]) == (10, 2)
    assert as_json["verify"]["faults"] == []


def test_demo_serves_nothing_on_a_port_that_is_taken(bronze: Bronze, demo_url: str) -> None:
    port = demo_url.rpartition(":")[2]
    ran = bronze("demo", "--serve", "--port", port, "--records", "1")
    assert ran.status == 2
    assert ran.errors[0].startswith(f"CFG001 port {port} can't be listened on")


@pytest.mark.parametrize("by", ["name", "path"])
@pytest.mark.parametrize("damage", ["none", "flipped", "truncated", "missing"])
def test_verify_finds_damage(damage: str, by: str, bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(paged([{"id": 1}])) as server:
        bronze.well(*RUN, *url_of(server))
    (file,) = (bronze.folder / PARTITION).glob("*.parquet")
    body = bytearray(file.read_bytes())
    match damage:
        case "flipped":
            body[len(body) // 2] ^= 1
            file.write_bytes(body)
        case "truncated":
            file.write_bytes(body[:-1])
        case "missing":
            file.unlink()
    what = (PARTITION,) if by == "path" else (PIPELINE, "--date", DATE)
    ran = bronze("verify", *what, "--json")
    faults = {fault["path"]: fault["fault"] for fault in ran.json["faults"]}
    if damage == "none":
        assert (ran.status, faults) == (0, {})
        return
    assert ran.status == 6
    assert ran.errors[0].startswith("STG001 ")
    told = {"flipped": "sha256 ", "truncated": f"{len(body) - 1} bytes", "missing": "missing"}
    assert list(faults) == [file.name]
    assert faults[file.name].startswith(told[damage])
    assert file.name in bronze("verify", *what).out


def test_verify_of_nothing_says_so(bronze: Bronze) -> None:
    shop(bronze.folder)
    for what in ((PIPELINE, "--date", DATE), (PARTITION,)):
        ran = bronze("verify", *what)
        assert ran.status == 7
        assert f"{bronze.folder}/lake/" in ran.errors[0]
        assert "nothing was committed there" in ran.errors[0]
        assert "`bronze status` shows" in ran.errors[0]


CHECKS: dict[str, tuple[int, str, str, tuple[str, ...]]] = {
    "bad configuration": (2, "configuration", "CFG001", ("source.pth=/x",)),
    "no place to write": (6, "store", "STG001", ("engine.target=pipelines.toml/lake",)),
    "refused source": (4, "source", "EXT001", ("apis.shop.base_url=http://127.0.0.1:1",)),
    "wrong token": (3, "source", "AUTH001", ('apis.shop.auth={type="bearer", token="wrong-1"}',)),
}


@pytest.mark.parametrize("fault", CHECKS)
def test_check_says_what_to_mend(fault: str, bronze: Bronze) -> None:
    status, subject, code, settings = CHECKS[fault]
    shop(bronze.folder)

    async def handle(seen: Seen, _: object) -> bytes:
        wrong = seen.headers.get("authorization") == "Bearer wrong-1"
        return answer({} if wrong else [{"id": 1}], status=401 if wrong else 200)

    with in_background(handle) as server:
        well = bronze("check", *url_of(server))
        assert well.status == 0
        assert "FAIL" not in well.out
        options = [part for setting in settings for part in ("--set", setting)]
        ran = bronze("check", PIPELINE, *url_of(server), *options)
        as_json = bronze("check", PIPELINE, "--json", *url_of(server), *options)
    assert (ran.status, as_json.status) == (status, status)
    assert f"FAIL  {PIPELINE}  {subject}: {code} " in ran.out
    failed = [each for each in as_json.json if not each["ok"]]
    assert [each["subject"] for each in failed] == [subject]


@pytest.mark.parametrize("table", ["output", "silver.output"])
def test_check_finds_that_the_extra_of_a_table_format_is_missing(
    table: str, bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("bronze_engine.tables.delta")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "deltalake", None)
    shop(
        bronze.folder,
        f'[pipelines.team.orders.{table}]\ntable_format = "delta"\n',
        keys='primary_key = ["id"]',
    )
    with in_background(paged([{"id": 1}])) as server:
        ran = bronze("check", *url_of(server))
    assert ran.status == 2
    assert f'FAIL  {PIPELINE}  store: CFG001 table_format = "delta" needs an extra: pip' in ran.out


def test_faults_of_a_pipeline_stand_below_each_other_in_the_table_of_a_batch(
    bronze: Bronze,
) -> None:
    shop(bronze.folder, '[pipelines.team.orders.schema]\nraw = 3\nnested = "no"\n')
    lines = bronze("batch").out.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith(PIPELINE))
    begin = lines[first].index("pipelines.toml: 2 faults")
    assert lines[first].endswith("pipelines.toml: 2 faults")
    below = sorted(line[begin:].split(":")[0] for line in lines[first + 1 : first + 3])
    assert below == [f"  - pipelines.{PIPELINE}.schema.{key}" for key in ("nested", "raw")]
