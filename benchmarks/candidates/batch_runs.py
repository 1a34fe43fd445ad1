"""Many small runs in one process, as a batch or one by one, measured from within.

The job is JSON: `config` (a path), `runs` (pipelines and dates), `how` ("batch", "one by one"),
`watched` (a prefix of the names whose end is told apart). Prints CPU seconds, wall seconds, both
until the last of the watched runs had ended, and the peak of resident memory. What is
imported, opened and found out once is paid for by a run before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Sequence
from datetime import date
from typing import Any

from bronze_engine import BronzeError, load_config, open_engine
from bronze_engine.batch.batch import Batch
from bronze_engine.engine import Engine
from bronze_engine.telemetry.events import Event, RunFinished


async def land(engine: Engine, runs: Sequence[tuple[str, date]], how: str) -> int:
    """Returns how many have committed."""
    if how == "batch":
        report = await Batch(engine, runs).run()
        return len(report.with_status("committed"))
    committed = 0
    for name, day in runs:
        try:
            await engine.run(name, run_date=day)
        except BronzeError:
            continue
        committed += 1
    return committed


async def main(job: dict[str, Any]) -> dict[str, Any]:
    runs = [(name, date.fromisoformat(day)) for name, day in job["runs"]]
    last = last_cpu = 0.0

    def watch(event: Event) -> None:
        nonlocal last, last_cpu
        if isinstance(event, RunFinished) and event.pipeline.startswith(job["watched"]):
            last, last_cpu = time.perf_counter(), time.process_time()

    config = load_config(job["config"], environ={})
    async with open_engine(config, hooks=[watch]) as engine:
        await engine.run("warm.up", run_date=runs[0][1])
        for name, _ in runs:
            config.pipeline(name)
        began, began_cpu = time.perf_counter(), time.process_time()
        committed = await land(engine, runs, job["how"])
        return {
            "committed": committed,
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - began_cpu,
            "watched_seconds": last - began,
            "watched_cpu_seconds": last_cpu - began_cpu,
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.stdin.read())))))
