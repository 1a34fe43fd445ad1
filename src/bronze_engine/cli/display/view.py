"""One pipeline and date, or one curated table, as far as the display has heard of it."""

from __future__ import annotations

from typing import Final, Literal, final

from bronze_engine.cli.display.rate import Rate
from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.events import PageFetched

__all__ = ["RunView", "Standing"]

Standing = Literal["active", "failed", "stopped", "skipped", "committed", "waiting"]
"""In the order in which they are of interest."""

_SAME: Final = 0.01
"""By how much a source's own total may move while it is read. Chains of pages have totals of
their own each, which say nothing of the run."""


@final
class RunView:
    """Counts of one run, kept up by its events."""

    __slots__ = (
        "began",
        "bytes_in",
        "code",
        "is_resumed",
        "pages",
        "phase",
        "pipeline",
        "reading",
        "records",
        "retries",
        "rows",
        "run_date",
        "speed",
        "standing",
        "told",
        "total_records",
        "written",
    )

    def __init__(self, pipeline: str, run_date: str) -> None:
        self.pipeline = pipeline
        self.run_date = run_date
        self.standing: Standing = "waiting"
        self.phase = ""
        """As the run calls it, while it is under way."""
        self.code: str | None = None
        self.rows = 0
        """Read so far, or written, whichever is more; at the end those that have landed.

        Rows are written a group at a time, seconds apart where the source is slow; what is not
        paged tells of nothing else."""
        self.written = 0
        """Those that a resumed run had already included."""
        self.records = 0
        """Read so far by this process."""
        self.pages = 0
        self.bytes_in = 0
        self.retries = 0
        self.total_records: int | None = None
        """What the source says that it holds; -1 where it says different things."""
        self.is_resumed = False
        """Until the first rows are told, among which are those of an earlier process."""
        self.began = 0.0
        self.told = 0.0
        """When a line was last logged about it."""
        self.speed = Rate()
        """Of the rows."""
        self.reading = Rate()
        """Of the records."""

    @property
    def is_table(self) -> bool:
        """A curated table is of no one date; its rows have been counted as they landed."""
        return not self.run_date

    def page(self, event: PageFetched) -> int:
        """How many rows more there are now."""
        self.pages += 1
        self.records += event.records
        self.bytes_in += event.bytes_in
        self._hear_total(event)
        return self._more(self.records)

    def write(self, rows: int) -> int:
        """How many rows more there are now; what an earlier process wrote is none of them."""
        self.written = rows
        more = self._more(rows)
        if self.is_resumed:
            self.is_resumed = False
            self.speed.restart()
            return 0
        return more

    def _more(self, rows: int) -> int:
        more = max(0, rows - self.rows)
        self.rows += more
        return more

    def _hear_total(self, event: PageFetched) -> None:
        total = event.total_records
        if total is None or self.total_records == -1:
            return
        known = self.total_records
        if known is not None and abs(total - known) > _SAME * max(total, known):
            self.total_records = -1
        else:
            self.total_records = total

    def finish(self, report: RunReport) -> None:
        """Take the counts of the report, which are exact."""
        self.standing = _STANDINGS[report.status]
        self.phase = ""
        self.code = report.error_code
        self.rows = self.written = report.rows
        self.pages = report.pages
        self.bytes_in = report.bytes_in
        self.retries = report.retries
        self.speed.restart()
        self.reading.restart()

    def sample(self, now: float) -> None:
        """Note how far it is; some times a second."""
        self.speed.sample(now, self.rows)
        self.reading.sample(now, self.records)

    @property
    def seconds_left(self) -> float | None:
        """None where no total is known, or nothing is read."""
        total, speed = self.total_records, self.reading.per_second
        if self.phase != "reading" or total is None or total < self.records or not speed:
            return None
        return (total - self.records) / speed


_STANDINGS: Final[dict[str, Standing]] = {
    "committed": "committed",
    "failed": "failed",
    "cancelled": "stopped",
}
