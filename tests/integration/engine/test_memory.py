"""Peak memory of whole runs in the default configuration, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]

REPOSITORY = Path(__file__).parents[3]
MIB = 1024**2

RUN = """
import asyncio, json, sys
from datetime import date
from pathlib import Path
from bronze_engine import BronzeError, load_config, open_engine

def kib(field):
    return int(Path("/proc/self/status").read_text().partition(field + ":")[2].split()[0])

async def main():
    config = load_config(sys.argv[1], environ={})
    async with open_engine(config) as engine:
        if "warm" in sys.argv[2:]:  # warm up, so that only what follows counts
            await engine.run("team.warm", run_date=date(2025, 1, 15))
        before = kib("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        code, rows = "", 0
        try:
            work = engine.replay if "replay" in sys.argv[2:] else engine.run
            report = await work("team.orders", run_date=date(2025, 1, 15))
            rows = report.rows
        except BronzeError as exc:
            code = exc.code
    print(json.dumps({"rows": rows, "code": code, "peak": kib("VmHWM") * 1024,
                      "grown": (kib("VmHWM") - before) * 1024}))

asyncio.run(main())
"""

CONFIG = """
[engine]
log_dir = ""
[apis.local]
base_url = "http://127.0.0.1:{port}"
"""

PIPELINE = """
[pipelines.team.{name}.source]
type = "http"
api = "local"
path = "/orders"
records = "items"
[pipelines.team.{name}.source.params]
last = {pages}
[pipelines.team.{name}.source.paginator]
type = "page"
parallel = 8
"""

CHILDREN = """
[pipelines.team.parents.source]
type = "http"
api = "local"
path = "/small"
records = "items"
[pipelines.team.parents.source.params]
last = {pages}
[pipelines.team.parents.source.paginator]
type = "page"
[pipelines.team.orders.source]
type = "http"
api = "local"
path = "/small"
records = "items"
parent = "parents"
carry = {{ parent = "id" }}
[pipelines.team.orders.source.params]
page = "{{parent.id}}"
last = 10_000_000_000
[pipelines.team.orders.output]
row_group_rows = 2000
"""

BOMB = """
[pipelines.team.orders.source]
type = "http"
api = "local"
path = "/bomb"
records = "items"
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.engine.page_server"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()


def measured(folder: Path, port: int, text: str, *arguments: str) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    config = folder / "pipelines.toml"
    config.write_text(CONFIG.format(port=port) + text)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(config), *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(300)
def test_peak_memory_does_not_follow_the_number_of_pages(tmp_path: Path, port: int) -> None:
    peaks = {}
    for pages in (250, 2000):
        text = PIPELINE.format(name="orders", pages=pages)
        found = measured(tmp_path / str(pages), port, text)
        assert found["rows"] == pages * 1000
        peaks[pages] = found["peak"]
    assert peaks[2000] <= 1.2 * peaks[250], peaks
    assert peaks[2000] <= 350_000_000, peaks


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("path", "records", "counts"), [("/small", 10, (1000, 10_000)), ("/orders", 1000, (100, 800))]
)
def test_captured_pages_do_not_stay_in_memory(
    tmp_path: Path, port: int, path: str, records: int, counts: tuple[int, int]
) -> None:
    peaks: dict[tuple[str, int], int] = {}
    for pages in counts:
        text = PIPELINE.format(name="orders", pages=pages)
        text = text.replace('path = "/orders"', f'path = "{path}"\ncapture = "pages"')
        for what in ("run", "replay"):
            found = measured(tmp_path / str(pages), port, text, what)
            assert found["rows"] == pages * records, found
            peaks[what, pages] = found["peak"]
    few, many = counts
    for what in ("run", "replay"):
        assert peaks[what, many] <= 1.25 * peaks[what, few] + 16 * MIB, peaks


@pytest.mark.timeout(300)
def test_peak_memory_does_not_follow_the_number_of_children(tmp_path: Path, port: int) -> None:
    peaks = {}
    for pages in (200, 1600):  # of ten parents each, with ten records each
        found = measured(tmp_path / str(pages), port, CHILDREN.format(pages=pages))
        assert found["rows"] == pages * 10 * 10
        peaks[pages] = found["peak"]
    assert peaks[1600] <= 1.15 * peaks[200], peaks


def test_a_gzip_bomb_grows_the_process_by_less_than_64_mib(tmp_path: Path, port: int) -> None:
    text = PIPELINE.format(name="warm", pages=3) + BOMB
    found = measured(tmp_path, port, text, "warm")
    assert found["code"] == "EXT001"
    assert found["grown"] < 64 * MIB
