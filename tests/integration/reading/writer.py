"""A process that replaces one partition for as long as its stdin is open, by runs of an engine.

It prints a line when the first run has committed, and the number of commits at its end.
"""

from __future__ import annotations

import asyncio
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from bronze_engine.config.load import load_config
from bronze_engine.engine import open_engine
from bronze_engine.model.block import Block
from bronze_engine.testing import ScriptedSource, page
from tests.unit.run.harness import DAY, NAME

__all__ = ["FILES", "ROWS", "Replacing", "replacing"]

FILES: Final = 3
ROWS: Final = 40
"""Of each file."""

PIPELINE: Final = """
[engine]
log_dir = ""
target = "lake"
[apis.shop]
base_url = "http://127.0.0.1:9"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders/{run_date}"
"""


@final
class Replacing:
    """A writer that is at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def stop(self) -> int:
        """Let it end its last run; returns how often it has committed."""
        output, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return int(output)


@contextmanager
def replacing(folder: Path, store: str) -> Iterator[Replacing]:
    """A writer whose first run has committed. `store` is what stands in [stores.lake]."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipelines.toml").write_text(f"{PIPELINE}\n[stores.lake]\n{store}")
    with subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "committed\n"
            yield Replacing(process)
        finally:
            process.kill()


async def replace(folder: Path) -> int:
    config = load_config(folder / "pipelines.toml", environ={})
    commits = 0
    source = ScriptedSource(lambda _: script(commits))
    async with open_engine(config, sources={"http": source}) as engine:
        while not select.select([sys.stdin], [], [], 0)[0]:
            report = await engine.run(NAME, run_date=DAY)
            assert report.rows == FILES * ROWS
            commits += 1
            if commits == 1:
                tell("committed")
    return commits


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def script(run: int) -> list[list[Block]]:
    """One file a slice; every row says which run it is of, and its place among that run's."""
    ids = range(FILES * ROWS)
    rows = [{"id": at, "run": run, "text": f"row {at} of {run}"} for at in ids]
    return [[page(1, *rows[at : at + ROWS])] for at in range(0, len(rows), ROWS)]


if __name__ == "__main__":
    tell(f"{asyncio.run(replace(Path(sys.argv[1])))}")
