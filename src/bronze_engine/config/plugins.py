"""What third parties add to the configuration: entry points, looked up by the tag of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, final

import msgspec

from bronze_engine.config.auths.auth import CustomAuth
from bronze_engine.config.custom_source import CustomSource
from bronze_engine.config.stores.store import CustomStore
from bronze_engine.errors import ConfigError

__all__ = [
    "AUTHS",
    "BASES",
    "ENTRY_POINTS",
    "SOURCES",
    "STORES",
    "TOKEN_STORES",
    "Structs",
    "made",
    "plugin",
    "plugin_names",
    "told_of",
]

AUTHS: Final = "bronze_engine.auths"
SOURCES: Final = "bronze_engine.sources"
STORES: Final = "bronze_engine.stores"
TOKEN_STORES: Final = "bronze_engine.token_stores"  # noqa: S105  # a group of entry points

_GROUPS: Final[Mapping[type[Any], str]] = {
    CustomAuth: AUTHS,
    CustomSource: SOURCES,
    CustomStore: STORES,
}
BASES: Final = frozenset(_GROUPS)
"""Members of unions that stand for every Struct of a third party."""


def plugin_names(group: str) -> Iterator[str]:
    """The names that installed distributions register; reads their metadata, imports none."""
    return (each.name for each in entry_points(group=group))


def plugin(group: str, name: str) -> Any:
    """What is registered under a name, imported; None where nothing is.

    Raises ConfigError where it can't be imported, or where two distributions register it.
    """
    point = _point(group, name)
    if point is None:
        return None
    try:
        return point.load()
    except Exception as exc:  # whatever a foreign module does on import
        raise ConfigError(f"{_told(point)} can't be imported: {type(exc).__name__}: {exc}") from exc


def told_of(group: str, name: str) -> str:
    """An entry point and its distribution, for people. Raises ConfigError as `plugin`."""
    point = _point(group, name)
    return f'"{name}" of {group}' if point is None else _told(point)


def made(group: str, name: str, methods: Iterable[str]) -> Any:
    """An instance of the class that is registered under a name; None where nothing is.

    Raises ConfigError as `plugin`, and where it can't be made or lacks one of the methods.
    """
    found = plugin(group, name)
    if found is None:
        return None
    point = _point(group, name)
    assert point is not None  # noqa: S101  # it was found above
    try:
        instance = found()
    except Exception as exc:  # whatever a foreign class does
        raise ConfigError(f"{_told(point)} can't be made: {type(exc).__name__}: {exc}") from exc
    missing = [each for each in methods if not callable(getattr(instance, each, None))]
    if missing:
        raise ConfigError(
            f"{_told(point)} has no method {' and no '.join(missing)}; see bronze_engine.plugins"
        )
    return instance


@final
class Structs:
    """The Structs of third parties' tables: those handed over, and those of entry points."""

    def __init__(self, own: Sequence[type[msgspec.Struct]] = ()) -> None:
        """Raises ConfigError for one that no table of a source or a store can be."""
        self._own: dict[tuple[type[Any], str], type[msgspec.Struct]] = {}
        for struct in own:
            bases = (each for each in (CustomSource, CustomStore) if issubclass(struct, each))
            base = next(bases, None)
            tag = struct.__struct_config__.tag
            if base is None or not isinstance(tag, str):
                raise ConfigError(
                    f"{struct.__name__} is no table of a source or a store; build it on"
                    " CustomSource or CustomStore, and give it a tag"
                )
            self._own[base, tag] = struct

    def of(self, base: type[Any], tag: str) -> type[msgspec.Struct] | None:
        """The Struct that a tag means, a subclass of `base`; None where nobody knows the tag.

        Raises ConfigError for an entry point that is none of the kind.
        """
        return self._own.get((base, tag)) or _struct(base, tag)

    def tags(self, base: type[Any]) -> list[str]:
        """Every tag that there is for a base, in order; imports nothing."""
        own = (tag for of, tag in self._own if of is base)
        return sorted({*own, *plugin_names(_GROUPS[base])})


ENTRY_POINTS: Final = Structs()


def _struct(base: type[Any], tag: str) -> type[msgspec.Struct] | None:
    group = _GROUPS[base]
    found = plugin(group, tag)
    if found is None:
        return None
    struct = getattr(found, "config", None)
    if not (isinstance(struct, type) and issubclass(struct, base)):
        raise ConfigError(
            f'"{tag}" of {group}: its `config` is no subclass of {base.__name__}; '
            "see bronze_engine.plugins"
        )
    known: type[msgspec.Struct] = struct
    if known.__struct_config__.tag != tag:
        raise ConfigError(
            f'"{tag}" of {group}: its `config` has the tag {known.__struct_config__.tag!r}; '
            "the tag and the entry point's name must be the same"
        )
    return known


def _point(group: str, name: str) -> EntryPoint | None:
    found = list(entry_points(group=group, name=name))
    if len(found) > 1:
        raise ConfigError(
            f'"{name}" of {group} is registered by {_owner(found[0])} and by {_owner(found[1])}; '
            "uninstall one of the two"
        )
    return found[0] if found else None


def _told(point: EntryPoint) -> str:
    return f'"{point.name}" of {point.group} ({point.value}, of {_owner(point)})'


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"
