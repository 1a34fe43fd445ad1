"""The tables that are read: TPC-H's lineitem, and one with a bit of everything.

Each is loaded once, and what it holds is worked out by the server: of every column how many
values are not NULL, and one sum that any of its rows would change. The sums of what a candidate
has landed are worked out by DuckDB, from whatever types it has chosen.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.integration.postgres_server import PostgresServer

__all__ = ["Column", "Table", "lineitem", "mixed"]

Column = Literal["integer", "decimal", "double", "bool", "date", "timestamptz", "text", "uuid"]

SAMPLE = 16
"""Of texts one row in so many is hashed, of the others the length counts."""

SUMS: Mapping[Column, str] = {
    "integer": "sum({name})",
    "decimal": "sum({name})",
    "double": "sum(round(({name} * 1000)::numeric))",
    "bool": "count(*) FILTER (WHERE {name})",
    "date": "sum({name} - date '1970-01-01')",
    "timestamptz": "sum((extract(epoch FROM {name}) * 1000000)::bigint)",
    "text": (
        "sum(octet_length({name}::text))"
        " + coalesce(sum(('x' || left(md5({name}::text), 8))::bit(32)::bigint)"
        f" FILTER (WHERE {{key}} % {SAMPLE} = 0), 0)"
    ),
    "uuid": "sum(('x' || left({name}::text, 8))::bit(32)::bigint)",
}


@dataclass(frozen=True)
class Table:
    name: str
    columns: Mapping[str, Column]
    """The first is the key."""
    load: Callable[[PostgresServer, Path], None]
    """Make and fill it; the folder is for what must be made first."""

    @property
    def key(self) -> str:
        return next(iter(self.columns))

    def fill(self, server: PostgresServer, folder: Path) -> None:
        """Load it, where that has not been done in this folder."""
        mark = folder / f"{self.name}.loaded"
        if not mark.exists():
            self.load(server, folder)
            server.execute(f"VACUUM (ANALYZE, FREEZE) {self.name}")
            mark.touch()

    def expected(self, server: PostgresServer, rows: int | None = None) -> dict[str, str]:
        """What the server holds of each column, as "count sum"; "" is the number of rows.

        Of the first `rows` alone, if given, as the server comes to them.
        """
        expressions = ["count(*)"]
        for name, kind in self.columns.items():
            total = SUMS[kind].format(name=name, key=self.key)
            expressions.append(f"count({name}) || ' ' || trim_scale(({total})::numeric)")
        source = self.name if rows is None else f"(SELECT * FROM {self.name} LIMIT {rows})"  # noqa: S608
        [found] = server.execute(f"SELECT {', '.join(expressions)} FROM {source} AS t")  # noqa: S608
        return dict(zip(["", *self.columns], [value or "" for value in found], strict=True))


LINEITEM: Mapping[str, Column] = {
    "l_orderkey": "integer",
    "l_partkey": "integer",
    "l_suppkey": "integer",
    "l_linenumber": "integer",
    "l_quantity": "decimal",
    "l_extendedprice": "decimal",
    "l_discount": "decimal",
    "l_tax": "decimal",
    "l_returnflag": "text",
    "l_linestatus": "text",
    "l_shipdate": "date",
    "l_commitdate": "date",
    "l_receiptdate": "date",
    "l_shipinstruct": "text",
    "l_shipmode": "text",
    "l_comment": "text",
}

# Texts of TPC-H's fixed text type are varchar here: the sums of padded ones say nothing.
CREATE_LINEITEM = """
CREATE TABLE {name} (
    l_orderkey bigint NOT NULL, l_partkey bigint NOT NULL, l_suppkey bigint NOT NULL,
    l_linenumber integer NOT NULL, l_quantity numeric(15,2) NOT NULL,
    l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
    l_tax numeric(15,2) NOT NULL, l_returnflag varchar(1) NOT NULL,
    l_linestatus varchar(1) NOT NULL, l_shipdate date NOT NULL, l_commitdate date NOT NULL,
    l_receiptdate date NOT NULL, l_shipinstruct varchar(25) NOT NULL,
    l_shipmode varchar(10) NOT NULL, l_comment varchar(44) NOT NULL
);
"""


def lineitem(scale: float, generator: Path) -> Table:
    """TPC-H's biggest table, 6 million rows at scale 1; `generator` is tpchgen-cli."""
    name = f"lineitem_{scale:g}".replace(".", "_")

    def load(server: PostgresServer, folder: Path) -> None:
        subprocess.run(
            [generator, "csv", f"--scale-factor={scale:g}", "--tables=lineitem",
             f"--output-dir={folder}", "--overwrite", "--quiet"],
            check=True,
        )  # fmt: skip
        rows = folder / "lineitem.csv"
        server.execute(
            f"DROP TABLE IF EXISTS {name};{CREATE_LINEITEM.format(name=name)}"
            f"\\copy {name} FROM '{rows}' WITH (FORMAT csv, HEADER)\n"
            f"ALTER TABLE {name} ADD PRIMARY KEY (l_orderkey, l_linenumber);"
        )
        rows.unlink()

    return Table(name, LINEITEM, load)


MIXED: Mapping[str, Column] = {
    "id": "integer",
    "quantity": "integer",
    "price": "double",
    "amount": "decimal",
    "is_active": "bool",
    "category": "text",
    "note": "text",
    "updated_at": "timestamptz",
    "day": "date",
    "uid": "uuid",
    "payload": "text",
}

CREATE_MIXED = """
DROP TABLE IF EXISTS {name};
CREATE TABLE {name} (
    id bigint NOT NULL, quantity integer, price double precision, amount numeric(18,4),
    is_active boolean NOT NULL, category text NOT NULL, note text,
    updated_at timestamptz NOT NULL, day date, uid uuid NOT NULL, payload jsonb
);
INSERT INTO {name} SELECT
    i,
    CASE WHEN i % 11 <> 0 THEN i % 1000 END,
    CASE WHEN i % 13 <> 0 THEN hashint8(i) / 1000.0 END,
    CASE WHEN i % 7 <> 0 THEN (hashint8extended(i, 1) % 1000000000000) / 10000.0 END,
    i % 3 = 0,
    'category-' || i % 50,
    CASE WHEN i % 5 <> 0 THEN repeat(md5(i::text), 1 + (i % 3)::int) END,
    timestamptz '2024-01-01 00:00:00+00' + i * interval '1.000123 seconds',
    CASE WHEN i % 17 <> 0 THEN date '2020-01-01' + (i % 2000)::int END,
    md5('u' || i)::uuid,
    CASE WHEN i % 6 <> 0 THEN jsonb_build_object(
        'sku', md5('s' || i), 'count', i % 100, 'tags', jsonb_build_array('a', 'b', i % 9)
    ) END
FROM generate_series(1::bigint, {rows}) AS i;
ALTER TABLE {name} ADD PRIMARY KEY (id);
"""


def mixed(rows: int, name: str | None = None) -> Table:
    """Text, jsonb, uuid, timestamptz, numeric, double, date and boolean, with NULLs."""
    name = name or f"mixed_{rows}"

    def load(server: PostgresServer, _folder: Path) -> None:
        server.execute(CREATE_MIXED.format(name=name, rows=rows))

    return Table(name, MIXED, load)
