"""`bronze batch` and `bronze status` over a real server: what fails, what is run again, signals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import final

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from tests.integration.cli.command import Bronze, Ran, hidden, in_background, start
from tests.integration.http_server import Seen, Server, answer
from tests.integration.moto import Moto

pytestmark = pytest.mark.integration

DATE = "2025-01-15"
NAMES = ("crm.people", "shop.items", "shop.orders")

TABLES = """\
[engine]
target = "lake"

[apis.shop]
base_url = "http://127.0.0.1:1"
proxy = "none"
headers = { X-Key = "${SHOP_KEY:-hunter2hunter2}" }

[apis.shop.retry]
attempts = 1

[defaults.source]
type = "http"
api = "shop"

[pipelines.shop.orders]
tags = ["hourly"]
source = { path = "/orders/{run_date}" }

[pipelines.shop.items]
after = ["orders"]
tags = ["hourly", "large"]
source = { path = "/items/{run_date}" }

[pipelines.crm.people]
source = { path = "/people" }
"""


@final
class Shop:
    """Answers each path with two rows, but for those that are broken or hang."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.hanging: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.server: Server | None = None

    async def handle(self, seen: Seen, _: object) -> bytes:
        path = seen.path.removeprefix("/")
        self.asked[path] += 1
        if any(path.startswith(each) for each in self.hanging):
            await asyncio.Event().wait()
        if any(path.startswith(each) for each in self.broken):
            return answer(status=404, body=b"no hunter2hunter2 here")
        return answer([{"id": 1}, {"id": 2}])

    @property
    def url(self) -> list[str]:
        assert self.server is not None
        return ["--set", f"apis.shop.base_url={self.server.url}"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop()
    (tmp_path / "pipelines.toml").write_text(TABLES)
    with in_background(shop.handle) as shop.server:
        yield shop


def statuses(ran: Ran) -> dict[str, str]:
    return {each["pipeline"]: each["status"] for each in ran.json["runs"]}


def test_one_of_three_fails_and_is_run_again(bronze: Bronze, shop: Shop) -> None:
    shop.broken.add("people")
    ran = bronze("batch", "--date", DATE, *shop.url)
    assert ran.status == 1
    header, line, _, *sums = ran.out.splitlines()
    assert header.split() == ["pipeline", "date", "status", "code", "message"]
    assert line.split()[:4] == ["crm.people", DATE, "failed", "EXT001"]
    pairs = dict(each.split("  ", 1) for each in sums)
    assert pairs["committed"].strip() == "2 of 3 runs, 4 rows"
    assert pairs["failed"].strip() == "1 EXT001"
    found = re.search(r"`bronze (batch --retry-failed (\S+))` runs what is missing", ran.out)
    assert found is not None

    again = bronze(*found[1].split(), *shop.url)
    assert again.status == 4  # all that it ran failed, and alike
    shop.broken.clear()
    shop.asked.clear()
    well = bronze.well("batch", "--retry-failed", "last", "--json", *shop.url)
    assert statuses(well) == {"crm.people": "committed"}
    assert well.json["retry_of"] != found[2]
    assert shop.asked == {"people": 1}
    # Both of the earlier ones have nothing left: it was committed since.
    for batch in (found[2], "last"):
        rest = bronze.well("batch", "--retry-failed", batch, "--json", *shop.url)
        assert rest.json["runs"] == []


def test_reports_and_hints_may_lie_in_an_object_store_of_their_own(
    bronze: Bronze, shop: Shop, moto: Moto
) -> None:
    toml = bronze.folder / "pipelines.toml"
    toml.write_text(
        toml.read_text().replace('target = "lake"', 'target = "./lake"\nstate = "safe"')
        + f'[stores.safe]\ntype = "s3"\nurl = "s3://{moto.bucket()}/state"\n'
        f'endpoint_url = "{moto.url}"\naddressing_style = "path"\nregion = "us-east-1"\n'
        'access_key_id = "a"\nsecret_access_key = "b"\nsingle_writer = true\n'
    )
    shop.broken.add("people")
    assert bronze("batch", "--shard", "0/1", *shop.url).status == 1
    assert not (bronze.folder / "lake/_runs").exists()
    late = bronze("status", "--max-age", "1h", "--json", *shop.url)
    assert [(each["is_late"], each["code"]) for each in late.json] == [
        (True, "EXT001"),
        (False, None),
        (False, None),
    ]
    shop.broken.clear()
    again = bronze.well("batch", "--retry-failed", "last", "--shard", "0/1", "--json", *shop.url)
    assert statuses(again) == {"crm.people": "committed"}
    assert bronze.well("status", "--max-age", "1h", *shop.url).status == 0


def test_names_narrow_what_is_run_again(bronze: Bronze, shop: Shop) -> None:
    shop.broken.update(["people", "orders"])
    assert bronze("batch", *shop.url).status == 4
    shop.broken.clear()
    first = bronze.well("batch", "--retry-failed", "last", "crm.*", "--json", *shop.url)
    assert statuses(first) == {"crm.people": "committed"}
    ran = bronze("batch", "--retry-failed", first.json["retry_of"], "--dry-run", *shop.url)
    assert ran.out.split()[2:6:2] == ["shop.items", "shop.orders"]


def test_what_comes_after_a_failure_is_skipped_and_its_secrets_are_kept(
    bronze: Bronze, shop: Shop
) -> None:
    shop.broken.add("orders")
    report = bronze.folder / "out.md"
    ran = bronze("batch", "shop.*", "--date", DATE, "--report", str(report), "--json", *shop.url)
    assert ran.status == 4
    assert statuses(ran) == {"shop.items": "skipped", "shop.orders": "failed"}
    told = report.read_text()
    assert "| shop.orders | 2025-01-15 | EXT001 |" in told
    assert "| shop.items | 2025-01-15 | skipped |" in told
    (stored,) = bronze.folder.glob("lake/_runs/_batches/*/*.json")
    for text in (told, stored.read_text(), ran.out, ran.err, bronze.log()):
        assert "hunter2" not in text
    assert hidden(bronze.folder) == []


def test_a_range_runs_every_date_and_a_report_is_json(bronze: Bronze, shop: Shop) -> None:
    report = bronze.folder / "out.json"
    bronze.well(
        *("batch", "--tag", "hourly", "--from", "2025-01-14", "--to", DATE),
        *("--report", str(report), *shop.url),
    )
    runs = json.loads(report.read_text())["runs"]
    assert {(run["pipeline"], run["run_date"], run["status"]) for run in runs} == {
        (name, day, "committed") for name in NAMES[1:] for day in ("2025-01-14", DATE)
    }
    assert runs[0]["report"]["rows"] == 2


def test_what_the_command_line_has_wrong_is_told_before_anything_is_sent(
    bronze: Bronze, shop: Shop
) -> None:
    wrong: list[tuple[list[str], str]] = [
        (["shop.order"], 'did you mean "shop.orders"?'),
        (["x.*"], 'no pipeline is named like "x.*"'),
        (["--tag", "larg"], 'did you mean "large"?'),
        (["crm.people", "--tag", "hourly"], "none of the 1 pipelines"),
        (["--from", "2025-01-14", "--to", DATE], "crm.people would land today's data"),
        (["--from", DATE], "--from and --to"),
        (["--date", DATE, "--from", DATE, "--to", DATE], "--from and --to"),
        (["--date", "x"], "is no date"),
        (["--from", "2025-01-14", "--to", "2999-01-01"], "is after today"),
        (["--max-parallel", "0"], "--max-parallel 0"),
        (["--shard", "2/2"], "the indexes are 0 to 1"),
        (["--report", "out.txt"], ".md or .json"),
        (["--report", "nowhere/out.md"], "there is no directory"),
        (["--retry-failed", "last", "--date", DATE], "leave --date and --from out"),
        (["--retry-failed", "last", "--full-refresh"], "leave --full-refresh out"),
        (["--retry-failed", "x", "--shard", "0/2"], "leave --shard out"),
        (["--retry-failed", "x"], 'no report of batch "x"; there is none yet'),
        (["--retry-failed", "last"], "none was run yet"),
    ]
    for arguments, told in wrong:
        ran = bronze("batch", *arguments, *shop.url)
        assert ran.status == 2, arguments
        assert told in ran.errors[0], arguments
        assert ran.out == ""
    assert not shop.asked
    assert not (bronze.folder / "lake").exists()


def test_a_wrong_pipeline_fails_alone(bronze: Bronze, shop: Shop) -> None:
    with (bronze.folder / "pipelines.toml").open("a") as file:
        file.write('[pipelines.crm.wrong]\nsource = { path = "/${NOT_SET}" }\n')
        file.write('[pipelines.crm.worse]\nsource = { pth = "/x" }\n')
    ran = bronze("batch", "--json", *shop.url)
    assert ran.status == 1
    failed = {
        each["pipeline"]: each["error_code"]
        for each in ran.json["runs"]
        if each["status"] != "committed"
    }
    assert failed == {"crm.wrong": "CFG001", "crm.worse": "CFG001"}
    shop.asked.clear()
    dry = bronze("batch", "--dry-run", *shop.url)
    assert dry.status == 2
    assert "would run  5 runs of 5 pipelines" in dry.out
    for told in ("NOT_SET", 'did you mean "path"?'):
        assert told in dry.errors[0] + dry.err
    assert not shop.asked
    fast = bronze("batch", "--fail-fast", "--json", *shop.url)
    assert fast.status == 2
    assert set(statuses(fast).values()) == {"failed", "left"}
    assert not shop.asked


def test_fail_fast_begins_nothing_after_a_failure(bronze: Bronze, shop: Shop) -> None:
    shop.broken.add("people")
    arguments = ["batch", "crm.people", "shop.*", "--fail-fast", "--max-parallel", "1"]
    ran = bronze(*arguments, "--json", *shop.url)
    assert ran.status == 4
    assert statuses(ran) == {
        "crm.people": "failed",
        "shop.items": "left",
        "shop.orders": "left",
    }
    shop.broken.clear()
    rest = bronze.well("batch", "--retry-failed", "last", "--json", *shop.url)
    assert set(statuses(rest).values()) == {"committed"}
    assert len(rest.json["runs"]) == 3


def test_shards_share_the_pipelines_and_have_each_their_last_batch(
    bronze: Bronze, shop: Shop
) -> None:
    found: list[str] = []
    for index in range(3):
        ran = bronze.well("batch", "--shard", f"{index}/3", "--json", *shop.url)
        assert ran.json["shard"] == f"{index}/3"
        found += statuses(ran)
    assert sorted(found) == sorted(NAMES)
    assert shop.asked.total() == 3
    shop.broken.update(["people", "orders"])
    ended = {bronze("batch", "--shard", f"{index}/2", *shop.url).status for index in range(2)}
    assert ended == {4}
    shop.broken.clear()
    again = [
        bronze.well("batch", "--retry-failed", "last", "--shard", f"{index}/2", "--json", *shop.url)
        for index in range(2)
    ]
    assert sorted(name for ran in again for name in statuses(ran)) == sorted(NAMES)


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return start(["-m", "bronze_engine", "batch", "--date", DATE, *arguments], folder)


async def until(is_true: Callable[[], bool]) -> None:
    async with SYSTEM_CLOCK.timeout(60.0):
        while not is_true():
            await SYSTEM_CLOCK.sleep(0.02)


def committed(folder: Path, name: str) -> bool:
    return (folder / f"lake/{name.replace('.', '/')}/dt={DATE}/_metadata.json").exists()


def test_what_a_killed_batch_has_left_is_run_again(bronze: Bronze, shop: Shop) -> None:
    shop.hanging.add("items")
    process = begin(bronze.folder, *shop.url)
    others = ("crm.people", "shop.orders")
    asyncio.run(
        until(
            lambda: (
                all(committed(bronze.folder, name) for name in others)
                and bool(shop.asked["items/2025-01-15"])
            )
        )
    )
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    shop.hanging.clear()
    shop.asked.clear()
    ran = bronze.well("batch", "--retry-failed", "last", "--json", *shop.url)
    assert "has no end: it was killed, or is under way still" in ran.err
    assert statuses(ran) == {"shop.items": "committed"}
    assert shop.asked == {f"items/{DATE}": 1}
    assert committed(bronze.folder, "shop.items")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_report_and_the_command_for_the_rest(
    bronze: Bronze, shop: Shop, number: signal.Signals, status: int
) -> None:
    shop.hanging.add("items")
    process = begin(bronze.folder, "--report", "out.md", *shop.url)
    asyncio.run(
        until(lambda: bool(shop.asked[f"items/{DATE}"]) and committed(bronze.folder, "crm.people"))
    )
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert re.search(rf"shop.items +{DATE} +left", out)
    assert "2 of 3 runs" in out
    found = re.search(r"`bronze (batch --retry-failed \S+)` runs what is missing", out)
    assert found is not None
    assert "## Not run" in (bronze.folder / "out.md").read_text()
    assert hidden(bronze.folder) == []
    shop.hanging.clear()
    rest = bronze.well(*found[1].split(), "--json", *shop.url)
    assert "has no end" not in rest.err
    assert statuses(rest) == {"shop.items": "committed"}


def test_status_tells_who_is_late(bronze: Bronze, shop: Shop) -> None:
    shop.broken.add("people")
    bronze("batch", *shop.url)
    before = bronze.log()
    ran = bronze.well("status", *shop.url)
    header, *lines = ran.out.splitlines()[:4]
    assert header.split("  ")[0] == "pipeline"
    assert [line.split()[0] for line in lines] == list(NAMES)
    assert re.search(r"crm.people +never +failed \d{4}-\d\d-\d\d +EXT001", lines[0])
    assert re.search(r"shop.items +\d{4}-\d\d-\d\d .* [\d.]+ s +2 +committed", lines[1])
    late = bronze("status", "--max-age", "26h", *shop.url)
    assert late.status == 1
    assert "late       1 (older than 26h, or never committed)" in late.out
    fine = bronze.well(
        "status", "shop.*", "--tag", "large", "--max-age", "26h", "--json", *shop.url
    )
    assert [(each["pipeline"], each["is_late"]) for each in fine.json] == [("shop.items", False)]
    assert bronze("status", "shop.*", "--max-age", "0s", *shop.url).status == 1
    assert bronze("status", "shop.nothing", *shop.url).status == 2
    assert bronze("status", "--max-age", "soon", *shop.url).status == 2
    assert bronze.log() == before  # what only looks leaves nothing behind
