"""A Delta table over the files of an entity's dates, or of a Silver table.

A commit of the log is one object that nobody may have written before: a put that expects absence,
as every store of ours makes it. Whoever is beaten to a version reads the log and the manifests
anew. So no lease and no lock of Delta's is needed
(https://github.com/delta-io/delta/blob/master/PROTOCOL.md, "Delta Log Entries").
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, final

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.contracts import Store
from bronze_engine.contracts.tables import TablePlace
from bronze_engine.errors import BronzeError, Conflict, OutcomeUnknown, StoreError
from bronze_engine.model.manifest import DELTA_LOG, Manifest
from bronze_engine.model.part import ABSENT, ANY
from bronze_engine.tables.content import (
    DATE_COLUMN,
    Content,
    Shown,
    content_of,
    dated,
    read_contents,
)
from bronze_engine.tables.delta.actions import (
    KNOWN_FEATURES,
    Action,
    add,
    commit_body,
    head,
    remove,
    transaction,
)
from bronze_engine.tables.delta.columns import Columns, merged
from bronze_engine.tables.delta.log import (
    Log,
    commit_name,
    fetch_log,
    make_checkpoint,
    read_log,
)
from bronze_engine.workers import Workers

__all__ = ["CHECKPOINT_COMMITS", "DeltaTable", "open_delta"]

CHECKPOINT_COMMITS: Final = 20
"""So many commits a reader opens at the most, one by one, after a checkpoint."""
_TRIES: Final = 20

log_ = logging.getLogger(__name__)


def open_delta(place: TablePlace, store: Store, workers: Workers, clock: Clock) -> DeltaTable:
    """A `contracts.LakeTableType`."""
    return DeltaTable(place, store, workers, clock)


class _Change(msgspec.Struct, frozen=True):
    """What a commit does to the table."""

    columns: Columns
    gone: tuple[str, ...]
    new: tuple[tuple[Shown, Content], ...]


@final
class DeltaTable:
    """See `contracts.LakeTable`."""

    def __init__(self, place: TablePlace, store: Store, workers: Workers, clock: Clock) -> None:
        self._root = place.root
        self._date_column = DATE_COLUMN if place.is_dated else None
        self._store = store
        self._workers = workers
        self._clock = clock
        self._where = f"{store.url}/{place.root}/{DELTA_LOG}"

    async def admit(self, manifest: Manifest) -> None:
        content = content_of(self._root, self._root, manifest)
        with self._told():
            _, log = await self._read()
            self._columns(log, [content])

    async def follow(self, partitions: Collection[str], *, whole: bool = False) -> bool:
        with self._told():
            return await self._follow(partitions, whole=whole)

    async def is_behind(self, partitions: Collection[str]) -> bool:
        with self._told():
            _, log = await self._read()
            return self._change(log, await self._contents(log, partitions, whole=True)) is not None

    async def _follow(self, partitions: Collection[str], *, whole: bool) -> bool:
        for _ in range(_TRIES):
            files, log = await self._read()
            contents = await self._contents(log, partitions, whole=whole)
            change = self._change(log, contents)
            if change is None:
                return False
            actions = self._actions(log, contents, change)
            body = commit_body(actions, is_dated=self._is_dated, now_ms=self._now_ms())
            name = commit_name(log.version + 1)
            try:
                await self._store.put(self._key(name), body, expect=ABSENT)
            except (Conflict, OutcomeUnknown):
                continue  # the log says whose commit it is, and what is left to do
            await self._keep_short({**files, name: body}, log.version + 1)
            return True
        raise StoreError(
            f"{self._where}: others committed {_TRIES} times in a row; run `bronze gc --delete`"
            " when they are done",
            table=self._where,
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Nothing but errors that say which table: no fault of it may be the run's."""
        try:
            yield
        except BronzeError:
            raise
        except Exception as exc:
            raise StoreError(f"{self._where}: {type(exc).__name__}: {exc}") from exc

    @property
    def _is_dated(self) -> bool:
        return self._date_column is not None

    async def _read(self) -> tuple[dict[str, bytes], Log]:
        files = await fetch_log(self._store, self._root)
        log = await self._workers.run(read_log, files, self._where)
        partitioned = tuple(filter(None, (self._date_column,)))
        unknown = log.features - KNOWN_FEATURES
        if unknown or (log.version >= 0 and log.partition_columns != partitioned):
            what = f"uses {', '.join(sorted(unknown))}" if unknown else "has other partitions"
            raise StoreError(
                f"{self._where} is of a table that {what}: another program has changed it. Move"
                " it away, and `bronze gc --delete` makes the table anew from the manifests",
                table=self._where,
            )
        return files, log

    async def _contents(
        self, log: Log, partitions: Collection[str], *, whole: bool
    ) -> list[Content]:
        shown = {self._partition_of(path) for path in log.live} if whole else set[str]()
        return await read_contents(self._store, self._root, sorted({*partitions, *shown}))

    def _change(self, log: Log, contents: Sequence[Content]) -> _Change | None:
        """What makes the table show these contents; None where it does."""
        wanted = {shown.path: (shown, content) for content in contents for shown in content.files}
        meant = {content.partition for content in contents}
        gone = [
            path for path in log.live if path not in wanted and self._partition_of(path) in meant
        ]
        new = [each for path, each in wanted.items() if path not in log.live]
        columns = self._columns(log, contents)
        if not columns.fields or not (gone or new or columns != log.columns):
            return None
        return _Change(columns, tuple(gone), tuple(new))

    def _actions(self, log: Log, contents: Sequence[Content], change: _Change) -> list[Action]:
        now = self._now_ms()
        actions = head(log, change.columns, is_dated=self._is_dated, now_ms=now)
        committed = [content for content in contents if content.manifest is not None]
        actions += [transaction(content, now) for content in committed]
        actions += [remove(path, log.live[path], now) for path in change.gone]
        actions += [add(shown, content) for shown, content in change.new]
        return actions

    def _columns(self, log: Log, contents: Sequence[Content]) -> Columns:
        columns = log.columns
        for content in contents:
            schema = content.schema
            if schema is not None and schema.names:
                columns = merged(columns, schema, date_column=self._date_column)
        return columns

    def _partition_of(self, path: str) -> str:
        run_date = dated(path) if self._is_dated else None
        return self._root if run_date is None else f"{self._root}/{DATE_COLUMN}={run_date}"

    async def _keep_short(self, files: dict[str, bytes], version: int) -> None:
        """A checkpoint now and then. The table is committed, so nothing fails for one."""
        if len(files) <= CHECKPOINT_COMMITS:
            return
        try:
            made = await self._workers.run(make_checkpoint, files, self._where)
            for name, body in made.items():
                await self._store.put(self._key(name), body, expect=ANY)
        except (BronzeError, Conflict, OutcomeUnknown) as exc:
            log_.warning("%s: version %d has no checkpoint yet: %s", self._where, version, exc)

    def _key(self, name: str) -> str:
        return f"{self._root}/{DELTA_LOG}/{name}"

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
