"""What a command line names of a lake: a store by its entry in [stores], a URL or a path; and the
folder of a partition or a curated table in one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bronze_engine.cli.options import CONFIG_PATH
from bronze_engine.cli.session import LogOptions, load
from bronze_engine.config.load import Config, load_store
from bronze_engine.config.stores.store import LocalStoreConfig, StoreConfig
from bronze_engine.errors import ConfigError
from bronze_engine.model.manifest import run_date_of
from bronze_engine.telemetry.redact import redact_url

__all__ = ["find_folder", "find_place", "is_folder", "load_if_there"]

_PARTS: Final = 3
"""Of a partition (`system/entity/dt=…`), and of a table where nothing else is configured
(`silver/system/entity`)."""


def is_folder(text: str) -> bool:
    """Whether this is a path or a URL, and no pipeline's name."""
    return "/" in text or Path(text).is_dir()


def find_folder(config: Config | None, text: str) -> tuple[StoreConfig, str]:
    """The store of a partition or a table, and the path of its folder in that.

    `text` is a path, relative to where the command is given, or a URL. Raises ConfigError for
    what can be neither.
    """
    if "://" not in text:
        path = Path(os.path.realpath(text))
        is_partition = run_date_of(path.name) is not None
        above = list(path.parents[:_PARTS])
        if not above or (is_partition and len(above) < _PARTS):
            raise _no_folder(text)
        return LocalStoreConfig(path=str(above[-1])), path.relative_to(above[-1]).as_posix()
    url = text.rstrip("/")
    for store in _stores(config):
        if url.startswith(f"{store.location}/"):
            return store, url.removeprefix(f"{store.location}/")
    place, *found = url.rsplit("/", _PARTS)
    if len(found) < _PARTS or place.endswith(("/", ":")):
        raise _no_folder(text)
    return find_place(config, place), "/".join(found)


def _stores(config: Config | None) -> list[StoreConfig]:
    """The entries of [stores] that are elsewhere, and that can be told; the innermost first."""
    found: list[StoreConfig] = []
    if config is None:
        return found
    for name in config.store_names:
        try:
            store = config.store(name)
        except ConfigError:  # told to whoever asks for that one
            continue
        if not isinstance(store, LocalStoreConfig):
            found.append(store)
    return sorted(found, key=lambda store: -len(store.location))


def _no_folder(text: str) -> ConfigError:
    return ConfigError(
        f"{redact_url(text)} is no partition and no table: a partition ends in"
        " system/entity/dt=YYYY-MM-DD, a table in silver/system/entity"
    )


def load_if_there(path: Path, overrides: Sequence[str] | None, log: LogOptions) -> Config | None:
    """The configuration; None where there is none and none was asked for."""
    if path == CONFIG_PATH and not path.exists() and not overrides:
        return None
    return load(path, overrides, log)


def find_place(config: Config | None, text: str) -> StoreConfig:
    """The store at `text`; a path is relative to where the command is given.

    A URL that an entry of [stores] has is that entry, with its credentials and settings; of
    any other the vendors' variables know them. Raises ConfigError.
    """
    if "://" not in text and (config is None or text not in config.store_names):
        return LocalStoreConfig(path=os.path.realpath(text))
    if config is None:
        return load_store(text)
    if "://" in text:
        for store in _stores(config):
            if store.location == text.rstrip("/"):
                return store
    return config.place(text)
