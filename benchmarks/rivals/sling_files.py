"""Sling, the program that its wheel carries, from a file into a Parquet file.

By default it has DuckDB write the file, and fetches DuckDB when it runs; here it writes the file
itself, as its own setting has it. Start-up counts, as for every program.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.file_job import FileJob, run
from benchmarks.rivals.sling_program import find_program
from benchmarks.table_job import run_program, skip


def land(job: FileJob, program: Path) -> None:
    home = job.out / "home"
    home.mkdir()
    run_program(
        [
            program, "run", f"--src-stream=file://{job.path}",
            f"--tgt-object=file://{job.out}/table.parquet",
            "--tgt-options={format: parquet, compression: zstd}",
        ],
        {
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
