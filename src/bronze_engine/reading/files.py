"""What a reader asks of a store: blocking, and nothing that writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, final

import pyarrow as pa

from bronze_engine.adapters import StoreOpener
from bronze_engine.config.stores.store import LocalStoreConfig, StoreConfig
from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError
from bronze_engine.reading.connection import Connection
from bronze_engine.reading.ranged import RangedFile
from bronze_engine.store.keys import check_key
from bronze_engine.store.local import disk
from bronze_engine.store.local.disk_error import disk_error

__all__ = ["Files", "Judge", "open_files"]

Judge = Callable[[BronzeError], BronzeError]
"""What a failed read means: the error itself, or that a newer generation is there."""


class Files(Protocol):
    """The files of one target. Every method raises StoreError for what the store refuses."""

    @property
    def keeps_open(self) -> bool:
        """Whether a file that is open can still be read after it was removed."""
        ...

    def location(self, key: str) -> str:
        """The whole URL or path of a file, as other programs take it."""
        ...

    def get(self, key: str) -> bytes | None:
        """A small file whole, or None where there is none."""
        ...

    def sizes(self, partition: str, names: Sequence[str]) -> Mapping[str, int]:
        """Name -> bytes of those of the files that are there."""
        ...

    def open(self, key: str, size_bytes: int, judge: Judge) -> pa.NativeFile:
        """A file as Arrow reads it. What reading it raises later has passed through `judge`."""
        ...

    def close(self) -> None: ...


def open_files(config: StoreConfig, stores: Mapping[str, StoreOpener]) -> Files:
    """A target's files. `stores` opens in place of the built-in types, by their tag."""
    if isinstance(config, LocalStoreConfig) and "local" not in stores:
        return LocalFiles(config.path)
    return StoreFiles(config.location, Connection(config, stores))


@final
class LocalFiles:
    """A directory, without a store: no thread, no event loop, and Arrow's own file access."""

    keeps_open: Final = True

    def __init__(self, path: str) -> None:
        self._root = os.path.realpath(path)

    def location(self, key: str) -> str:
        check_key(key)  # a manifest must not lead out of the target
        return f"{self._root}/{key}"

    def get(self, key: str) -> bytes | None:
        try:
            return disk.get(self._root, check_key(key))
        except OSError as exc:
            raise disk_error(exc, f"{self._root}/{key}") from exc

    def sizes(self, partition: str, names: Sequence[str]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for name in names:
            path = self.location(f"{partition}/{name}")
            try:
                with suppress(FileNotFoundError):
                    found[name] = os.stat(path).st_size  # noqa: PTH116  # a Path costs as much again
            except OSError as exc:
                raise disk_error(exc, path) from exc
        return found

    def open(self, key: str, size_bytes: int, judge: Judge) -> pa.NativeFile:  # noqa: ARG002
        path = self.location(key)
        try:
            return pa.OSFile(path, "r")
        except OSError as exc:
            raise judge(disk_error(exc, path)) from exc

    def close(self) -> None:
        """Nothing is held."""


@final
class StoreFiles:
    """A store behind its contract, through a connection."""

    keeps_open: Final = False

    def __init__(self, url: str, connection: Connection) -> None:
        self._url = url
        self._connection = connection

    def location(self, key: str) -> str:
        check_key(key)
        return f"{self._url}/{key}"

    def get(self, key: str) -> bytes | None:
        found = self._connection.call(lambda store: store.get(key))
        return None if found is None else found.body

    def sizes(self, partition: str, names: Sequence[str]) -> Mapping[str, int]:
        wanted = frozenset(names)

        async def scan(store: Store) -> Mapping[str, int]:
            found: dict[str, int] = {}
            async for info in store.scan(f"{partition}/"):
                name = info.key.removeprefix(f"{partition}/")
                if name in wanted:
                    found[name] = info.size_bytes
            return found

        return self._connection.call(scan) if wanted else {}

    def open(self, key: str, size_bytes: int, judge: Judge) -> pa.NativeFile:
        file: Any = RangedFile(self._connection, key, size_bytes, judge)
        return pa.PythonFile(file, mode="r")

    def close(self) -> None:
        self._connection.close()
