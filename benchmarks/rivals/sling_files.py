"""Sling, the program that its wheel carries, from a file into a Parquet file.

By default it has DuckDB write the file, and fetches DuckDB when it runs; here it writes the file
itself, as its own setting has it. Start-up counts, as for every program.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.jobs.file import FileJob
from benchmarks.jobs.job import run, run_program, skip
from benchmarks.rivals.sling_program import find_program, quiet


def land(job: FileJob, program: Path) -> None:
    run_program(
        [
            program, "run", f"--src-stream=file://{job.path}",
            f"--tgt-object=file://{job.out}/table.parquet",
            "--tgt-options={format: parquet, compression: zstd}",
        ],
        quiet(job.out),
    )  # fmt: skip


def main() -> None:
    program = find_program()
    if program is None:
        skip("Sling has no wheel with its program for this machine")
    run(FileJob, lambda job: land(job, program))


if __name__ == "__main__":
    main()
