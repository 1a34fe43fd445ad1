"""A file on its way into a local store: a dot-temporary in the folder where it will stand."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import final

from bronze_engine.errors import StoreError
from bronze_engine.model.part import DataFile, Part, Staged
from bronze_engine.store.local.folder import create_file, open_folder, prune, write_all
from bronze_engine.store.parts import check_part, sealed_size

__all__ = ["Temporary", "name_of_temporary"]

_TEMPORARY = re.compile(r"\.(?P<name>[^/]+)\.[0-9a-f]{16}\.tmp")


def name_of_temporary(entry: str) -> str | None:
    """The name that a dot-temporary will have once complete; None for any other entry."""
    match = _TEMPORARY.fullmatch(entry)
    return match["name"] if match else None


@final
class Temporary:
    """The file under its temporary name. All methods block and run in workers."""

    def __init__(self, root: str, key: str, segments: Sequence[str]) -> None:
        self.key = key
        self.entry = f".{segments[-1]}.{secrets.token_hex(8)}.tmp"
        self._root = root
        self._folders = tuple(segments[:-1])
        self.keep = False
        """Set once the caller has the sealed file in hand; from then on it outlives us."""
        self._held: tuple[int, int] | None = None
        self._parts: dict[int, tuple[int, int]] = {}

    def create(self) -> None:
        self._held = create_file(self._root, self._folders, self.entry, os.O_WRONLY | os.O_EXCL)

    def write(self, part: Part) -> None:
        check_part(self.key, part)
        end = part.offset
        for piece in part.pieces:
            write_all(self._open(), piece, end)
            end += len(piece)
        self._parts[part.number] = (part.offset, part.size_bytes)

    def seal(self, file: DataFile) -> Staged:
        size = sealed_size(self.key, self._parts, file)
        fd = self._open()
        os.ftruncate(fd, size)  # a part that was sent again shorter leaves no tail
        os.fsync(fd)
        self._close()
        return Staged(key=self.key, token=self.entry, file=file)

    def abort(self) -> None:
        """Close the file, and remove it unless it is to be kept; idempotent."""
        self._close()
        if not self.keep:
            with suppress(FileNotFoundError), open_folder(self._root, self._folders) as folder:
                os.unlink(self.entry, dir_fd=folder)
            prune(self._root, self._folders)

    def _open(self) -> int:
        if self._held is None:
            raise StoreError(f"{self.key}: this file is sealed or given up", key=self.key)
        return self._held[1]

    def _close(self) -> None:
        if self._held is not None:
            folder, fd = self._held
            self._held = None
            os.close(fd)
            os.close(folder)
