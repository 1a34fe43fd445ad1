"""After a commit: remove what runs that can no longer commit have left in the partition."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError
from bronze_engine.flow import each
from bronze_engine.model.manifest import Manifest
from bronze_engine.publish.names import parse

__all__ = ["Reaped", "reap"]

_T = TypeVar("_T")

_AT_ONCE: Final = 8


class Reaped(msgspec.Struct, frozen=True, kw_only=True):
    """What a reap did."""

    removed: tuple[str, ...]
    """Names relative to the partition, in order; staged files included."""
    warnings: tuple[str, ...] = ()


async def reap(store: Store, partition: str, manifest: Manifest) -> Reaped:
    """Remove files and staged uploads of `manifest.generation` and before that it does not name.

    `manifest` must be committed: then a run that staged files of its generation or an
    earlier one can't commit any more, so no clock is asked. Later generations, and
    names that can't be parsed, are never touched. Never raises for the store's faults: they are
    warnings, and the next run reaps again.
    """
    keep = {file.name for file in manifest.files} | {file.name for file in manifest.quarantine}
    prefix = f"{partition}/"
    removed: list[str] = []
    warnings: list[str] = []

    def is_dead(name: str) -> bool:
        found = parse(name)
        return found is not None and found.generation <= manifest.generation

    async def remove(work: tuple[str, Callable[[], Awaitable[None]]]) -> None:
        name, operation = work
        try:
            await operation()
        except BronzeError as exc:
            warnings.append(f"{prefix}{name} was not removed: {exc}")
        else:
            removed.append(name)

    work: list[tuple[str, Callable[[], Awaitable[None]]]] = []
    try:
        async for info in store.scan(prefix):
            name = info.key.removeprefix(prefix)
            if name not in keep and is_dead(name):
                work.append((name, _bind(store.delete, info.key)))
        async for staged in store.scan_staged(prefix):
            name = staged.key.removeprefix(prefix)
            if is_dead(name):  # also one of a name that is kept: that file was completed
                work.append((name, _bind(store.discard, staged)))
    except BronzeError as exc:
        warnings.append(f"{partition} was not listed for reaping: {exc}")
    await each(work, remove, at_once=_AT_ONCE)
    return Reaped(removed=tuple(sorted(removed)), warnings=tuple(sorted(warnings)))


def _bind(operation: Callable[[_T], Awaitable[None]], what: _T) -> Callable[[], Awaitable[None]]:
    return lambda: operation(what)
