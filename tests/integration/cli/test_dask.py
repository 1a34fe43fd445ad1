"""`bronze batch --on dask://` over a real cluster on loopback: deaths, signals, secrets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import pytest
from distributed import LocalCluster

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.version import __version__
from tests.integration.cli.command import Bronze, hidden, in_background, start
from tests.integration.http_server import Seen, Server, answer

pytestmark = [pytest.mark.integration, pytest.mark.slow]

DATE = "2025-01-15"
SECRET = "hunter2-of-the-workers"
NAMES = [f"shop.t{number}" for number in range(8)]
ROWS = 40

TABLES = """\
[engine]
target = "${LAKE:-lake}"
max_pipelines = 2

[apis.shop]
base_url = "http://127.0.0.1:1"
proxy = "none"
headers = { X-Key = "${SHOP_KEY}", X-Process = "${file:/proc/self/stat}" }

[apis.shop.retry]
attempts = 1

[defaults.source]
type = "http"
api = "shop"
paginator = { type = "page", page_size = 10, size_param = "size" }
"""


@final
class Shop:
    """Serves each path in four pages of ten, none of them quickly, to who has the key."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.kill_at = 0
        """The request whose worker is killed."""
        self.deadly = ""
        """Whoever asks for this is killed."""
        self.killed: list[int] = []
        self.is_hanging = False
        self.server: Server | None = None

    async def handle(self, seen: Seen, _: object) -> bytes:
        if seen.headers.get("x-key") != SECRET:
            return answer(status=401, body=b"no")
        self.asked[seen.path] += 1
        if self.is_hanging:
            await asyncio.Event().wait()
        if self.asked.total() == self.kill_at or seen.path == self.deadly:
            self.killed.append(int(seen.headers["x-process"].split()[0]))
            os.kill(self.killed[-1], signal.SIGKILL)
        await SYSTEM_CLOCK.sleep(0.05)
        page = int(seen.query["page"])
        rows = range((page - 1) * 10, page * 10) if page <= ROWS // 10 else ()
        return answer([{"id": row} for row in rows])

    @property
    def url(self) -> list[str]:
        assert self.server is not None
        return ["--set", f"apis.shop.base_url={self.server.url}"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        local_directory=str(tmp_path_factory.mktemp("dask")),
        env={"SHOP_KEY": SECRET},
    ) as cluster:
        yield cluster


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    text = TABLES.replace("${LAKE:-lake}", str(tmp_path / "lake"))
    for name in NAMES:
        text += f'[pipelines.{name}]\nsource = {{ path = "/{name}/{{run_date}}" }}\n'
    (tmp_path / "pipelines.toml").write_text(text)
    shop = Shop()
    with in_background(shop.handle) as shop.server:
        yield shop


def on(cluster: LocalCluster) -> list[str]:
    """The command, once both workers are there: one that was killed is started anew."""
    until(lambda: len(cluster.scheduler_info["workers"]) == 2)
    address = cluster.scheduler_address.replace("tcp", "dask")
    return ["batch", "--date", DATE, "--json", "--on", address]


