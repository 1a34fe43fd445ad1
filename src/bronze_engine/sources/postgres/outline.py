"""What a database holds, for people who look: its tables, and what tells of keys and cursors."""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec

from bronze_engine.errors import ExtractError
from bronze_engine.model.identifier import RelationName, quote_ident
from bronze_engine.model.nearest import nearest
from bronze_engine.sources.postgres.catalogue import Relation, RelationKind

__all__ = ["ColumnStatistics", "Evidence", "Listed", "evidence_of", "list_relations", "sample_of"]

SAMPLE_ROWS: Final = 5
TEXT_LENGTH: Final = 200
"""What of a value is fetched for a sample."""

_RELATIONS: Final = """
SELECT coalesce(json_agg(json_build_object(
    'schema', n.nspname,
    'name', c.relname,
    'kind', CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table'
        WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END,
    'is_readable', pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
) ORDER BY c.relname), '[]')::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid
        AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e')
"""

_SCHEMAS: Final = """
SELECT nspname FROM pg_catalog.pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname
"""

_EVIDENCE: Final = """
WITH relation AS (SELECT pg_catalog.to_regclass($1)::oid AS oid),
keys AS (
    SELECT i.*, (
        SELECT json_agg(a.attname ORDER BY k.place)
        FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        WHERE k.place <= i.indnkeyatts) AS names,
        NOT EXISTS (
            SELECT FROM unnest(i.indkey::int2[]) k (attnum)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE NOT a.attnotnull) AS is_required
    FROM pg_catalog.pg_index i JOIN relation r ON i.indrelid = r.oid
    WHERE i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
)
SELECT json_build_object(
    'unique_keys', (
        SELECT coalesce(json_agg(k.names ORDER BY k.indisprimary DESC, k.indnkeyatts, k.indexrelid),
            '[]')
        FROM keys k WHERE k.indisunique AND k.is_required),
    'indexed', (SELECT coalesce(json_agg(DISTINCT k.names ->> 0), '[]') FROM keys k
        JOIN pg_catalog.pg_class c ON c.oid = k.indexrelid
        JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'btree'),
    'counted', (
        SELECT coalesce(json_agg(a.attname), '[]')
        FROM pg_catalog.pg_attribute a
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = r.oid AND a.attnum > 0 AND (a.attidentity <> ''
            OR pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')),
    'total_bytes', pg_catalog.pg_total_relation_size(r.oid),
    'statistics', (
        SELECT coalesce(json_object_agg(s.attname, json_build_object(
            'null_share', s.null_frac, 'distinct', s.n_distinct, 'width', s.avg_width)), '{}')
        FROM (
            SELECT DISTINCT ON (s.attname) s.* FROM pg_catalog.pg_stats s
            JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
            JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
            WHERE c.oid = r.oid ORDER BY s.attname, s.inherited DESC) s)
)::text
FROM relation r
"""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A relation of a schema; partitions are part of the table that they belong to."""

    schema: str
    name: str
    kind: RelationKind
    is_readable: bool

    @property
    def relation_name(self) -> RelationName:
        return RelationName(self.schema, self.name)


class ColumnStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What the last ANALYZE has found of a column."""

    null_share: float
    distinct: float
    """How many values there are; where negative, their share of the rows, as pg_stats has it."""
    width: int
    """Bytes of a value, on average."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What tells of keys and cursors, beside names and types."""

    unique_keys: tuple[tuple[str, ...], ...]
    """Columns of unique indexes without NULLs, the primary key's first, then the shortest."""
    indexed: frozenset[str]
    """Columns that lead a B-tree: rows above a value of theirs are found without reading all."""
    counted: frozenset[str]
    """Identity and serial columns."""
    total_bytes: int
    """With indexes and TOAST; of a partitioned table without its partitions."""
    statistics: dict[str, ColumnStatistics]


async def list_relations(connection: asyncpg.Connection, schema: str) -> tuple[Listed, ...]:
    """The tables and views of a schema by name, without those of extensions.

    Raises ExtractError naming the schemas that there are, where it is none of them.
    """
    found = msgspec.json.decode(
        await connection.fetchval(_RELATIONS, schema), type=tuple[Listed, ...]
    )
    if not found:
        known = [row["nspname"] for row in await connection.fetch(_SCHEMAS)]
        if schema not in known:
            hint = nearest(schema, known, write=repr)
            raise ExtractError(f"there is no schema {schema!r}; {hint}")
    return found


async def evidence_of(connection: asyncpg.Connection, relation: Relation) -> Evidence:
    """What indexes and statistics say of a relation."""
    found = await connection.fetchval(_EVIDENCE, relation.quoted)
    return msgspec.json.decode(found, type=Evidence)


async def sample_of(
    connection: asyncpg.Connection, relation: Relation, columns: tuple[str, ...]
) -> tuple[tuple[str | None, ...], ...]:
    """The first rows as the server finds them, each value as it prints it, cut where long."""
    texts = ", ".join(f"left({quote_ident(name)}::text, {TEXT_LENGTH})" for name in columns)
    if not texts:
        return ()
    sql = f"SELECT {texts} FROM {relation.quoted} LIMIT {SAMPLE_ROWS}"  # noqa: S608  # quoted
    return tuple(tuple(row) for row in await connection.fetch(sql))
