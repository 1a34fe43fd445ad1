"""What the scheduler of a batch costs, and what two APIs in trouble cost the others.

Many small runs over 50 local APIs, in one process of its own each time: one by one with
`Engine.run`; as a batch; and as a batch with two more APIs of as many pipelines, one that takes
requests and never answers, and one that fails for ever. The three take turns. The scheduler's own
cost is the difference of the first two in CPU of the process, a run; the delay compares the last
two by the moment at which the last run of the 50 had ended, of the same round. A round counts
only when every run of the 50 has committed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.harness.figures import MIB, Figures
from benchmarks.harness.measure import ROOT
from benchmarks.harness.scenario import Options, Scenario, Size
from benchmarks.harness.spread import Spread, spread
from benchmarks.harness.tables import table
from benchmarks.servers.process import serve

__all__ = ["SCENARIO"]

DAYS: Final = ("2025-01-01", "2025-01-02", "2025-01-03")
TROUBLES: Final = ("hang", "fail")


class Amount(NamedTuple):
    apis: int
    pipelines: int
    """Of each API."""
    days: int

    @property
    def runs(self) -> int:
        return self.apis * self.pipelines * self.days


AMOUNTS: Final[dict[Size, Amount]] = {
    "tiny": Amount(4, 2, 1),
    "short": Amount(50, 4, 3),
    "full": Amount(50, 20, 3),
}


def measure(options: Options) -> dict[str, Any]:
    amount = AMOUNTS[options.size]
    rounds: dict[str, list[dict[str, Any]]] = {"one by one": [], "batch": [], "troubled": []}
    with serve("benchmarks.servers.many_apis", str(amount.apis), *TROUBLES) as told:
        ports: list[int] = json.loads(told)
        for _ in range(options.rounds):
            for name, found in rounds.items():
                found.append(_once(name, ports, amount))
    return {"runs": amount.runs, "rounds": rounds}


def _once(name: str, ports: Sequence[int], amount: Amount) -> dict[str, Any]:
    used = ports if name == "troubled" else ports[: amount.apis]
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as folder:
        config, pipelines = _pipelines(Path(folder), used, amount)
        job = {
            "config": str(config),
            "how": "one by one" if name == "one by one" else "batch",
            "watched": "good",
            "runs": [(pipeline, day) for pipeline in pipelines for day in DAYS[: amount.days]],
        }
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.candidates.batch_runs"],
            cwd=ROOT,
            input=json.dumps(job),
            capture_output=True,
            check=False,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["committed"] == amount.runs, (name, found)
    return found


def _pipelines(folder: Path, ports: Sequence[int], amount: Amount) -> tuple[Path, list[str]]:
    """pipelines.toml, and the names in it: those of APIs in trouble are `bad`, and come first."""
    tables = [f'[engine]\nlog_dir = ""\ntarget = "{folder}/lake"\n']
    tables += [_api(number, port) for number, port in enumerate(ports)]
    tables.append(_pipeline("warm.up", 0))
    names: list[str] = []
    for number in reversed(range(len(ports))):
        team = f"{'good' if number < amount.apis else 'bad'}{number}"
        for at in range(amount.pipelines):
            names.append(f"{team}.p{at}")
            tables.append(_pipeline(names[-1], number))
    path = folder / "pipelines.toml"
    path.write_text("".join(tables), encoding="utf-8")
    return path, names


def _api(number: int, port: int) -> str:
    """One that is given up soon, so that a round has an end: others wait 30 s, and for ever."""
    return (
        f'[apis.api{number}]\nbase_url = "http://127.0.0.1:{port}"\n'
        f'[apis.api{number}.timeout]\nread = "5s"\n'
        f'[apis.api{number}.circuit_breaker]\ncooldown = "5s"\n'
    )


def _pipeline(name: str, api: int) -> str:
    return f'[pipelines.{name}.source]\ntype = "http"\napi = "api{api}"\npath = "/rows"\n'


def tell(figures: Figures) -> str:
    rounds, runs = figures["rounds"], figures["runs"]
    alone, batch, troubled = (rounds[name] for name in ("one by one", "batch", "troubled"))
    rows = [
        [name, str(_per(found, "watched_seconds", runs)), str(_per(found, "cpu_seconds", runs)),
         str(spread([each["peak_rss_bytes"] / MIB for each in found]))]
        for name, found in rounds.items()
    ]  # fmt: skip
    own = spread(
        [
            (one["cpu_seconds"] - other["cpu_seconds"]) * 1000 / runs
            for one, other in zip(batch, alone, strict=True)
        ]
    )
    wall, cpu = (
        _ratios(troubled, batch, key) for key in ("watched_seconds", "watched_cpu_seconds")
    )
    return (
        f"{runs:,} runs of 100 records each, to local disk.\n\n"
        f"{table(['', 'ms a run', 'CPU-ms a run', 'peak RSS, MiB'], rows)}\n\n"
        f"The scheduler's own cost: {own} ms of CPU a run. With two APIs in trouble the last run"
        f" of the others ended after {wall} of the time without them, and {cpu} of the CPU."
    )


def _per(found: Sequence[Figures], key: str, runs: int) -> Spread:
    return spread([each[key] * 1000 / runs for each in found])


def _ratios(found: Sequence[Figures], base: Sequence[Figures], key: str) -> Spread:
    return spread([one[key] / other[key] for one, other in zip(found, base, strict=True)])


SCENARIO: Final = Scenario("batch_scheduler", "What the scheduler of a batch costs", measure, tell)
