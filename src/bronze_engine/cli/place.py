"""A store that a command line names: by its entry in [stores], a URL, or a path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bronze_engine.cli.options import CONFIG_PATH
from bronze_engine.cli.session import LogOptions, load
from bronze_engine.config.load import Config, load_store
from bronze_engine.config.stores.store import LocalStoreConfig, StoreConfig
from bronze_engine.errors import ConfigError

__all__ = ["find_place", "load_if_there"]


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
        for name in config.store_names:
            try:
                store = config.store(name)
            except ConfigError:  # told to whoever asks for that one
                continue
            if not isinstance(store, LocalStoreConfig) and store.location == text.rstrip("/"):
                return store
    return config.place(text)
