"""What a merge decides by, as SQL over narrow relations (see winners): pure text.

    NEW       the records that came in
    KNOWN     what the table says of their keys
    ANEW      keys that the two don't decide: all that Bronze has of them is read again
    MARKS     of all other keys what they have become, where that is not what they were
    TOUCHED   the keys of MARKS
    LEAVING   what of KNOWN they take the place of

A row of the table is worth its record: it has the values that decide its place. Only of an end it
is not known what came after `moment` in its place; what is of the same moment is made anew then.
Of a full history the rows that are kept are no more than what changed; where records come out of
their order, the key is made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from bronze_engine.silver.columns.shape import (
    BRONZE_DATE,
    DELETED,
    DELETED_AT,
    DELETED_DATE,
    FROM,
    PART,
    ROW,
    TO,
    Shape,
)
from bronze_engine.silver.database.sql import columns, identifier, literal
from bronze_engine.silver.database.types import sql_type
from bronze_engine.silver.fold.current import current_marks, marks_of_living
from bronze_engine.silver.fold.versions import unlike_before, version_marks
from bronze_engine.silver.fold.winners import (
    NO_DELETE,
    at,
    descending,
    key_names,
    narrow,
    newer,
    rest,
    same_keys,
)

__all__ = [
    "ANEW",
    "DIFFERS",
    "KNOWN",
    "LEAVING",
    "MARKS",
    "NEW",
    "TOUCHED",
    "changed_marks",
    "changed_unlike",
    "ended_keys",
    "keys_of",
    "known_of",
    "leaving_rows",
    "new_of",
    "revealed_keys",
    "traced_keys",
    "undecided_keys",
]

NEW: Final = "merge_new"
KNOWN: Final = "merge_known"
DIFFERS: Final = "merge_differs"
ANEW: Final = "merge_anew"
MARKS: Final = "merge_marks"
TOUCHED: Final = "merge_touched"
LEAVING: Final = "merge_leaving"


def keys_of(shape: Shape, relation: str) -> str:
    """The keys of rows or records, narrow."""
    named = (f"{identifier(name)} AS k{number}" for number, name in enumerate(shape.keys))
    return f"SELECT {', '.join(named)} FROM {relation}"


def new_of(shape: Shape, records: str, *, differing: bool) -> str:
    """NEW. Of a current table the newest record of each key, and the newest delete; of the keys in
    DIFFERS alone, where there is that."""
    facts = narrow(shape, records, "TRUE" if shape.sees_deletes else NO_DELETE)
    if differing:
        facts = f"SELECT n.* FROM ({facts}) n SEMI JOIN {DIFFERS} d ON {same_keys(shape, 'n', 'd')}"
    if shape.history == "full":
        return facts
    keys = ", ".join(key_names(shape))
    return (
        f"SELECT * FROM ({facts}) QUALIFY row_number() OVER"
        f" (PARTITION BY {keys}, dead ORDER BY {descending(shape)}) = 1"
    )


def known_of(shape: Shape, rows: str, departed: str | None, keys: str, *, vanishing: bool) -> str:
    """KNOWN: of the keys in a relation the row that stands, or its end; narrow.

    `vanishing`: also of all others that live.
    """
    pairs = same_keys(shape, "t", "n")
    join, where = f"SEMI JOIN {keys} n ON {pairs}", ""
    if vanishing:
        listed = ", ".join(key_names(shape))
        once = f"(SELECT DISTINCT {listed}, TRUE AS is_new FROM {keys})"
        join, where = f"LEFT JOIN {once} n ON {pairs}", " WHERE n.is_new OR NOT t.gone"
    known = f"SELECT t.* FROM ({_standing(shape, rows)}) t {join}{where}"
    if departed is not None:
        ends = f"SELECT t.* FROM ({_ends(shape, departed)}) t SEMI JOIN {keys} n ON {pairs}"
        known += f" UNION ALL {ends}"
    return known


def _standing(shape: Shape, rows: str) -> str:
    first = at(shape)
    full = shape.history == "full"
    moment = FROM if full else BRONZE_DATE if first is None else first
    named = [
        *((name, f"k{number}") for number, name in enumerate(shape.keys)),
        (moment, "moment"),
        *((name, f"o{number}") for number, name in enumerate(rest(shape))),
        (BRONZE_DATE, "landed"),
        (PART, "part"),
        (ROW, "nth"),
        (DELETED, "gone"),
        (FROM if full else DELETED_AT, "since"),
        (BRONZE_DATE if full else DELETED_DATE, "told"),
    ]
    listed = ", ".join(f"{identifier(name)} AS {short}" for name, short in named)
    last = f" WHERE {identifier(TO)} IS NULL" if full else ""
    return f"SELECT {listed}, FALSE AS is_end FROM ({rows}){last}"


def _ends(shape: Shape, departed: str) -> str:
    full = shape.history == "full"
    since = identifier(FROM if full else DELETED_AT)
    told = identifier(BRONZE_DATE)
    nothing = (
        f"CAST(NULL AS {sql_type(shape.columns.field(name).type)}) AS o{number}"
        for number, name in enumerate(rest(shape))
    )
    listed = [
        *(f"{identifier(name)} AS k{number}" for number, name in enumerate(shape.keys)),
        f"{since} AS moment",
        *nothing,
        f"{told} AS landed, {identifier(PART)} AS part, {identifier(ROW)} AS nth, TRUE AS gone",
        f"{since} AS since, {told} AS told, TRUE AS is_end",
    ]
    last = f" WHERE {identifier(TO)} IS NULL" if full else ""
    return f"SELECT {', '.join(listed)} FROM ({departed}){last}"


def traced_keys(shape: Shape, rows: str, departed: str | None, back: Iterable[date]) -> str:
    """The keys of what the table has of dates that are taken back."""
    dates = ", ".join(literal(day) for day in sorted(back))
    where = f"{identifier(BRONZE_DATE)} IN ({dates})"
    ends = f" OR {identifier(DELETED_DATE)} IN ({dates})" if shape.history == "current" else ""
    traced = keys_of(shape, f"({rows}) WHERE {where}{ends}")
    if departed is not None:
        traced += " UNION ALL " + keys_of(shape, f"({departed}) WHERE {where}")
    return traced


def ended_keys(shape: Shape, rows: str, departed: str | None) -> str:
    """The keys of a full history that were ever gone."""
    ended = keys_of(shape, f"({rows}) WHERE {identifier(DELETED)}")
    if departed is not None:
        ended += " UNION " + keys_of(shape, f"({departed})")
    return ended


def revealed_keys(
    shape: Shape,
    records: str,
    rows: str,
    departed: str | None,
    ended: str,
    dates: Iterable[date],
) -> str:
    """The keys of records whose place a delete may have taken that is taken back.

    A delete after a delete leaves no trace in a full history, but for a record of the same moment:
    that is no version. `records` of other dates than these are looked at, of the keys in `ended`.
    """
    listed = ", ".join(literal(day) for day in sorted(dates))
    alive = narrow(shape, records, f"{NO_DELETE} AND {identifier(BRONZE_DATE)} NOT IN ({listed})")
    known = " UNION ALL ".join(
        f"SELECT {columns(shape.keys)}, {identifier(FROM)} FROM ({each})"
        for each in (rows, departed)
        if each is not None
    )
    named = ", ".join((*key_names(shape), "moment"))
    return (
        f"SELECT {', '.join(f'r.{name}' for name in key_names(shape))} FROM ({alive}) r"
        f" SEMI JOIN {ended} e ON {same_keys(shape, 'r', 'e')}"
        f" ANTI JOIN (SELECT t.* FROM ({known}) AS t({named})"
        f" SEMI JOIN {ended} e ON {same_keys(shape, 't', 'e')}) t"
        f" ON {same_keys(shape, 'r', 't')} AND r.moment IS NOT DISTINCT FROM t.moment"
    )


def undecided_keys(shape: Shape, *, in_order: bool) -> str:
    """Keys whose records NEW and KNOWN can't bring into one order.

    `in_order`: all dates of NEW come after those of the table.
    """
    keys = ", ".join(f"k.{name}" for name in key_names(shape))
    pairs = f"{KNOWN} k JOIN {NEW} n ON {same_keys(shape, 'k', 'n')}"
    if shape.history == "current":
        unlike = "k.moment IS NOT DISTINCT FROM k.since AND NOT k.is_end"
        newer = "NOT n.dead AND (n.moment > k.since OR (k.since IS NULL AND n.moment IS NOT NULL))"
        return (
            f"SELECT {keys} FROM {pairs} WHERE k.gone AND n.moment IS NOT DISTINCT FROM k.since"
            f" UNION ALL SELECT {keys} FROM (SELECT * FROM {KNOWN} k WHERE k.gone AND {unlike}) k"
            f" ANTI JOIN (SELECT * FROM {NEW}) n ON {same_keys(shape, 'k', 'n')} AND {newer}"
        )
    if at(shape) is not None:
        # A delete of a key that was gone by then has left no trace: it may lie in between.
        later = "n.moment > k.moment OR (k.moment IS NULL AND n.moment IS NOT NULL)"
        return f"SELECT {keys} FROM {pairs} WHERE k.gone OR NOT coalesce({later}, FALSE)"
    every = ", ".join(key_names(shape))
    return f"SELECT {every} FROM {NEW} WHERE {literal(not in_order)}"


def changed_marks(
    shape: Shape, values: str, snapshots: Sequence[date], *, unlike: str | None = None
) -> str:
    """MARKS: what has become of the keys in NEW, and of those that snapshots lack.

    `values` is a relation of records that has what both NEW and KNOWN are of; `unlike` has what
    the SELECTs of `changed_unlike` find, where there are some.
    """
    if shape.history == "current" and not shape.sees_deletes:
        return _overtaking(shape)
    if shape.history == "full":
        marks = version_marks(shape, values, snapshots, unlike=unlike)
        is_open = "m.part < 0 AND ((NOT m.gone AND m.is_open)"
        unchanged = f"{is_open} OR (m.gone AND m.until IS NULL AND k.gone))"
    else:
        marks = current_marks(shape, snapshots)
        unchanged = (
            "m.part < 0 AND (NOT m.gone OR (k.gone AND m.since IS NOT DISTINCT FROM k.since"
            " AND m.told IS NOT DISTINCT FROM k.told))"
        )
    return (
        f"WITH facts AS ({_decided(shape)}) SELECT m.* FROM ({marks}) m LEFT JOIN {KNOWN} k"
        f" ON {same_keys(shape, 'm', 'k')} WHERE NOT coalesce({unchanged}, FALSE)"
    )


def changed_unlike(shape: Shape, values: str, snapshots: Sequence[date]) -> list[str]:
    """What is to be found out before `changed_marks`, a SELECT at a time: see `unlike_before`."""
    if shape.history != "full":
        return []
    return [
        f"WITH facts AS ({_decided(shape)}) SELECT * FROM ({each})"
        for each in unlike_before(shape, values, snapshots)
    ]


def _decided(shape: Shape) -> str:
    """What is known of the keys that are not made anew, narrow."""
    ours = (*key_names(shape), "moment", *(f"o{number}" for number in range(len(rest(shape)))))
    listed = ", ".join(ours)
    facts = [f"SELECT {listed}, dead, landed, part, nth FROM {NEW}"]
    if shape.history == "full":
        facts.append(f"SELECT {listed}, gone AS dead, landed, part, nth FROM {KNOWN}")
    else:
        facts.append(
            f"SELECT {listed}, FALSE AS dead, landed, part, nth FROM {KNOWN} WHERE NOT is_end"
        )
        ended = ", ".join("since" if name == "moment" else name for name in ours)
        facts.append(f"SELECT {ended}, TRUE AS dead, told, part, nth FROM {KNOWN} WHERE gone")
    return (
        f"SELECT f.* FROM ({' UNION ALL '.join(facts)}) f"
        f" ANTI JOIN {ANEW} a ON {same_keys(shape, 'f', 'a')}"
    )


def _overtaking(shape: Shape) -> str:
    """MARKS where nothing is ever gone: NEW and KNOWN have a key once each, so that a join says
    which is newer."""
    decided = (
        f"SELECT n.* FROM {NEW} n LEFT JOIN (SELECT * FROM {KNOWN} WHERE NOT is_end) k"
        f" ON {same_keys(shape, 'n', 'k')} WHERE k.nth IS NULL OR {newer(shape, 'n', 'k')}"
    )
    return marks_of_living(
        shape,
        f"(SELECT n.* FROM ({decided}) n ANTI JOIN {ANEW} a ON {same_keys(shape, 'n', 'a')})",
    )


def leaving_rows(shape: Shape) -> str:
    """LEAVING."""
    listed = ", ".join(f"n.{name}" for name in (*key_names(shape), "part", "nth", "gone", "is_end"))
    return f"SELECT {listed} FROM {KNOWN} n SEMI JOIN {TOUCHED} t ON {same_keys(shape, 'n', 't')}"
