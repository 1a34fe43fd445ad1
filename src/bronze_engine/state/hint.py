"""The hint `_state/{system}/{entity}.json`: where an entity stands, for a quick look.

It follows the manifests and never leads: a plan reads the manifests, and wherever the two
disagree the hint is wrong and is written anew.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, Conflict, OutcomeUnknown, StateError, StoreError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.part import ABSENT
from bronze_engine.model.window import Window
from bronze_engine.state.partitions import read_partition

__all__ = ["FORMAT_VERSION", "Hint", "advance", "key_of", "read"]

FORMAT_VERSION: Final = 1
_TRIES: Final = 10


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """The newest commit of an entity: of its newest epoch the newest date."""

    format_version: int = FORMAT_VERSION
    pipeline: str
    system: str
    entity: str
    epoch: int
    run_date: date
    generation: int
    run: str
    watermark: Window | None = None

    @property
    def place(self) -> tuple[int, date, int]:
        """What never goes back."""
        return self.epoch, self.run_date, self.generation


def key_of(system: str, entity: str) -> str:
    return f"_state/{system}/{entity}.json"


async def read(store: Store, system: str, entity: str) -> Hint | None:
    """The hint, or None where there is none or it can't be read: it can be rebuilt.

    Raises StateError (STATE001) where a newer bronze-engine wrote it.
    """
    found = await store.get(key_of(system, entity))
    return None if found is None else _decode(found.body, key_of(system, entity))


async def advance(
    store: Store, manifest: Manifest, *, target: Store | None = None
) -> tuple[str, ...]:
    """Let the hint in `store` follow a commit, by compare-and-set; returns warnings.

    A hint of a later commit is left alone, provided that its manifest bears it out;
    manifests are read from `target` where they do not lie in `store`. Never raises for
    the store's faults: the commit has happened, and the next one brings the hint along.
    """
    try:
        await _advance(store, manifest, target or store)
    except BronzeError as exc:
        return (f"{key_of(manifest.system, manifest.entity)} was not advanced: {exc}",)
    return ()


async def _advance(store: Store, manifest: Manifest, target: Store) -> None:
    key = key_of(manifest.system, manifest.entity)
    mine = _hint_of(manifest)
    body = msgspec.json.format(msgspec.json.encode(mine)) + b"\n"
    for _ in range(_TRIES):
        found = await store.get(key)
        if found is not None:
            hint = _decode(found.body, key)
            if hint == mine:
                return
            if hint is not None and hint.place >= mine.place and await _is_true(target, hint):
                return
        try:
            await store.put(key, body, expect=ABSENT if found is None else found.version)
        except (Conflict, OutcomeUnknown):  # what stands there now tells what became of it
            continue
        return
    raise StoreError(f"{key} was not written in {_TRIES} tries", key=key)


async def _is_true(target: Store, hint: Hint) -> bool:
    manifest = await read_partition(target, hint.system, hint.entity, hint.run_date)
    return manifest is not None and _hint_of(manifest).place >= hint.place


def _hint_of(manifest: Manifest) -> Hint:
    return Hint(
        pipeline=manifest.pipeline,
        system=manifest.system,
        entity=manifest.entity,
        epoch=manifest.epoch,
        run_date=manifest.run_date,
        generation=manifest.generation,
        run=manifest.run,
        watermark=manifest.watermark,
    )


def _decode(body: bytes, key: str) -> Hint | None:
    try:
        hint = msgspec.json.decode(body, type=Hint)
    except msgspec.MsgspecError:
        return None
    if hint.format_version > FORMAT_VERSION:
        raise StateError(
            f"{key} was written by a newer bronze-engine (format {hint.format_version}); upgrade",
            key=key,
        )
    return hint
