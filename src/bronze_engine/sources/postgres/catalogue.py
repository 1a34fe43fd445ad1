"""What the catalogue says of a table or a query: columns, types, keys, size.

One query a relation, one a query's columns. Domains are followed down to what they are over,
with its modifier, and arrays to their elements; what a type is called there is what decides
how its values are read (types.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import asyncpg
import msgspec

from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.model.identifier import RelationName, quote_ident
from bronze_engine.model.nearest import nearest_names
from bronze_engine.sources.postgres.description import describe

__all__ = ["CatalogueColumn", "Relation", "columns_of_query", "find_relation"]

RelationKind = Literal["table", "partitioned table", "view", "materialized view", "foreign table"]
TypeKind = Literal["base", "composite", "enum", "range", "multirange", "pseudo"]

NAMES_SHOWN: Final = 20
"""Names of tables that an error lists where none is near."""

_WALK: Final = """
walked (place, step, type_id, modifier, is_array, dimensions) AS (
    SELECT place, 0, type_id, modifier, false, dimensions FROM listed
    UNION ALL
    SELECT w.place, w.step + 1,
        CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END,
        CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE w.modifier END,
        w.is_array OR t.typtype <> 'd',
        CASE WHEN w.is_array THEN w.dimensions ELSE greatest(w.dimensions, t.typndims) END
    FROM walked w JOIN pg_catalog.pg_type t ON t.oid = w.type_id
    WHERE t.typtype = 'd' OR NOT w.is_array AND EXISTS (
        SELECT FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid)
),
found (columns) AS (
    SELECT coalesce(json_agg(json_build_object(
        'name', l.name,
        'source_type', pg_catalog.format_type(l.type_id, l.modifier),
        'type_schema', n.nspname,
        'type_name', t.typname,
        'type_kind', CASE t.typtype WHEN 'b' THEN 'base' WHEN 'c' THEN 'composite'
            WHEN 'e' THEN 'enum' WHEN 'r' THEN 'range' WHEN 'm' THEN 'multirange'
            ELSE 'pseudo' END,
        'modifier', w.modifier,
        'is_array', w.is_array,
        'dimensions', w.dimensions,
        'is_required', l.is_required,
        'is_readable', l.is_readable,
        'is_generated', l.is_generated
    ) ORDER BY l.place), '[]')
    FROM listed l
    JOIN (SELECT DISTINCT ON (place) * FROM walked ORDER BY place, step DESC) w USING (place)
    JOIN pg_catalog.pg_type t ON t.oid = w.type_id
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
)"""
"""From `listed`, the types that columns were declared with, to `found`, what they come to."""

_RELATION: Final = f"""
WITH RECURSIVE relation AS (
    SELECT c.*, n.nspname FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = $2::text::name
        AND CASE WHEN $1::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
            ELSE n.nspname = $1::text::name END
),
listed AS (
    SELECT a.attnum::int AS place, a.attname AS name, a.atttypid AS type_id,
        a.atttypmod AS modifier, a.attndims::int AS dimensions,
        a.attnotnull AND r.relkind IN ('r', 'p') AND NOT (r.relkind = 'r' AND r.relhassubclass)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = r.oid
                AND k.contype = 'n' AND NOT k.convalidated AND a.attnum = ANY (k.conkey))
            AS is_required,
        -- NULL of what was dropped since: privileges are those of now, not of the snapshot.
        coalesce(pg_catalog.has_column_privilege(r.oid, a.attnum, 'SELECT'), false) AS is_readable,
        a.attgenerated <> '' AS is_generated
    FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped
),
{_WALK},
stored AS (
    SELECT sum(c.reltuples) FILTER (WHERE c.reltuples >= 0) AS row_estimate,
        coalesce(sum(pg_catalog.pg_relation_size(c.oid)), 0)::bigint AS size_bytes
    FROM relation r
    CROSS JOIN LATERAL (SELECT r.oid
        UNION SELECT relid::oid FROM pg_catalog.pg_partition_tree(r.oid)) part (id)
    JOIN pg_catalog.pg_class c ON c.oid = part.id AND c.relkind IN ('r', 'm', 'f')
)
SELECT json_build_object(
    'schema', r.nspname,
    'name', r.relname,
    'kind', CASE r.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table'
        WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END,
    'has_children', r.relhassubclass,
    'user', current_user,
    'is_usable', coalesce(pg_catalog.has_schema_privilege(r.relnamespace, 'USAGE'), false),
    'is_filtered', r.relrowsecurity AND pg_catalog.row_security_active(r.oid),
    'row_estimate', stored.row_estimate::bigint,
    'size_bytes', stored.size_bytes,
    'block_bytes', pg_catalog.current_setting('block_size')::int,
    'primary_key', (
        SELECT coalesce(json_agg(a.attname ORDER BY k.place), '[]')
        FROM pg_catalog.pg_index i
        CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.attnum
        WHERE i.indrelid = r.oid AND i.indisprimary AND k.place <= i.indnkeyatts),
    'columns', found.columns
)::text
FROM relation r, stored, found
WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f')
"""  # noqa: S608  # put together from constants

_QUERY: Final = f"""
WITH RECURSIVE listed AS (
    SELECT place::int, name, type_id, modifier, 0 AS dimensions,
        false AS is_required, true AS is_readable, false AS is_generated
    FROM unnest($1::text[], $2::oid[], $3::int4[])
        WITH ORDINALITY u (name, type_id, modifier, place)
),
{_WALK}
SELECT columns::text FROM found
"""  # noqa: S608  # put together from constants

_NAMES: Final = """
SELECT c.relname AS name, pg_catalog.pg_table_is_visible(c.oid) AS is_visible,
    n.nspname || '.' || c.relname AS full_name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
    AND n.nspname <> 'information_schema'
