"""The checkpoint of one run: written after each slice, and owned by the process that writes it.

Errors that a later run may get past leave it where it is, as a signal does and a crash. Those
that say that what was read is wrong, or no longer ours to publish, remove it with its files.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, final

import anyio
import msgspec
import pyarrow as pa

from bronze_engine.errors import (
    BronzeError,
    ConfigError,
    PageError,
    QualityError,
    StateError,
    StoreError,
)
from bronze_engine.land.landed import Landed
from bronze_engine.model.arrow import schema_from_text, schema_to_text
from bronze_engine.model.checkpoint import Checkpoint, Counted, Done
from bronze_engine.model.layout import Layout
from bronze_engine.model.part import ABSENT, Expect
from bronze_engine.model.slice import Slice
from bronze_engine.run.services import Stores
from bronze_engine.state import checkpoints
from bronze_engine.telemetry.metrics import SourceTally

__all__ = ["RunCheckpoint", "StaleCheckpoint", "is_kept_for", "landed_in"]

log = logging.getLogger(__name__)

ALWAYS_BYTES: Final = 256 * 1024
"""A checkpoint of up to this is written after each slice. A larger one waits until as many bytes
of files have been landed: many tiny slices must not cost more in it than in themselves."""

MOST_BYTES: Final = 64 * 1024**2
"""A checkpoint takes no more slices past this: it is held in memory, and rules may keep much."""

_FINAL: Final = (QualityError, PageError, StateError, ConfigError)


class StaleCheckpoint(Exception):
    """The source is not what it was when the slices of the checkpoint were landed."""


def is_kept_for(error: BaseException) -> bool:
    """Whether a run that ended so may be resumed: the next one may get past it."""
    return not isinstance(error, _FINAL)


def landed_in(checkpoint: Checkpoint) -> tuple[Landed, ...]:
    """The slices that it holds, in the order of their landing; all but the last without layout.

    Raises one of DAMAGED where another version has written them.
    """
    kept = [
        msgspec.json.decode(done.landed, type=Landed, dec_hook=_decode)
        for done in checkpoint.slices
    ]
    if kept:
        layout = msgspec.json.decode(checkpoint.layout, type=Layout | None, dec_hook=_decode)
        kept[-1] = msgspec.structs.replace(kept[-1], layout=layout)
    return tuple(kept)


@final
class RunCheckpoint:
    """What a run has landed so far, where the next process finds it.

    `record` is what it begins with and `expect` what stands in the store. A run of a single
    slice never writes it, nor does one whose source has no token.
    """

    def __init__(
        self,
        stores: Stores,
        record: Checkpoint,
        expect: Expect,
        tally: SourceTally,
        *,
        is_wanted: bool,
    ) -> None:
        self.landed: tuple[Landed, ...] = ()
        """What was landed before this process."""
        self._stores = stores
        self._record = record
        self._expect = expect
        self._tally = tally
        self._is_wanted = is_wanted
        self._is_on = False
        self._is_there = False
        """Whether the store has one of ours."""
        self._is_lost = False
        self._begun = 0
        self._layout: Layout | None = None
        self._held: list[tuple[Landed, Done]] = []
        self._named: set[int] = set()
        self._places: dict[int, Slice | None] = {}
        self._size_bytes = 0
        self._noted_bytes = 0
        self._writing = anyio.Lock()

    @property
    def run(self) -> str:
        return self._record.run

    @property
    def writer(self) -> str:
        """What names the files of this process."""
        return self._record.writer

    @property
    def started_at(self) -> datetime:
        """When the run began, at its first attempt."""
        return self._record.started_at

    @property
    def layout(self) -> Layout | None:
        """The one that the last slice with records has left."""
        return self._layout

    @property
    def following(self) -> Slice | None:
        """Where the chain that was landed last goes on."""
        return self._record.slices[-1].following if self.landed else None

    def place(self, head: int, first: Slice) -> Slice | None:
        """Where to go on with the chain that begins with `first`; None where all of it is landed.

        `head` counts what the source lists, from 0.
        """
        return self._places.get(head, first)

    def is_named(self, landed: Landed) -> bool:
        """Whether it has the slice: then another process may come to publish its files."""
        return landed.index in self._named

    def check(self, token: str | None) -> None:
        """Compare with what the source has now. Raises StaleCheckpoint where it is another."""
        if self.landed:
            if token is None or token != self._record.token:
                raise StaleCheckpoint("the source is not what it was")
            self._recount()
        self._is_on = self._is_wanted and token is not None
        self._record = msgspec.structs.replace(self._record, token=token)

    async def begin(self) -> None:
        """Say that a slice is begun: those before it are not the whole run then."""
        self._begun += 1
        if self._begun > 1:
            await self._write()

    async def note(self, landed: Landed, head: int, following: Slice | None) -> None:
        """Write down a slice that is landed.

        Raises StateError (STATE001) where another process has taken the run over. Where the
        store fails it is a warning: the run goes on, and the next slice tries again.
        """
        if not self._is_on:
            return
        self._layout = landed.layout or self._layout
        if self._noted_bytes + sum(map(len, landed.rules)) > MOST_BYTES:
            log.warning(
                "the checkpoint of run %s is full: what comes behind %s would be read again",
                self.run,
                "its last slice" if self._is_there else "the beginning",
            )
            self._is_on = False
            return
        bare = msgspec.structs.replace(landed, layout=None)
        encoded = msgspec.json.encode(bare, enc_hook=_encode)
        self._noted_bytes += len(encoded)
        done = Done(head=head, following=following, landed=msgspec.Raw(encoded))
        self._held.append((landed, done))
        if self._begun > 1:
            await self._write()

    async def end(self) -> None:
        """All slices are landed. Where they are written down, see that they are still ours."""
        if self._is_there:
            await self._write(at_once=True)

    async def take_over(self, found: Checkpoint, kept: tuple[Landed, ...]) -> None:
        """Go on where another process has stopped. Raises StateError where a third one does."""
        await self._put(
            msgspec.structs.replace(found, attempt=self._record.attempt, resumed=found.resumed + 1)
        )
        self.landed = kept
        self._begun = 2
        self._noted_bytes = sum(memoryview(done.landed).nbytes for done in found.slices)
        self._layout = kept[-1].layout
        self._named = {landed.index for landed in kept}
        self._places = {done.head: done.following for done in found.slices}

    async def discard(self, kept: Sequence[Landed]) -> None:
        """Remove what another process has left. Raises StateError where a third one uses it."""
        await self._put(msgspec.structs.replace(self._record, slices=()))
        for landed in kept:
            await landed.discard(self._stores.target, self._stores.state)
        await self._remove()

    async def keep(self, landed: Sequence[Landed]) -> None:
        """Leave what is landed to the next process, and remove what it can't be told of."""
        if self._begun > 1:
            with suppress(StateError):  # another has it already, and the failure stays the news
                await self._write(at_once=True)
        for each in landed:
            if not self.is_named(each):
                await each.discard(self._stores.target, self._stores.state)

    async def drop(self, landed: Sequence[Landed]) -> None:
        """Remove the checkpoint with these slices: of one that another process has taken over
        only what is not in it. The store's faults are warnings."""
        if self._is_there and not self._is_lost:
            try:
                await self.discard(landed)
            except StateError:
                self._is_lost = True
            except StoreError as exc:
                log.warning("the checkpoint of run %s was not removed: %s", self.run, exc)
                self._is_lost = True
            else:
                landed = ()
        if self._is_lost:
            await self.keep(landed)
        else:
            for each in landed:
                await each.discard(self._stores.target, self._stores.state)
        self._record = msgspec.structs.replace(self._record, slices=())
        self.landed, self._layout, self._begun, self._noted_bytes = (), None, 0, 0
        self._held.clear()
        self._named.clear()
        self._places.clear()

    async def is_ours(self) -> bool:
        """Whether no other process goes on with the run, or has ended it: what becomes of it is
        that one's to tell then."""
        record = self._record
        if self._is_lost or not self._is_there:
            return not self._is_lost
        try:
            found, _ = await checkpoints.read(
                self._stores.state, record.system, record.entity, record.run_date
            )
        except BronzeError:
            return True
        return found is not None and found.attempt == record.attempt

    async def committed(self) -> tuple[str, ...]:
        """The run is committed: there is nothing to resume. Returns warnings."""
        if not self._is_there:
            return ()
        try:
            await self._remove()
        except BronzeError as exc:
            return (f"the checkpoint of run {self.run} was not removed: {exc}",)
        return ()

    async def _write(self, *, at_once: bool = False) -> None:
        async with self._writing:
            held = list(self._held)
            landed_bytes = sum(
                staged.file.size_bytes
                for landed, _ in held
                for staged in landed.committed
                if staged.file is not None
            )
            is_cheap = self._size_bytes <= max(ALWAYS_BYTES, landed_bytes)
            if not held or not (is_cheap or at_once):
                return
            layout = msgspec.Raw(msgspec.json.encode(self._layout, enc_hook=_encode))
            record = msgspec.structs.replace(
                self._record,
                counted=Counted(
                    pages=self._tally.pages,
                    requests=self._tally.requests,
                    retries=self._tally.retries,
                    bytes_in=self._tally.bytes_in,
                    warnings=tuple(self._tally.warnings),
                    reached=self._tally.reached,
                ),
                layout=layout,
                slices=(*self._record.slices, *(done for _, done in held)),
            )
            named = {landed.index for landed, _ in held}
            self._named |= named  # a write that is cancelled may have been applied
            try:
                await self._put(record)
            except BronzeError as exc:
                self._named -= named
                if isinstance(exc, StateError):
                    raise
                log.warning("the checkpoint of run %s was not written: %s", self.run, exc)
                return
            del self._held[: len(held)]

    async def _put(self, record: Checkpoint) -> None:
        state = self._stores.state
        record = msgspec.structs.replace(record, written_at=await state.now())
        try:
            self._expect, self._size_bytes = await checkpoints.write(state, record, self._expect)
        except StateError:
            self._is_lost = True
            raise
        self._record, self._is_there = record, True

    async def _remove(self) -> None:
        record = self._record
        await checkpoints.remove(self._stores.state, record.system, record.entity, record.run_date)
        self._expect, self._is_there = ABSENT, False

    def _recount(self) -> None:
        """Count what the processes before have read: the manifest tells of the whole run."""
        counted, tally = self._record.counted, self._tally
        tally.pages += counted.pages
        tally.requests += counted.requests
        tally.retries += counted.retries
        tally.bytes_in += counted.bytes_in
        tally.reached = counted.reached
        tally.recall(counted.warnings)


def _encode(value: Any) -> str:
    if isinstance(value, pa.Schema):
        return schema_to_text(value)
    raise NotImplementedError(type(value).__name__)


def _decode(kind: type, value: Any) -> Any:
    if kind is pa.Schema:
        return schema_from_text(value)
    raise NotImplementedError(kind.__name__)
