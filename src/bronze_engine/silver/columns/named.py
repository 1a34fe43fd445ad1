"""Names of columns that the configuration has, held against those that there are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, NoReturn

from bronze_engine.config.silver import Silver
from bronze_engine.errors import QualityError
from bronze_engine.model.layout import EXTRA_COLUMN, VARIANT_SUFFIX
from bronze_engine.model.nearest import nearest

__all__ = ["check_landed", "landed_name", "unknown"]

_TYPED_CHARACTERS: Final = 5
"""Shorter names that differ by one character are words of their own: `tag`, `tags`, `done`."""


def check_landed(silver: Silver, bronze: Collection[str], warn: Callable[[str], None]) -> None:
    """Hold Bronze's names in [silver] against its columns.

    A source may send a key with its first delete only: of what is dropped, renamed, cast or a mark
    and is not there `warn` is told, each time, and nothing else happens. Columns that Bronze itself
    may add are known. Raises QualityError (QUAL001) for a name that is one of
    Bronze's but for a slip of the keyboard, and for what is to be kept and is not there.
    """
    missing = "no record has such a column"
    for name in silver.columns.keep:
        if name not in bronze and name != silver.deleted_column:
            unknown("silver.columns.keep", name, bronze, missing)
    later: dict[str, list[str]] = {}
    for option, name in _may_come(silver):
        if name.removesuffix(VARIANT_SUFFIX) in bronze or name == EXTRA_COLUMN:
            continue
        if any(_is_slip(name, each) for each in bronze):
            unknown(option, name, bronze, missing)
        later.setdefault(name, []).append(option)
    for name, options in later.items():
        warn(
            f"{' and '.join(options)}: no record has a column {name!r} yet, so that has no effect;"
            f" {nearest(name, bronze, write=repr)}"
        )


def landed_name(silver: Silver, name: str) -> str:
    """What Bronze calls a column of the table."""
    return next((old for old, new in silver.columns.rename.items() if new == name), name)


def unknown(option: str, name: str, known: Iterable[str], why: str) -> NoReturn:
    """Raise QualityError (QUAL001) for a name that is none of `known`."""
    hint = nearest(name, known, write=repr)
    raise QualityError(
        f"{option} names {name!r}, and {why}; nothing was published; {hint}", column=name
    )


def _may_come(silver: Silver) -> Iterator[tuple[str, str]]:
    """What may be named before it is there, by the option that does."""
    columns = silver.columns
    if silver.deleted_column is not None:
        yield "silver.deleted_column", silver.deleted_column
    for name in columns.drop:
        yield "silver.columns.drop", name
    for name in columns.rename:
        yield "silver.columns.rename", name
    for name in columns.cast:
        yield "silver.columns.cast", landed_name(silver, name)


def _is_slip(one: str, other: str) -> bool:
    """Whether names differ by case, by what stands between words, or by one character that is
    another, too many, too few, or in its neighbour's place."""
    short, long = sorted((_letters(one), _letters(other)), key=len)
    if short == long:
        return bool(short)
    if len(long) < _TYPED_CHARACTERS or len(long) - len(short) > 1:
        return False
    while short and short[0] == long[0]:
        short, long = short[1:], long[1:]
    if len(short) < len(long):
        return short == long[1:]
    return short[1:] == long[1:] or (short[:2] == long[1::-1] and short[2:] == long[2:])


def _letters(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isalnum())
