"""Notes `_state/{system}/{entity}.dt=YYYY-MM-DD.g00000002.table`: a table of another format may
not show this generation yet.

A run writes its note before it commits, and takes it away when the table has followed. What a
killed run has left of them is what the next run of any date looks after.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import OutcomeUnknown
from bronze_engine.model.manifest import run_date_of
from bronze_engine.model.part import ANY

__all__ = ["Behind", "find", "note", "remove"]

_NAME: Final = re.compile(r"(dt=\d{4}-\d\d-\d\d)\.g(\d{8,})\.table", re.ASCII)


class Behind(msgspec.Struct, frozen=True):
    """A generation that is, or is about to be, committed."""

    run_date: date
    generation: int


async def note(store: Store, system: str, entity: str, behind: Behind) -> None:
    """Write a note. Raises StoreError; an answer that is lost is none: gc looks at all dates."""
    try:
        await store.put(_key(system, entity, behind), b"{}\n", expect=ANY)
    except OutcomeUnknown:
        return


async def find(store: Store, system: str, entity: str) -> list[Behind]:
    """All notes of an entity. Raises StoreError."""
    before = f"_state/{system}/{entity}."
    found = []
    async for info in store.scan(f"{before}dt="):
        match = _NAME.fullmatch(info.key.removeprefix(before))
        run_date = None if match is None else run_date_of(match[1])
        if match is not None and run_date is not None:
            found.append(Behind(run_date, int(match[2])))
    return found


async def remove(store: Store, system: str, entity: str, behind: Behind) -> None:
    """Take a note away. Raises StoreError."""
    await store.delete(_key(system, entity, behind))


def _key(system: str, entity: str, behind: Behind) -> str:
    day = behind.run_date.isoformat()
    return f"_state/{system}/{entity}.dt={day}.g{behind.generation:08}.table"
