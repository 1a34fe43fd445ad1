"""One of several copies of a batch, and which of its pipelines are this one's.

Each copy is started with the same command but for its index (JOB_COMPLETION_INDEX of an
indexed job), and finds its share alone, from names and nothing else: no copy asks another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from bronze_engine.config.config import Config
from bronze_engine.errors import ConfigError

__all__ = ["Shard", "deal", "parse_shard", "share_of", "shares_of"]

_TEXT: Final = re.compile(r"(\d{1,9})/([1-9]\d{0,8})", re.ASCII)

MOST: Final = 100_000
"""Copies: as many as an indexed job may have where it is not run almost one by one. Each of them
deals the names to all."""


class Shard(msgspec.Struct, frozen=True):
    """Copy `index` (from 0, as Kubernetes counts) of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str) -> Shard:
    """`i/n`. Raises ConfigError for anything else, an index that no copy has, and too many."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"--shard {text!r} is no i/n; write the index of this copy, from 0, and their number,"
            " as in 0/4 (in an indexed job: $JOB_COMPLETION_INDEX/4)"
        )
    shard = Shard(int(found[1]), int(found[2]))
    if shard.index >= shard.count:
        raise ConfigError(
            f"--shard {text}: of {shard.count} copies the indexes are 0 to"
            f" {shard.count - 1}; is the number that of the job's completions?"
        )
    if shard.count > MOST:
        raise ConfigError(f"--shard {text}: {MOST:,} copies are the most; give fewer")
    return shard


def share_of(config: Config, names: Sequence[str], shard: Shard) -> tuple[str, ...]:
    """Those of these pipelines that are the shard's; perhaps none."""
    return shares_of(config, names, shard.count)[shard.index]


def shares_of(config: Config, names: Sequence[str], count: int) -> tuple[tuple[str, ...], ...]:
    """These pipelines in `count` shares, of which some may be empty."""

    def after(name: str) -> Iterable[str]:
        team = name.partition(".")[0]
        return (each if "." in each else f"{team}.{each}" for each in config.words(name, "after"))

    return deal(names, count, after)


def deal(
    names: Sequence[str], count: int, after: Callable[[str], Iterable[str]]
) -> tuple[tuple[str, ...], ...]:
    """The names of each of `count` shards, in the order given.

    Those that depend on each other (`after`, however indirectly) stay together. No shard has
    more than its fair share, rounded up, unless one such group is larger. A group goes where the
    hash of its first name says, or where the next hash says while that shard is full: where a
    pipeline is added, few others move.
    """
    groups = _groups(names, after)
    share = -(-len(names) // count)
    load = [0] * count
    shard_of: dict[str, int] = {}
    # Large ones first: they need the room. Then by hash, so that no name is favoured.
    for group in sorted(groups, key=lambda group: (-len(group), _hash(group[0], 0))):
        tries = (_hash(group[0], turn) % count for turn in range(count))
        fitting = (place for place in tries if load[place] + len(group) <= share)
        place = next(fitting, None)
        if place is None:
            place = min(range(count), key=lambda each: (load[each], each))
        load[place] += len(group)
        shard_of.update(dict.fromkeys(group, place))
    dealt: list[list[str]] = [[] for _ in range(count)]
    for name in names:
        dealt[shard_of[name]].append(name)
    return tuple(map(tuple, dealt))


def _groups(names: Sequence[str], after: Callable[[str], Iterable[str]]) -> list[list[str]]:
    """Connected by `after` within `names`; each sorted."""
    leader = {name: name for name in names}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for name in names:
        for other in after(name):
            if other in leader:
                leader[find(name)] = find(other)
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(find(name), []).append(name)
    return list(groups.values())


def _hash(name: str, turn: int) -> int:
    """The same in every process and on every machine, which `hash` is not."""
    return int.from_bytes(blake2b(f"{turn}:{name}".encode(), digest_size=8).digest(), "big")