@contextmanager
def begun(arguments: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = start(["-m", "bronze_engine", *arguments], folder)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def manifests(folder: Path) -> dict[str, Any]:
    return {
        f"shop.{path.parts[-3]}": json.loads(path.read_bytes())
        for path in folder.glob("lake/shop/*/dt=*/_metadata.json")
    }


def test_a_worker_is_killed_and_each_partition_is_committed_once(
    bronze: Bronze, shop: Shop, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "the-command-has-another")  # and the shop refuses that
    shop.kill_at = 15
    pids = {nanny.pid for nanny in cluster.workers.values()}
    ran = bronze.well(*on(cluster), *shop.url)
    assert pids.issuperset(shop.killed)
    landed = {
        name: (manifest["generation"], manifest["row_count"])
        for name, manifest in manifests(bronze.folder).items()
    }
    assert landed == dict.fromkeys(NAMES, (1, ROWS))
    assert [run["pipeline"] for run in ran.json["runs"]] == NAMES
    assert [run["rows"] for run in ran.json["runs"]] == [ROWS] * len(NAMES)
    assert "8 runs in 2 parcels for 2 threads" in ran.err
    assert "its worker was lost" in ran.err
    # A report that was being written when its process was killed may lie there; data may not.
    assert not [path for path in hidden(bronze.folder / "lake") if "part-" in path]


def test_what_kills_two_workers_kills_no_third(
    bronze: Bronze, shop: Shop, cluster: LocalCluster
) -> None:
    shop.deadly = f"/{NAMES[3]}/{DATE}"
    ran = bronze(*on(cluster), *shop.url)
    assert ran.status == 1
    assert len(set(shop.killed)) == 2
    failed = [run for run in ran.json["runs"] if run["status"] == "failed"]
    assert NAMES[3] in {run["pipeline"] for run in failed}
    assert {run["error_code"] for run in failed} == {"RETRY001"}
    assert all("2 workers have died while they ran it" in run["error"] for run in failed)
    landed = manifests(bronze.folder)
    # Of one that committed in its worker's last instant nothing may have been heard.
    assert set(landed) >= set(NAMES) - {run["pipeline"] for run in failed}
    assert NAMES[3] not in landed
    assert {manifest["generation"] for manifest in landed.values()} == {1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_command_and_the_workers(
    bronze: Bronze, shop: Shop, cluster: LocalCluster, number: signal.Signals
) -> None:
    shop.is_hanging = True
    with begun([*on(cluster), *shop.url], bronze.folder) as process:
        until(lambda: len(shop.asked) == 4)  # two workers, two runs side by side on each
        signalled_at = SYSTEM_CLOCK.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert SYSTEM_CLOCK.monotonic() - signalled_at < 5
    assert process.returncode == 128 + number, err
    assert {run["status"] for run in json.loads(out)["runs"]} == {"left"}
    # Their connections are closed and nothing of theirs is left, long before a page would come.
    until(lambda: not hidden(bronze.folder / "lake"))
    shop.is_hanging = False
    again = bronze.well("batch", "--retry-failed", "last", *on(cluster)[3:], *shop.url)
    assert {run["generation"] for run in again.json["runs"]} == {1}


def test_a_command_that_is_killed_leaves_no_worker_at_work(
    bronze: Bronze, shop: Shop, cluster: LocalCluster
) -> None:
    shop.is_hanging = True
    with begun([*on(cluster), *shop.url], bronze.folder) as process:
        until(lambda: len(shop.asked) == 4)
        assert hidden(bronze.folder / "lake")
        process.kill()
    until(lambda: not hidden(bronze.folder / "lake"))


def test_what_fails_on_a_worker_has_its_code_and_no_secret(
    bronze: Bronze, shop: Shop, cluster: LocalCluster
) -> None:
    wrong = ["--set", f"apis.shop.headers.X-Key=not-{SECRET}"]
    ran = bronze(*on(cluster), *shop.url, *wrong)
    assert ran.status == 3
    assert {run["error_code"] for run in ran.json["runs"]} == {"AUTH001"}
    assert SECRET not in ran.out


def test_another_version_on_the_workers_is_told_before_anything_runs(
    bronze: Bronze, shop: Shop, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bronze_engine.remote.dask.__version__", "99.0")
    ran = bronze(*on(cluster), *shop.url)
    assert ran.status == 2
    (message,) = ran.errors
    assert f"has bronze-engine {__version__}, and this command 99.0" in message
    assert not shop.asked


def test_a_relative_target_is_no_place_for_workers(
    bronze: Bronze, shop: Shop, cluster: LocalCluster
) -> None:
    ran = bronze(*on(cluster), *shop.url, "--set", "engine.target=lake")
    assert ran.status == 2
    assert "CFG001 pipelines.toml: 'lake' is relative to a directory" in ran.errors[0]
    assert not shop.asked


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("dask://127.0.0.1:1", "no Dask scheduler answers there"),
        ("tcp://127.0.0.1:8786", "is no cluster; write dask://host:8786"),
    ],
)
def test_where_no_scheduler_is_the_command_says_so(
    bronze: Bronze, shop: Shop, address: str, says: str
) -> None:
    ran = bronze("batch", "--date", DATE, "--on", address, *shop.url)
    assert ran.status == 2
    assert says in ran.errors[0]


def until(holds: Callable[[], bool]) -> None:
    """Wait for what other processes do, for at most a minute."""
    deadline = SYSTEM_CLOCK.monotonic() + 60
    while not holds():
        assert SYSTEM_CLOCK.monotonic() < deadline
        threading.Event().wait(0.05)
