"""A batch whose report is stored while it runs, so that what it leaves can be run after any end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import date
from typing import Final, Protocol, final

import anyio
import msgspec

from bronze_engine.batch.batch import Batch
from bronze_engine.engine import Engine
from bronze_engine.flow import ungrouped
from bronze_engine.model.batch import BatchReport
from bronze_engine.state.batches import new_id

__all__ = ["BatchLike", "KeptBatch"]

log = logging.getLogger(__name__)

RENEW_SECONDS: Final = 10.0
"""A report of 3,000 runs has a megabyte. A killed batch's is at most so old, and the manifests
tell what was committed since."""


class BatchLike(Protocol):
    """`Batch`, or what has its runs elsewhere."""

    def report(self) -> BatchReport: ...

    async def run(self) -> BatchReport: ...


@final
class KeptBatch:
    """`Batch`, with its report at `_runs/_batches/` from its beginning to its end.

    `make` makes what stands in for `Batch`.
    A report that can't be stored is a warning, and holds nothing up. Where there is nothing to
    run (a shard without a pipeline) none is stored.
    """

    def __init__(
        self,
        engine: Engine,
        runs: Sequence[tuple[str, date]],
        *,
        max_parallel: int | None = None,
        fail_fast: bool = False,
        full_refresh: Collection[str] = (),
        wait_seconds: float = 0.0,
        shard: str | None = None,
        retry_of: str | None = None,
        warnings: Sequence[str] = (),
        tables: Collection[str] | None = None,
        make: Callable[..., BatchLike] = Batch,
    ) -> None:
        self._engine = engine
        self._shard = shard
        self._retry_of = retry_of
        self._full_refresh = tuple(sorted(full_refresh))
        self._warnings = list(warnings)
        self._started_at = engine.clock.now()
        self._id = new_id(self._started_at, shard)
        self.is_kept = False
        """Whether there is a report that `--retry-failed` can go by."""
        self._is_finished = False
        self._kept = -1
        """Runs that had ended when the report was last stored."""
        self._batch: BatchLike | None = None
        """None where there is nothing to run."""
        if runs or tables:
            self._batch = make(
                engine,
                runs,
                max_parallel=max_parallel,
                fail_fast=fail_fast,
                full_refresh=full_refresh,
                wait_seconds=wait_seconds,
                batch=self._id,
                shard=shard,
                tables=tables,
            )

    def report(self) -> BatchReport:
        """What has become of the runs by now, also where `run` was cancelled."""
        if self._batch is None:
            report = BatchReport(
                batch=self._id,
                shard=self._shard,
                started_at=self._started_at,
                seconds=0.0,
                max_parallel=0,
                runs=(),
            )
        else:
            report = self._batch.report()
        return msgspec.structs.replace(
            report,
            retry_of=self._retry_of,
            full_refresh=self._full_refresh,
            is_finished=self._is_finished,
            warnings=(*self._warnings, *report.warnings),
        )

    async def run(self) -> BatchReport:
        """Run them all. Cancelled, what was committed stays, and the report says what is left."""
        if self._batch is None:
            log.info("batch %s has nothing to run", self._id)
            self._is_finished = True
            return self.report()
        try:
            with ungrouped():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._renew)
                    await self._batch.run()
                    tasks.cancel_scope.cancel()
        finally:
            self._is_finished = True
            await self._keep()
        return self.report()

    async def _renew(self) -> None:
        while True:
            await self._keep()
            await self._engine.clock.sleep(RENEW_SECONDS)

    async def _keep(self) -> None:
        report = self.report()
        ended = sum(run.status != "left" for run in report.every)
        if ended == self._kept and not self._is_finished:
            return
        self._kept = ended
        warnings = await self._engine.keep_batch(report)
        self.is_kept = self.is_kept or not warnings
        for warning in warnings:
            if warning not in self._warnings:
                self._warnings.append(warning)
                log.warning("%s", warning)
