"""Sling, the program that its wheel carries, into a Parquet file.

By default it has DuckDB write the file, and fetches DuckDB when it runs; here it writes the file
itself, as its own setting has it. Start-up counts, as for every program.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from benchmarks.table_job import TableJob, run, run_program, skip


def find_program() -> Path | None:
    wheel = find_spec("sling_linux_amd64")
    if wheel is None or wheel.origin is None:
        return None
    return Path(wheel.origin).parent / "bin/sling-linux-amd64"


def land(job: TableJob, program: Path) -> None:
    home = job.out / "home"
    home.mkdir()
    run_program(
        [
            program, "run", "--src-conn=SOURCE", f"--src-stream=public.{job.table}",
            f"--tgt-object=file://{job.out}/table.parquet",
            "--tgt-options={format: parquet, compression: zstd}",
            *([f"--limit={job.rows}"] if job.rows else []),
        ],
        {
            "SOURCE": f"{job.dsn}?sslmode=disable",
            "SLING_HOME_DIR": str(home),
            "SLING_DISABLE_TELEMETRY": "true",
            "SLING_DUCKDB_COMPUTE": "false",
            "SLING_LOADED_AT_COLUMN": "false",
        },
    )  # fmt: skip


def main() -> None:
    program = find_program()
    if program is None:
        skip("Sling has no wheel with its program for this machine")
    run(lambda job: land(job, program))


if __name__ == "__main__":
    main()
