"""Fields that hold in the file the name of an entry, and once it is loaded the entry."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from bronze_engine.config.api import Api
from bronze_engine.config.connection import Connection
from bronze_engine.config.loading.convert import options_of
from bronze_engine.config.stores.store import StoreConfig

__all__ = ["Entry", "refers_to"]

Entry = Literal["api", "connection", "store"]
"""What a name may stand for."""

_ENTRIES: Final[dict[Any, Entry]] = {
    Api: "api",
    **dict.fromkeys(get_args(Connection), "connection"),
    **dict.fromkeys(get_args(StoreConfig), "store"),
}


def refers_to(kind: Any) -> Entry | None:
    """What a field of this type refers to by name; None where it is a value by itself."""
    return next((_ENTRIES[option] for option in options_of(kind) if option in _ENTRIES), None)
