"""Sling, the program that its wheel carries, into a Parquet file.

By default it has DuckDB write the file, and fetches DuckDB when it runs; here it writes the file
itself, as its own setting has it. Start-up counts, as for every program.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from benchmarks.jobs.job import run, run_program, skip
from benchmarks.jobs.table import TableJob


def find_program() -> Path | None:
    wheel = find_spec("sling_linux_amd64")
    if wheel is None or wheel.origin is None:
        return None
    return Path(wheel.origin).parent / "bin/sling-linux-amd64"


def quiet(out: Path) -> dict[str, str]:
    """Its environment: a home of its own, nothing sent, nothing fetched, nothing added."""
    home = out / "home"
    home.mkdir()
    return {
        "SLING_HOME_DIR": str(home),
        "SLING_DISABLE_TELEMETRY": "true",
        "SLING_DUCKDB_COMPUTE": "false",
        "SLING_LOADED_AT_COLUMN": "false",
    }


def land(job: TableJob, program: Path) -> None:
    environment = quiet(job.out) | {"SOURCE": f"{job.dsn}?sslmode=disable"}
    target = f"--tgt-object=file://{job.out}/table.parquet"
    if job.store is not None:
        url = f"{job.store['url']}/{job.out.name}"
        target = f"--tgt-object={url}/table.parquet"
        environment["LAKE"] = json.dumps({
            "type": "s3", "bucket": job.store["url"].removeprefix("s3://"),
            "access_key_id": job.store["access_key_id"],
            "secret_access_key": job.store["secret_access_key"],
            "endpoint": job.store["endpoint_url"], "region": job.store["region"],
        })  # fmt: skip
    run_program(
        [
            program, "run", "--src-conn=SOURCE", f"--src-stream=public.{job.table}",
            *(["--tgt-conn=LAKE"] if job.store else []), target,
            "--tgt-options={format: parquet, compression: zstd}",
            *([f"--limit={job.rows}"] if job.rows else []),
        ],
        environment,
    )  # fmt: skip


def main() -> None:
    program = find_program()
    if program is None:
        skip("Sling has no wheel with its program for this machine")
    run(TableJob, lambda job: land(job, program))


if __name__ == "__main__":
    main()
