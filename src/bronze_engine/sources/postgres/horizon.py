"""How far a cursor may be read: below everything that an open transaction may still write.

A timestamp is given when its transaction begins or later, and is seen when that commits. So
rows may yet appear at any instant since the oldest open transaction began, and a window ends
before it. What is asked for here is asked before the snapshot of the data is taken: whoever is
not listed then has either committed, and is in the snapshot, or begins later.

Numbers and texts tell nothing of when they were given. There the highest is read first, and
the snapshot is taken once every transaction that was open then has ended.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final, final
from zoneinfo import ZoneInfo

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.errors import ExtractError
from bronze_engine.sources.postgres.cursor import Cursor

__all__ = ["READER_LOCK", "Horizon", "Unsettled", "last_before", "look", "settle", "unsettled"]

log = logging.getLogger(__name__)

READER_LOCK: Final = (0x62726E7A, 1)
"""The advisory lock that our own reading transactions share: they write nothing, so nobody's
window has to end before they began. pg_locks shows it to everybody."""

HELD_BACK_SECONDS: Final = 3600.0
"""A transaction that is open for longer is named in a warning; one that numbers have to wait
for ends the run."""

TELL_SECONDS: Final = 10.0

PREPARED_MARGIN_SECONDS: Final = 3600.0
"""pg_prepared_xacts says when a transaction was prepared, not when it began: unless
`incremental.lag` says more, it is taken to have begun so long before."""

_ANYWHERE: Final = "Etc/GMT+12"
"""The zone where a day ends last: for dates whose zone is not told."""

_OTHERS: Final = """
WITH others AS MATERIALIZED (
  SELECT pid,
         -- Between the arrival of a statement and its transaction's entry lies a moment.
         coalesce(xact_start,
                  CASE WHEN state = 'active' AND backend_type = 'client backend'
                       THEN query_start END) AS since,
         query = '<insufficient privilege>' AS is_hidden,
         coalesce(state = 'disabled', false) AS is_untracked
    FROM pg_stat_activity AS activity
   WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND pid <> pg_backend_pid()
     AND (backend_type IS NULL OR backend_type NOT IN ('autovacuum worker', 'walsender'))
     AND NOT EXISTS (
       SELECT FROM pg_locks AS ours
        WHERE ours.pid = activity.pid AND ours.granted AND ours.locktype = 'advisory'
          AND ours.classid = $1::oid AND ours.objid = $2::oid)
)
SELECT statement_timestamp() AS now,
       pg_is_in_recovery() AS is_standby,
       current_user::text AS role,
       (SELECT count(*) FROM others WHERE is_hidden) AS hidden,
       (SELECT min(pid) FROM others WHERE is_untracked) AS untracked,
       oldest.pid, oldest.since
  FROM (VALUES (1)) AS one
  LEFT JOIN (SELECT pid, since FROM others WHERE since IS NOT NULL ORDER BY since LIMIT 1)
    AS oldest ON true
"""

# Read after the sessions: a transaction that is prepared in between is in both.
_PREPARED: Final = """
SELECT gid, prepared FROM pg_prepared_xacts
 WHERE database = current_database() ORDER BY prepared LIMIT 1
"""

_BELOW: Final = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
# Each transaction that writes holds its own number, prepared ones too; everybody may see it.
_OPEN: Final = """
SELECT ARRAY(SELECT transactionid::text FROM pg_locks
              WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted)
"""
_IS_UNSETTLED: Final = f"""
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint < $1 OR ({_OPEN}) && $2::text[]
"""

_HOLDER: Final = """
SELECT format('the transaction of pid %s, open since %s', pid, xact_start)
  FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
UNION ALL
SELECT format('the prepared transaction %L, prepared at %s', gid, prepared) FROM pg_prepared_xacts
 LIMIT 1
