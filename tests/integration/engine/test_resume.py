"""kill -9 of runs over many windows: one slice at the most is read again, and no byte differs."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest

from bronze_engine.model.manifest import Manifest
from bronze_engine.model.manifest_json import decode_manifest
from tests.killing import REPOSITORY, KillServer, hidden_or_empty, kill_server

from .resume_server import DAY, Command
from .window_server import PAGES, ROWS

pytestmark = pytest.mark.integration

COMMITTED, KILLED = 0, -signal.SIGKILL
WINDOWS = 100
PARTITION = f"bronze/team/orders/dt={DAY}"


class Api:
    """The server's process, asked what was asked of it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def seen(self) -> list[tuple[str, int]]:
        with urlopen(f"{self.url}/seen") as answer:  # noqa: S310
            return msgspec.json.decode(answer.read(), type=list[tuple[str, int]])


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    with kill_server("tests.integration.engine.resume_server") as server:
        yield server


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.engine.window_server"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Api(int(process.stdout.readline()))
        process.stdin.close()


def prepared(root: Path, api: Api, *, windows: int = WINDOWS, more: str = "") -> Path:
    """A folder whose configuration cuts a day into so many windows, each a slice."""
    root.mkdir()
    (root / "pipelines.toml").write_text(
        f"""
[engine]
log_dir = ""
target = "lake"
[stores.lake]
type = "local"
path = "bronze"
single_writer = true
[apis.shop]
base_url = "{api.url}"
[pipelines.team.orders]
load = "incremental"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
records = "items"
[pipelines.team.orders.source.paginator]
type = "page"
page_size = {ROWS}
total_path = "total"
[pipelines.team.orders.incremental]
cursor = "updated_at"
window = "date"
step = "{86400 // windows}s"
steps_per_slice = 1
start_param = "since"
end_param = "until"
{more}
"""
    )
    return root


def manifest_of(root: Path) -> Manifest:
    path = root / PARTITION / "_metadata.json"
    return decode_manifest(path.read_bytes(), str(path))


def hashes(root: Path) -> list[str]:
    return [file.sha256 for file in manifest_of(root).files]


def assert_whole(root: Path, reference: Path, windows: int) -> None:
    """The same files in the same order, and nothing else."""
    manifest = manifest_of(root)
    assert hashes(root) == hashes(reference)
    assert manifest.row_count == windows * PAGES * ROWS
    assert manifest.source.pages_fetched == windows * PAGES
    assert hidden_or_empty(root) == []
    names = {path.name for path in (root / PARTITION).iterdir()}
    assert names == {"_metadata.json", "_checksums.json", *manifest.names}
    assert [path.name for path in (root / "bronze/_state/team").iterdir()] == ["orders.json"]


@pytest.fixture(scope="module")
def references(
    server: KillServer, api: Api, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], Path]:
    """Makes what an uninterrupted run over so many windows lands, once."""
    folder = tmp_path_factory.mktemp("references")

    def reference(windows: int) -> Path:
        root = folder / str(windows)
        if not root.exists():
            prepared(root, api, windows=windows)
            assert server.run(Command(root=str(root))) == [COMMITTED]
            assert len(set(api.seen())) == windows * PAGES
        return root

    return reference


@pytest.mark.parametrize(
    ("windows", "kills", "seed"),
    [(10, 8, 0), *(pytest.param(WINDOWS, 20, seed, marks=pytest.mark.slow) for seed in range(5))],
)
def test_killed_at_any_point_it_reads_one_slice_again_at_the_most(
    server: KillServer,
    api: Api,
    references: Callable[[int], Path],
    tmp_path: Path,
    windows: int,
    kills: int,
    seed: int,
) -> None:
    """Together a hundred points of runs of a hundred windows and a thousand pages."""
    reference = references(windows)
    chance = random.Random(seed)
    share = windows // kills + 1
    root = prepared(tmp_path / "killed", api, windows=windows)
    read: set[str] = set()
    killed = 0
    while True:
        command = Command(root=str(root))
        if killed < kills and chance.random() < 0.5:
            command.at_page = chance.randint(1, share * PAGES)
        elif killed < kills:
            command.at_operation = chance.randint(1, share * 5)
        ended = server.run(command)
        asked = api.seen()
        again = {since for since, _ in asked} & read
        assert len(again) <= 1, "slices read again after one kill"
        assert len(asked) == len(set(asked)), "no page twice within one attempt"
        read |= {since for since, _ in asked}
        if ended == [COMMITTED]:
            break
        assert ended == [KILLED]
        killed += 1
    assert killed == kills
    assert_whole(root, reference, windows)
