"""A batch whose runs all want memory at once: how far the process grows.

The job is JSON: `config` (a path), `pipelines` (names), `warm` (the name of a small one). The base
is what the process holds after its imports and one small run. Prints rows, the base, and the
growth over it at the peak, in bytes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from bronze_engine import load_config, open_engine
from bronze_engine.batch.batch import Batch

DAY = date(2025, 1, 15)


def memory(field: str) -> int:
    """A line of the kernel's account of this process, in bytes."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition(f"{field}:")[2].split()[0]) * 1024


def forget_peak() -> None:
    """The kernel's peak begins anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


async def main(job: dict[str, Any]) -> dict[str, Any]:
    config = load_config(job["config"], environ={})
    async with open_engine(config) as engine:
        await engine.run(job["warm"], run_date=DAY)
        base = memory("VmRSS")
        forget_peak()
        began = time.perf_counter()
        runs = [(name, DAY) for name in job["pipelines"]]
        report = await Batch(engine, runs, max_parallel=len(runs)).run()
        return {
            "rows": sum(run.rows for run in report.runs),
            "failed": [run.error for run in report.runs if run.status != "committed"],
            "seconds": time.perf_counter() - began,
            "base_bytes": base,
            "grown_bytes": memory("VmHWM") - base,
            "limit_bytes": engine.statistics().memory_limit_bytes,
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.stdin.read())))))
