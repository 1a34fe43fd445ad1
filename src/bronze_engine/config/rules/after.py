"""What a pipeline comes after: the names in full, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.rules.chain import circle_fault
from bronze_engine.model.nearest import nearest

__all__ = ["after_faults", "full_names"]


def full_names(name: str, after: Any) -> tuple[str, ...]:
    """`after` of the pipeline `name` with the teams of its names; what is no name is left out."""
    team = name.partition(".")[0]
    known = after if isinstance(after, list | tuple) else ()
    names = [each if "." in each else f"{team}.{each}" for each in known if isinstance(each, str)]
    return tuple(dict.fromkeys(names))


def after_faults(
    name: str,
    after: tuple[str, ...],
    known: Collection[str],
    others: Mapping[str, tuple[str, ...]],
    path: KeyPath,
) -> Iterator[Fault]:
    """Faults of what `name` comes after; `others` is what each other pipeline comes after."""
    for each in after:
        if each == name:
            yield Fault(path, f'names "{name}" itself; leave it out')
        elif each not in known:
            yield Fault(path, f'there is no pipeline "{each}"; {nearest(each, known)}')
        elif circle := _way_back(name, each, others):
            yield circle_fault(path, circle)


def _way_back(
    name: str, first: str, others: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...] | None:
    """The way from `name` over `first` to `name`, where there is one."""
    seen = {first}
    ways: list[tuple[str, ...]] = [(name, first)]
    while ways:
        way = ways.pop()
        for each in others.get(way[-1], ()):
            if each == name:
                return (*way, name)
            if each not in seen:
                seen.add(each)
                ways.append((*way, each))
    return None
