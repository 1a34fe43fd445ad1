"""The state of one entity, for people: looked at, set, reset, made anew."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import date
from typing import TypeVar, final

import msgspec

from bronze_engine.config.incremental import Incremental, with_instant
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.override import Override
from bronze_engine.model.window import cursor_key
from bronze_engine.plan.window import is_above, is_chained
from bronze_engine.run.leased import lease_of, under_lease
from bronze_engine.run.services import Identity, Services, Stores
from bronze_engine.state import hint, overrides
from bronze_engine.state.hint import Rebuilt
from bronze_engine.state.partitions import read_neighbours
from bronze_engine.upkeep.standing import Standing, look

__all__ = ["EntityState"]

T = TypeVar("T")


@final
class EntityState:
    """What is remembered of one pipeline's entity. Made by `Engine.state`.

    What it writes lies below `_state/`: no partition is ever touched.
    """

    def __init__(self, pipeline: Pipeline, services: Services) -> None:
        self._pipeline = pipeline
        self._services = services

    async def show(self) -> Standing:
        """Where the entity stands. Raises StateError for a manifest that can't be read."""
        stores = await self._services.stores(self._pipeline)
        return await look(stores, self._pipeline, self._services.today())

    async def set_watermark(
        self, value: str, *, who: str, why: str = "", force: bool = False
    ) -> Override:
        """Let the next window begin after `value`, in place of where the newest one ended.

        The next commit of the newest date, or of a new one, uses it and records it, with
        `who` and `why`; no other does. Raises ConfigError for a value that is none of the
        cursor's type and where no window is chained; StateError without `force` where it is
        below the recorded watermark (rows would land twice) or above it (rows would never
        land), and while a run holds the entity's lease.
        """
        incremental = self._chained("set")
        value = self._checked(value, incremental)

        def decide(newest: Manifest | None) -> Override:
            was = self._recorded(newest)
            if not force and was is not None:
                self._compare(value, was, newest, incremental)
            return self._override(newest, was, who, why, value=value)

        return await self._decide(decide)

    async def reset(self, *, who: str, why: str = "", force: bool = False) -> Override:
        """Let the next run read from the beginning, as an epoch of its own.

        What has landed stays where it is; the union is then taken over the new epoch. Raises
        StateError without `force` where a watermark is recorded, else as `set_watermark`.
        """
        incremental = self._chained("reset")

        def decide(newest: Manifest | None) -> Override:
            window = None if newest is None else newest.watermark
            was = None if window is None else window.high
            if not force and was is not None and newest is not None:
                begins = incremental.initial or "the beginning"
                raise StateError(
                    f"a reset of {self._pipeline.name} moves its watermark back, from {was}"
                    f" ({newest.run_date}) to {begins}: the next run reads all of it again, as"
                    f" epoch {newest.epoch + 1}. Pass --force if that is meant; nothing is deleted",
                    pipeline=self._pipeline.name,
                    recorded=was,
                    asked=begins,
                )
            return self._override(newest, was, who, why, value=None)

        return await self._decide(decide)

    async def withdraw(self) -> Override | None:
        """Take the pending override back; returns it, None where there was none."""
        self._chained("set")
        system, entity = self._pipeline.system, self._pipeline.entity

        async def work(stores: Stores) -> Override | None:
            around = await read_neighbours(stores.target, system, entity, date.max)
            kept = await overrides.read(stores.state, system, entity)
            pending = overrides.pending(kept, around)
            if pending is not None:
                await stores.state.delete(overrides.key_of(system, entity))
            return pending

        return await self._leased(work)

    async def rebuild(self) -> Rebuilt:
        """Make the hint anew from the manifests alone, and say what it was before.

        Reads every manifest of the entity. Raises StateError for one that can't be read.
        """
        stores = await self._services.stores(self._pipeline)
        system, entity = self._pipeline.system, self._pipeline.entity
        return await hint.rebuild(stores.state, system, entity, target=stores.target)

    def _chained(self, command: str) -> Incremental:
        incremental = self._pipeline.incremental
        if incremental is not None and is_chained(self._pipeline):
            return incremental
        name = self._pipeline.name
        why = (
            "each run loads everything"
            if incremental is None
            else "its windows are the dates themselves"
        )
        raise ConfigError(
            f"bronze state {command}: {name} has no watermark, for {why}; run the date again with"
            f" `bronze run {name} --date YYYY-MM-DD`"
        )

    def _checked(self, value: str, incremental: Incremental) -> str:
        """The value as watermarks are written. A bare date is the start of that day."""
        given = with_instant(msgspec.structs.replace(incremental, initial=value))
        assert given is not None  # noqa: S101  # it was given
        assert given.initial is not None  # noqa: S101
        try:
            cursor_key(given.initial, incremental.cursor_type, incremental.cursor_timezone)
        except ValueError as exc:
            raise ConfigError(
                f"--watermark {value!r} is no {incremental.cursor_type}, which"
                f" {incremental.cursor!r} of {self._pipeline.name} is: {exc}"
            ) from exc
        return given.initial

    def _compare(
        self, value: str, was: str, newest: Manifest | None, incremental: Incremental
    ) -> None:
        name, day = self._pipeline.name, None if newest is None else newest.run_date
        if is_above(was, value, incremental):
            keyed = (
                "they replace those of the same primary_key downstream"
                if self._pipeline.primary_key
                else "they land twice, for there is no primary_key"
            )
            raise StateError(
                f"{value} moves the watermark of {name} backwards: {day} ends at {was}. Rows in"
                f" between are read again, and {keyed}. Pass --force if that is meant, or begin"
                f" anew with `bronze state reset {name}`",
                pipeline=name,
                recorded=was,
                asked=value,
            )
        if is_above(value, was, incremental):
            raise StateError(
                f"{value} puts the watermark of {name} ahead of its data: {day} ends at {was}. Rows"
                " in between would never land. Pass --force if that is meant",
                pipeline=name,
                recorded=was,
                asked=value,
            )

    def _override(
        self, newest: Manifest | None, was: str | None, who: str, why: str, *, value: str | None
    ) -> Override:
        return Override(
            id=uuid.uuid4().hex[:12],
            kind="reset" if value is None else "watermark",
            value=value,
            was=was,
            who=who,
            when=self._services.clock.now(),
            why=why,
            after=None if newest is None else newest.run_date,
            epoch=0 if newest is None else newest.epoch,
        )

    async def _decide(self, decide: Callable[[Manifest | None], Override]) -> Override:
        """Write what `decide` makes of the newest manifest."""
        system, entity = self._pipeline.system, self._pipeline.entity

        async def work(stores: Stores) -> Override:
            around = await read_neighbours(stores.target, system, entity, date.max)
            override = decide(around.earlier)
            await overrides.put(stores.state, system, entity, override)
            return override

        return await self._leased(work)

    def _recorded(self, newest: Manifest | None) -> str | None:
        incremental = self._pipeline.incremental
        window = None if newest is None else newest.watermark
        if newest is None or window is None or incremental is None:
            return None
        if (window.column, window.type) != (incremental.cursor, incremental.cursor_type):
            raise StateError(
                f"{self._pipeline.name} {newest.run_date} was landed by the cursor"
                f" {window.column!r} ({window.type}), and the configuration says"
                f" {incremental.cursor!r} ({incremental.cursor_type}); put the cursor back, or"
                f" begin anew with `bronze state reset {self._pipeline.name}`"
            )
        return window.high

    async def _leased(self, work: Callable[[Stores], Awaitable[T]]) -> T:
        """No run that has planned already may commit past what is decided here."""
        services = self._services
        stores = await services.stores(self._pipeline)
        new = Identity.new(services.clock)
        identity = msgspec.structs.replace(new, run=f"state-{new.run}")
        key = lease_of(self._pipeline, services.today())
        return await under_lease(stores, key, identity, services, lambda: work(stores))
