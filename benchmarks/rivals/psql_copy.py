"""psql's COPY in binary form, thrown away: what the server and the wire can give, and no more.

PSQL is the program. No rival, but the limit.
"""

from __future__ import annotations

import os
import subprocess

from benchmarks.jobs.job import run
from benchmarks.jobs.table import TableJob


def land(job: TableJob) -> None:
    sql = f"COPY {job.table} TO STDOUT (FORMAT binary)"
    command = [os.environ["PSQL"], "--no-psqlrc", f"--dbname={job.dsn}", f"--command={sql}"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    run(TableJob, land)