"""


class Horizon(msgspec.Struct, frozen=True, kw_only=True):
    """Before when everything has been committed or rolled back."""

    before: datetime
    """Aware."""
    warning: str | None = None


async def look(session: Any, lag_seconds: float | None) -> Horizon:
    """Find the oldest open transaction of the database, prepared ones included.

    Raises ExtractError where sessions are hidden from us and no lag is configured.
    """
    others = await session.fetchrow(_OTHERS, *READER_LOCK)
    prepared = await session.fetchrow(_PREPARED)
    now: datetime = others["now"]
    if lag_seconds is None and others["is_standby"]:
        raise ExtractError(
            "this server is a standby, which does not know when the transactions of its primary"
            " began; set incremental.lag to more than the longest of them takes"
        )
    if lag_seconds is None and others["hidden"]:
        raise ExtractError(
            f"{others['hidden']} sessions of other roles are hidden from {others['role']}, so when"
            " the oldest open transaction began is not known, and rows that it commits late would"
            f" be lost; GRANT pg_read_all_stats TO {others['role']}, or set incremental.lag to"
            " more than the longest transaction takes"
        )
    if lag_seconds is None and others["untracked"] is not None:
        raise ExtractError(
            f"the session with pid {others['untracked']} has track_activities off, so when its"
            " transaction began is not known, and rows that it commits late would be lost; switch"
            " it on there, or set incremental.lag to more than the longest transaction takes"
        )
    ends = [now if lag_seconds is None else now - timedelta(seconds=lag_seconds)]
    warning = None
    if others["since"] is not None:
        ends.append(others["since"])
        if now - others["since"] > timedelta(seconds=HELD_BACK_SECONDS):
            warning = (
                f"the transaction of pid {others['pid']} is open since {others['since']}: rows"
                " newer than that wait for a later run; end it if it is forgotten"
            )
    if prepared is not None:
        margin = PREPARED_MARGIN_SECONDS if lag_seconds is None else lag_seconds
        ends.append(prepared["prepared"] - timedelta(seconds=margin))
        warning = (
            f"the prepared transaction {prepared['gid']!r} waits since {prepared['prepared']}:"
            f" rows newer than {margin:.0f} s before that wait for a later run; commit it, or roll"
            " it back"
        )
    return Horizon(before=min(ends), warning=warning)


def last_before(before: datetime, cursor: Cursor) -> str:
    """The last value of a timestamp or date cursor that was given before an instant, whole."""
    if cursor.kind == "date":
        return (_wall(before, cursor.timezone or _ANYWHERE).date() - timedelta(days=1)).isoformat()
    if cursor.type_name == "timestamptz":
        last = before - timedelta(microseconds=1)
        return last.astimezone(ZoneInfo("UTC")).isoformat(timespec="microseconds")
    zone = cursor.timezone or "UTC"
    hour = timedelta(hours=1)
    # Where clocks are put back the hour comes again: its first half must not end the window.
    wall = min(_wall(before, zone), _wall(before + hour, zone) - hour)
    return (wall - timedelta(microseconds=1)).isoformat(timespec="microseconds")


def _wall(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@final
class _Told:
    """Says once in the log what is being waited for."""

    def __init__(self) -> None:
        self.is_done = False

    def say(self, holder: str) -> None:
        if not self.is_done:
            log.warning("the snapshot waits for %s, which may still write rows", holder)
            self.is_done = True


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """The transactions that were open at an instant."""

    below: int
    """They have lower numbers: one behind the last that had ended by then."""
    numbers: tuple[str, ...]
    """Or one of these, which have begun to write since. A standby does not know them."""


async def unsettled(session: Any) -> Unsettled:
    """Who is open now, of those that have written."""
    below = await session.fetchval(_BELOW)
    return Unsettled(below=below, numbers=tuple(await session.fetchval(_OPEN)))


async def settle(session: Any, those: Unsettled, clock: Clock) -> None:
    """Wait until all of them have ended.

    Raises ExtractError naming the session when that takes more than an hour.
    """
    began, delay, told = clock.monotonic(), 0.01, _Told()
    while await session.fetchval(_IS_UNSETTLED, those.below, those.numbers):
        waited = clock.monotonic() - began
        if waited >= TELL_SECONDS:
            holder = await session.fetchval(_HOLDER) or "a transaction of a role hidden from us"
            if waited >= HELD_BACK_SECONDS:
                raise ExtractError(
                    f"the cursor's rows are not all committed after {waited:.0f} s: {holder} is"
                    " still open; end it, and run again"
                )
            told.say(holder)
        await clock.sleep(delay)
        delay = min(1.0, 2 * delay)
