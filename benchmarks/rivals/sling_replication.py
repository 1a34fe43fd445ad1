"""Sling's replication: many tables, one file of settings, one process.

The settings of `sling_program`; four streams at once, which is what SLING_THREADS is for.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.jobs.batch import TablesJob
from benchmarks.jobs.job import run, run_program, skip
from benchmarks.rivals.sling_program import find_program, quiet

AT_ONCE = "4"


def land(job: TablesJob, program: Path) -> None:
    replication = {
        "source": "SOURCE",
        "target": "LOCAL",
        "defaults": {
            "object": f"file://{job.out}/lake/{{stream_table}}.parquet",
            "target_options": {"format": "parquet", "compression": "zstd"},
        },
        "streams": {f"public.{table}": {} for table in job.tables},
    }
    path = job.out / "replication.yaml"
    path.write_text(json.dumps(replication))  # JSON is YAML
    environment = quiet(job.out) | {"SOURCE": f"{job.dsn}?sslmode=disable"}
    run_program([program, "run", "-r", path], environment | {"SLING_THREADS": AT_ONCE})


def main() -> None:
    program = find_program()
    if program is None:
        skip("Sling has no wheel with its program for this machine")
    run(TablesJob, lambda job: land(job, program))


if __name__ == "__main__":
    main()
