"""Whether engine.memory_limit holds while 50 wide pipelines all want memory at once.

Each reads pages of 250 records with 200 columns of mixed types, which makes several row groups;
as one file at a time, and in folders of 25 values (output.partition_by), which keep up to 16 files
open. All are run as one batch whose places are as many as its pipelines: memory alone decides how
many are under way. Told is the growth of the process over what it held after its imports and one
small run, by the kernel's own peak.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.harness.figures import MIB, Figures
from benchmarks.harness.measure import ROOT
from benchmarks.harness.scenario import Options, Scenario, Size
from benchmarks.harness.spread import spread
from benchmarks.harness.tables import table
from benchmarks.servers.process import serve
from benchmarks.servers.wide_api import RECORDS

__all__ = ["LIMIT_MIB", "SCENARIO", "grown"]

LIMIT_MIB: Final = 256
KINDS: Final = {"one file at a time": "", "25 folders": 'partition_by = ["country"]\n'}


class Amount(NamedTuple):
    pipelines: int
    pages: int
    """Of each pipeline."""


AMOUNTS: Final[dict[Size, Amount]] = {
    "tiny": Amount(3, 8),
    "short": Amount(10, 60),
    "full": Amount(50, 60),
}


def measure(options: Options) -> dict[str, Any]:
    amount = AMOUNTS[options.size]
    kinds: dict[str, list[dict[str, Any]]] = {name: [] for name in KINDS}
    with serve("benchmarks.servers.wide_api") as port:
        for _ in range(options.rounds):
            for name, found in kinds.items():
                found.append(grown(int(port), amount.pipelines, amount.pages, KINDS[name]))
    return {"pipelines": amount.pipelines, "records": amount.pages * RECORDS, "kinds": kinds}


def grown(
    port: int, pipelines: int, pages: int, output: str = "", *, limit_mib: int = LIMIT_MIB
) -> dict[str, Any]:
    """Run a batch of wide pipelines in a process of its own; `output` is TOML of that table."""
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
        names = [f"wide.p{number}" for number in range(pipelines)]
        text = (
            f'[engine]\nlog_dir = ""\ntarget = "{folder}/lake"\nmemory_limit = "{limit_mib}MiB"\n'
            f'[apis.wide]\nbase_url = "http://127.0.0.1:{port}"\n'
        )
        text += _pipeline("warm.up", 1, "")
        text += "".join(_pipeline(name, pages, output) for name in names)
        config = Path(folder) / "pipelines.toml"
        config.write_text(text, encoding="utf-8")
        job = {"config": str(config), "pipelines": names, "warm": "warm.up"}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.candidates.batch_memory"],
            cwd=ROOT,
            input=json.dumps(job),
            capture_output=True,
            check=False,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout)
    assert not found["failed"], found
    assert found["rows"] == pipelines * pages * RECORDS, found
    return found


def _pipeline(name: str, pages: int, output: str) -> str:
    table = f"[pipelines.{name}"
    return (
        f'{table}.source]\ntype = "http"\napi = "wide"\npath = "/wide"\n'
        f"{table}.source.params]\nlast = {pages}\n"
        f'{table}.source.paginator]\ntype = "page"\nparallel = 4\n'
        + (f"{table}.output]\n{output}" if output else "")
    )


def tell(figures: Figures) -> str:
    rows = [
        [
            name,
            str(spread([run["grown_bytes"] / MIB for run in found])),
            str(spread([run["grown_bytes"] / run["limit_bytes"] for run in found])),
            str(spread([run["rows"] / run["seconds"] for run in found])),
        ]
        for name, found in figures["kinds"].items()
    ]
    titles = ["", "growth at the peak, MiB", "of the limit", "rows/s"]
    return (
        f"{figures['pipelines']} pipelines of {figures['records']:,} records each at once,"
        f" memory_limit = {LIMIT_MIB} MiB.\n\n{table(titles, rows)}"
    )


SCENARIO: Final = Scenario("batch_memory", "Whether the memory limit holds", measure, tell)