ORDER BY is_visible DESC, full_name LIMIT 5000
"""  # comparing more of them would hold up the event loop


class CatalogueColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a relation or query, and what its type comes to below domains and arrays."""

    name: str
    source_type: str
    """As declared: "numeric(18,4)", "email", "integer[]"."""
    type_schema: str
    type_name: str
    """Below all domains; of an array that of its elements: "numeric", "int4"."""
    type_kind: TypeKind
    modifier: int
    """The type modifier (precision and scale, a length) of that type; -1 for none."""
    is_array: bool
    dimensions: int
    """As the table declares them (int[][] has 2), which the server does not enforce; 0 where
    nothing is declared."""
    is_required: bool
    """No row can have NULL here: NOT NULL, and enforced (not of views and foreign tables)."""
    is_readable: bool
    is_generated: bool


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """A table, view, materialized view or foreign table."""

    schema: str
    name: str
    kind: RelationKind
    has_children: bool
    """Partitions, or tables that inherit from it."""
    user: str
    """Whom it is read as."""
    is_usable: bool
    """Whether that user may use its schema at all."""
    is_filtered: bool
    """Whether row-level security decides which of its rows that user sees."""
    row_estimate: int | None
    """Of the last ANALYZE or VACUUM, partitions included; None where there was none."""
    size_bytes: int
    """Of its own pages now, partitions included, without indexes and TOAST; 0 of a view."""
    block_bytes: int
    primary_key: tuple[str, ...]
    columns: tuple[CatalogueColumn, ...]

    @property
    def quoted(self) -> str:
        """As SQL reads it, whatever the search_path is."""
        return RelationName(self.schema, self.name).quoted

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def check_readable(self, names: Sequence[str]) -> None:
        """Raise ExtractError naming the GRANT that is missing to read these columns."""
        user = quote_ident(self.user)
        if not self.is_usable:
            raise ExtractError(
                f"the user {self.user!r} may not use the schema {self.schema} of {self};"
                f" GRANT USAGE ON SCHEMA {quote_ident(self.schema)} TO {user}"
            )
        hidden = {column.name for column in self.columns if not column.is_readable}
        refused = [name for name in names if name in hidden]
        if not refused:
            return
        all_of_them = len(hidden) == len(self.columns)
        columns = "" if all_of_them else f" ({', '.join(map(quote_ident, refused))})"
        raise ExtractError(
            f"the user {self.user!r} may not read {', '.join(refused)} of {self};"
            f" GRANT SELECT{columns} ON {self.quoted} TO {user}"
        )


async def find_relation(connection: asyncpg.Connection, text: str) -> Relation:
    """The relation that the configuration calls `text`, looked for in the session's search_path.

    Raises ConfigError for what is no name, ExtractError where there is none of that name
    (naming those near it). What may not be read is found, too: `check_readable` judges it.
    """
    try:
        wanted = RelationName.parse(text)
    except ValueError as exc:
        raise ConfigError(f"source.table: {exc}") from exc
    found = await connection.fetchval(_RELATION, wanted.schema, wanted.name)
    if found is None:
        raise ExtractError(f"there is no table or view {wanted}; {await _near(connection, wanted)}")
    return msgspec.json.decode(found, type=Relation)


async def columns_of_query(
    connection: asyncpg.Connection, query: str
) -> tuple[CatalogueColumn, ...]:
    """The columns that a query gives, learnt without running it.

    Raises ConfigError where it gives no rows, or two columns of one name.
    """
    described = await describe(connection, query)
    if described is None:
        raise ConfigError("source.query gives no rows; write a SELECT")
    names = [column.name for column in described]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"source.query gives {len(names)} columns, and more than one is called"
            f" {', '.join(map(repr, twice))}; give each a name of its own with AS"
        )
    columns = await connection.fetchval(
        _QUERY,
        names,
        [column.type_id for column in described],
        [column.modifier for column in described],
    )
    return msgspec.json.decode(columns, type=tuple[CatalogueColumn, ...])


async def _near(connection: asyncpg.Connection, wanted: RelationName) -> str:
    rows = await connection.fetch(_NAMES)
    known = [row["full_name"] for row in rows]
    options = {name.casefold(): name for name in known}
    if wanted.schema is None:  # it may be in a schema that nobody looks into
        for row in rows:
            options.setdefault(row["name"].casefold(), row["full_name"])
        options |= {row["name"].casefold(): row["name"] for row in rows if row["is_visible"]}
    close = nearest_names(str(wanted), options, most=3)
    near = list(dict.fromkeys(options[name] for name in close))
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not known:
        return "the database has none that this user could see"
    if len(known) <= NAMES_SHOWN:
        return f"known are {', '.join(known)}"
    return f"none of {len(known):,} others has a name like it; write schema.table"
