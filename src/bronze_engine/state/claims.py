"""The claim on a chain: who may commit the next window of an entity, and where.

    {"claimant": {run, attempt, run_date}, "low": "5", "cap": null, "unfenced": [...]}

Windows of a chain depend on each other, so they are read by one run at a time. The lease tells
the others early; what holds when a lease was wrong is this object and a fence. It is written by
compare-and-set before anything is read. Whoever takes it over fences the partition of the
claimant before (`publish.fence`), so that a commit from there must fail, and only then looks at
the manifests: what is planned after that can't change any more under the claim.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import Conflict, OutcomeUnknown, StateError, StoreError
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.part import ABSENT, Expect, StoredObject
from bronze_engine.model.version import check_version

__all__ = ["FORMAT_VERSION", "Claim", "Claimant", "Held", "key_of", "read", "take"]

FORMAT_VERSION: Final = 1
_SENDS: Final = 5


class Claimant(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a run, and the only date on which it may commit."""

    run: str
    attempt: str
    run_date: date


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the store."""

    format_version: int = FORMAT_VERSION
    claimant: Claimant | None = None
    """None: free."""
    low: str | None = None
    cap: str | None = None
    """The window, as far as it was known before it was read."""
    unfenced: tuple[Claimant, ...] = ()
    """Those before who may have died with a commit on its way, and are not kept out yet: the
    last of each date, for what keeps that one out, its own commit included, keeps out all."""
    written_at: datetime


@final
class Held:
    """A claim that was ours when it was last written; every write finds out whether it still is."""

    def __init__(self, store: Store, key: str, claim: Claim, version: Expect) -> None:
        self.claim = claim
        self._store = store
        self._key = key
        self._version = version

    async def write(self, claim: Claim) -> None:
        """Replace it. Raises StateError (STATE001) where another run has taken it over."""
        self._version = await _put(self._store, self._key, claim, self._version)
        self.claim = claim


def key_of(system: str, entity: str) -> str:
    return f"_state/{system}/{entity}.claim"


async def read(store: Store, system: str, entity: str) -> Claim | None:
    """The claim, or None where there is none.

    Raises StateError where a newer bronze-engine wrote it, or nobody can read it: a claimant
    that is not known can't be kept out.
    """
    key = key_of(system, entity)
    found = await store.get(key)
    return None if found is None else _decode(found, key)


async def take(store: Store, system: str, entity: str, me: Claimant, now: datetime) -> Held:
    """Put our claim in the place of whatever stands there; its claimants are then `unfenced`.

    Raises StateError (STATE001) where another run did so at the same time.
    """
    key = key_of(system, entity)
    found = await store.get(key)
    unfenced: dict[date, Claimant] = {}
    if found is not None:
        before = _decode(found, key)
        unfenced = {one.run_date: one for one in before.unfenced}
        if before.claimant is not None:
            unfenced[before.claimant.run_date] = before.claimant
    claim = Claim(claimant=me, unfenced=tuple(unfenced.values()), written_at=now)
    version = await _put(store, key, claim, ABSENT if found is None else found.version)
    return Held(store, key, claim, version)


async def _put(store: Store, key: str, claim: Claim, expect: Expect) -> Expect:
    """Send it until it is known whose claim stands there: sending it again is safe."""
    body = msgspec.json.format(msgspec.json.encode(claim)) + b"\n"
    for _ in range(_SENDS):
        try:
            return await store.put(key, body, expect=expect)
        except (Conflict, OutcomeUnknown):
            found = await store.get(key)
        if found is not None and found.body == body:
            return found.version
        if (ABSENT if found is None else found.version) != expect:
            raise _taken(key, claim, None if found is None else _decode(found, key))
    raise StoreError(
        f"{key}: {_SENDS} puts in a row were neither applied nor refused for good; run again",
        key=key,
    )


def _taken(key: str, mine: Claim, other: Claim | None) -> StateError:
    place = key.removeprefix("_state/").removesuffix(".claim")
    who = None if other is None else other.claimant
    if who is None or mine.claimant is None:
        return StateError(
            f"the claim on {place} was given back or removed by another run meanwhile; run again",
            key=key,
        )
    window = "" if mine.low is None and mine.cap is None else f" ({mine.low} to {mine.cap or '…'})"
    return StateError(
        f"run {who.run} has claimed {place} for {who.run_date} meanwhile, and its window would"
        f" overlap that of {mine.claimant.run_date}{window}; nothing was published, run"
        f" {mine.claimant.run_date} again when that run has ended",
        key=key,
        run=who.run,
    )


def _decode(found: StoredObject, key: str) -> Claim:
    try:
        claim = msgspec.json.decode(found.body, type=Claim)
    except DAMAGED as exc:
        raise StateError(
            f"{key} can't be read ({exc}): who may still commit there is not known; when no run"
            " is at work, remove it and run again",
            key=key,
        ) from exc
    check_version(key, claim.format_version, FORMAT_VERSION)
    return claim
