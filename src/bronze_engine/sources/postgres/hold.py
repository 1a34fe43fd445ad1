"""What is read is locked, and is seen to be what was looked at.

A snapshot keeps rows, not tables. TRUNCATE, and an ALTER TABLE that writes a table anew, leave
nothing of it that an older snapshot could see: it would be read as empty. And a COPY sends the
columns as they are by then, not as the catalogue had them when the reading was planned. So,
within the snapshot, everything that will be read is locked first, as any SELECT would; then
nothing can be altered before the transaction ends, and what was altered before shows.

https://www.postgresql.org/docs/current/mvcc-caveats.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from bronze_engine.errors import SnapshotLost
from bronze_engine.sources.postgres.description import describe

__all__ = ["SentType", "hold", "sent_types"]

SentType = tuple[int, int]
"""Of a column as COPY sends it: the type's oid, and its modifier."""

_GONE: Final = (asyncpg.UndefinedColumnError, asyncpg.UndefinedTableError)

# pg_class is read as the snapshot has it, pg_relation_filenode() as it is now.
_WRITTEN_ANEW: Final = """
SELECT coalesce(seen.oid::regclass::text, 'a table')
  FROM pg_locks AS held LEFT JOIN pg_class AS seen ON seen.oid = held.relation
 WHERE held.pid = pg_backend_pid() AND held.locktype = 'relation'
   AND (seen.oid IS NULL
        OR seen.relkind IN ('r', 'm') AND seen.relfilenode <> 0
           AND seen.relfilenode IS DISTINCT FROM pg_relation_filenode(seen.oid))
 LIMIT 1
"""


async def sent_types(connection: asyncpg.Connection, sql: str) -> tuple[SentType, ...]:
    """What a query's columns are sent as. What it names is locked until the transaction ends."""
    described = await describe(connection, sql)
    return tuple((column.type_id, column.modifier) for column in described or ())


async def hold(connection: asyncpg.Connection, sql: str, expected: Sequence[SentType]) -> None:
    """Lock what a query reads, until the transaction ends; it is one with a snapshot.

    Raises SnapshotLost where the columns are not those expected, or are gone, or where a table
    was written anew since the snapshot.
    """
    try:
        sent = await sent_types(connection, sql)
    except _GONE as exc:  # they were there when they were looked at
        raise SnapshotLost(f"{exc.args[0]} any more") from exc
    if sent != tuple(expected):
        raise SnapshotLost("columns were altered while the reading began")
    await connection.execute(f"EXPLAIN {sql}")  # planning locks partitions, too
    changed = await connection.fetchval(_WRITTEN_ANEW)
    if changed is not None:
        raise SnapshotLost(f"{changed} was emptied or written anew while the reading began")
