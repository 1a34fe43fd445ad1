"""Records that a run of Silver keeps out, kept aside: a quarantine file for each date of Bronze,
so that a date that is landed again takes its own along.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Callable, Sequence
from datetime import date
from functools import partial
from types import TracebackType
from typing import final

from bronze_engine.contracts import Store
from bronze_engine.encode.rejects import RejectsEncoder
from bronze_engine.errors import BronzeError, OutcomeUnknown, QualityError
from bronze_engine.model.block import Reject
from bronze_engine.model.manifest import RejectFile
from bronze_engine.model.part import Staged
from bronze_engine.publish.names import quarantine_name
from bronze_engine.quality.quarantine import Quarantine
from bronze_engine.shield import finish
from bronze_engine.workers import Workers

__all__ = ["Rejects"]

log = logging.getLogger(__name__)


@final
class Rejects:
    """The rejected records of one run: `async with`, around its commit.

    Left with QualityError they are made readable below `_runs/`, at `rejected_key`; left with
    anything else before `is_committed` nothing of them stays.
    """

    def __init__(
        self,
        *,
        pipeline: str,
        workers: Workers,
        target: Store,
        folder: str,
        generation: int,
        run: str,
        state: Store,
        rejected_key: str,
        grace_seconds: Callable[[], float],
    ) -> None:
        self.is_committed = False
        """Whether the files of `staged` are the table's now."""
        self.look = f"bronze quarantine show {pipeline} --silver --run {run}"
        """The command that lists the records of a run that has failed for them."""
        self._workers = workers
        self._target = target
        self._folder = folder
        self._generation = generation
        self._run = run
        self._state = state
        self._rejected_key = rejected_key
        self._grace_seconds = grace_seconds
        self._kept: dict[date, Quarantine] = {}

    async def __aenter__(self) -> Rejects:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await finish(self._end, error, grace_seconds=self._grace_seconds)

    def kept_at(self, run_date: date) -> str:
        """Where the records of a date can be read once the run has failed for them."""
        number = list(self._kept).index(run_date) if run_date in self._kept else 0
        return f"{self._state.url}/{self._key_of(number)}"

    @property
    def staged(self) -> list[Staged]:
        """What the commit makes visible."""
        found = (each.committed for each in self._kept.values())
        return [one for one in found if one is not None]

    @property
    def files(self) -> dict[date, RejectFile]:
        """The same, as a manifest names them, by the dates whose records they hold."""
        return {
            day: RejectFile(
                name=file.name,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
                row_count=file.row_count,
            )
            for day, each in self._kept.items()
            if each.committed is not None and (file := each.committed.file) is not None
        }

    async def keep(self, run_date: date, groups: AsyncIterable[Sequence[Reject]]) -> None:
        """Keep the rejected records of a date, in order; a group of them is held at a time."""
        number = len(self._kept)
        name = quarantine_name(generation=self._generation, run=self._run, slice=number)
        quarantine = Quarantine(
            workers=self._workers,
            encoder=partial(RejectsEncoder, name),
            partition=(self._target, f"{self._folder}/{name}"),
            run=(self._state, self._key_of(number)),
        )
        self._kept[run_date] = quarantine
        async with quarantine:
            async for group in groups:
                await quarantine.write(group)
            await quarantine.seal()

    def _key_of(self, number: int) -> str:
        """Each date has a file of its own: one would overwrite the other."""
        if number == 0:
            return self._rejected_key
        folder, _, name = self._rejected_key.rpartition("/")
        run, _, suffix = name.partition(".")
        return f"{folder}/{run}-{number:05}.{suffix}"

    async def _end(self, error: BaseException | None) -> None:
        for each in self._kept.values():
            if each.committed is not None and not self.is_committed:
                await _discard(self._target, each.committed)
            if each.failed is None:
                continue
            if isinstance(error, QualityError) and not self.is_committed:
                await self._show(each.failed)
            else:
                await _discard(self._state, each.failed)

    async def _show(self, failed: Staged) -> None:
        try:
            await self._state.complete(failed)
        except (BronzeError, OutcomeUnknown) as exc:  # the failure stays the news
            log.warning("%s was not kept: %s", failed.key, exc)


async def _discard(store: Store, staged: Staged) -> None:
    try:
        await store.discard(staged)
    except BronzeError as exc:
        log.warning("%s was not removed, and is left to the next run: %s", staged.key, exc)
