"""What third parties add to the configuration: entry points, looked up by the tag of a table."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from bronze_engine.config.auths.auth import CustomAuth
from bronze_engine.errors import ConfigError

__all__ = ["AUTHS", "TOKEN_STORES", "auth_struct", "plugin", "plugin_names"]

AUTHS: Final = "bronze_engine.auths"
TOKEN_STORES: Final = "bronze_engine.token_stores"  # noqa: S105  # a group of entry points


def plugin_names(group: str) -> Iterator[str]:
    """The names that installed distributions register; reads their metadata, imports none."""
    return (each.name for each in entry_points(group=group))


def plugin(group: str, name: str) -> Any:
    """What is registered under a name, imported; None where nothing is.

    Raises ConfigError where it can't be imported, or where two distributions register it.
    """
    found = list(entry_points(group=group, name=name))
    if not found:
        return None
    if len(found) > 1:
        raise ConfigError(
            f'"{name}" of {group} is registered by {_owner(found[0])} and by {_owner(found[1])}; '
            "uninstall one of the two"
        )
    try:
        return found[0].load()
    except Exception as exc:  # whatever a foreign module does on import
        raise ConfigError(
            f'"{name}" of {group} ({found[0].value}, of {_owner(found[0])}) can\'t be imported: '
            f"{type(exc).__name__}: {exc}"
        ) from exc


def auth_struct(tag: str) -> type[CustomAuth] | None:
    """The Struct of a third party's [apis.NAME.auth]; None where nobody registers the tag.

    Raises ConfigError for an entry point that is no auth.
    """
    found = plugin(AUTHS, tag)
    if found is None:
        return None
    struct = getattr(found, "config", None)
    if not (isinstance(struct, type) and issubclass(struct, CustomAuth)):
        raise ConfigError(
            f'"{tag}" of {AUTHS}: its `config` is no subclass of config.auths.auth.CustomAuth; '
            "see bronze_engine.credentials"
        )
    if struct.__struct_config__.tag != tag:
        raise ConfigError(
            f'"{tag}" of {AUTHS}: its `config` has the tag {struct.__struct_config__.tag!r}; '
            "the tag and the entry point's name must be the same"
        )
    return struct


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"
