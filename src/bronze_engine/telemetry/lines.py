"""The `metric=` lines of the log that come of events: runs, retries, uploads.

    metric=run pipeline=shop.orders run_date=2025-01-15 status=committed rows=8200 seconds=1.52 …
    metric=retry group="shop" retries=3 wait_seconds=4.10
    metric=upload files=12 bytes=8388608

A run has one line. Of the others one of a kind comes at most every ten seconds, and says how
many there were since. The limits write lines of their own: rate_limit, breaker_state,
concurrency. Their arguments have names, which `--json-log` shows as fields.
"""

from __future__ import annotations

import logging
import math
from typing import Final, final

from bronze_engine.clock import Clock
from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.events import Event, FileStaged, RequestRetried, RunFinished

__all__ = ["MetricLines"]

log = logging.getLogger(__name__)

_INTERVAL_SECONDS: Final = 10.0
_FORMATS: Final = {"seconds": ".2f", "rows_per_second": ".0f"}
"""Of the fields of a run that are not shown as they are."""


@final
class _Sample:
    """What has come since the last line of one kind and owner."""

    def __init__(self) -> None:
        self.told_at = -math.inf
        self.count = 0
        self.sum = 0.0


@final
class MetricLines:
    """A hook that every engine has."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: dict[tuple[str, str], _Sample] = {}

    def __call__(self, event: Event, /) -> None:
        match event:
            case RequestRetried():
                self._retry(event)
            case FileStaged():
                self._upload(event)
            case RunFinished():
                _run(event.report)
            case _:
                pass

    def _retry(self, event: RequestRetried) -> None:
        sample = self._due(("retry", event.group), event.wait_seconds)
        if sample is not None:
            log.info(
                'metric=retry group="%(group)s" retries=%(retries)d'
                " wait_seconds=%(wait_seconds).2f",
                {
                    "metric": "retry",
                    "group": event.group,
                    "retries": sample.count,
                    "wait_seconds": sample.sum,
                },
            )
            sample.count, sample.sum = 0, 0.0

    def _upload(self, event: FileStaged) -> None:
        sample = self._due(("upload", ""), event.size_bytes)
        if sample is not None:
            log.info(
                "metric=upload files=%(files)d bytes=%(bytes)d",
                {"metric": "upload", "files": sample.count, "bytes": int(sample.sum)},
            )
            sample.count, sample.sum = 0, 0.0

    def _due(self, key: tuple[str, str], amount: float) -> _Sample | None:
        """Count one; the sample where its line is due."""
        sample = self._samples.setdefault(key, _Sample())
        sample.count += 1
        sample.sum += amount
        now = self._clock.monotonic()
        if now - sample.told_at < _INTERVAL_SECONDS:
            return None
        sample.told_at = now
        return sample


def _run(report: RunReport) -> None:
    fields = {
        "metric": "run",
        "pipeline": report.pipeline,
        "layer": report.layer if report.layer != "bronze" else None,
        "run_date": report.run_date,
        "status": report.status,
        "code": report.error_code,
        "rows": report.rows,
        "seconds": report.seconds,
        "rows_per_second": report.rows / report.seconds if report.seconds > 0 else 0.0,
        "bytes_in": report.bytes_in,
        "bytes_out": report.bytes_out,
        "requests": report.requests,
        "retries": report.retries,
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    log.info(" ".join(f"{name}=%({name}){_FORMATS.get(name, 's')}" for name in fields), fields)
