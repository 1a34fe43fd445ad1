"""Which pipelines a command means: names, globs and tags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from bronze_engine.config.config import Config
from bronze_engine.errors import ConfigError
from bronze_engine.model.nearest import nearest

__all__ = ["select"]

_GLOB: Final = frozenset("*?[")


def select(config: Config, asked: Sequence[str] = (), tags: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the pipelines that are asked for, each once, in the order of asking.

    `asked` are names and globs over `team.name` (`*` passes the dot). With `tags` only those
    stay that have one of them. Nothing asked for means all. What a glob finds is in the order
    of names. Raises ConfigError naming all that finds nothing, with the nearest that there is,
    and where there is no pipeline at all.
    """
    if not config.names:
        raise ConfigError(f"{config.path.name} has no pipeline; is it the right file?")
    names = frozenset(config.names)
    unknown = [each for each in asked if each not in names]
    faults = [fault for each in unknown if (fault := _fault(each, config.names)) is not None]
    known: frozenset[str] = frozenset()
    of_pipeline: dict[str, frozenset[str]] = {}
    if tags:
        of_pipeline = {name: frozenset(config.words(name, "tags")) for name in config.names}
        known = known.union(*of_pipeline.values())
        faults.extend(
            f'no pipeline has the tag "{tag}"; {nearest(tag, known)}'
            for tag in tags
            if tag not in known
        )
    if faults:
        raise ConfigError(f"{config.path.name}: {'; '.join(faults)}")
    found = dict.fromkeys(_found(asked, config.names)) if asked else dict.fromkeys(config.names)
    if not tags:
        return tuple(found)
    wanted = frozenset(tags)
    both = tuple(name for name in found if wanted & of_pipeline[name])
    if not both:
        raise ConfigError(
            f"{config.path.name}: none of the {len(found)} pipelines that {_listed(asked)} names"
            f" has the tag {_listed(tags)}; names and tags narrow each other"
        )
    return both


def _found(asked: Iterable[str], names: Sequence[str]) -> Iterable[str]:
    for each in asked:
        if _GLOB.isdisjoint(each):
            yield each
        else:
            yield from (name for name in names if fnmatchcase(name, each))


def _fault(asked: str, names: Sequence[str]) -> str | None:
    """What is wrong with something that is no name of these."""
    if _GLOB.isdisjoint(asked):
        team = [name for name in names if name.startswith(f"{asked}.")]
        if team:
            return f"\"{asked}\" is no pipeline; write '{asked}.*' for the {len(team)} of that team"
        return f'there is no pipeline "{asked}"; {nearest(asked, names)}'
    if any(fnmatchcase(name, asked) for name in names):
        return None
    return f'no pipeline is named like "{asked}"; {nearest(asked, names)}'


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
