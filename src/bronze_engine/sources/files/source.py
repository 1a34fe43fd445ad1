"""The source of type "files": what a glob or a list of URLs names, in the order of the paths."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, final

from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.contracts import Decoder, Emit, Preview, Request, Resources, Source
from bronze_engine.model.slice import Slice
from bronze_engine.sources.files.format import Format
from bronze_engine.sources.files.formats.registry import make_format

__all__ = ["FilesSource", "FilesSourceType"]

_FLOOR_BYTES: Final = 16 * 1024**2
"""What is read ahead without waiting."""


@final
class FilesSourceType:
    """`type = "files"`."""

    def open(
        self, config: FilesSourceConfig, request: Request, resources: Resources, /
    ) -> AbstractAsyncContextManager[Source]:
        """Open one run's reading of files. Nothing is listed before it is asked for."""
        return _open(config, request, resources)

    def floor_bytes(self, _config: FilesSourceConfig, /) -> int:
        return _FLOOR_BYTES

    def slices_at_once(self, _config: FilesSourceConfig, /) -> int:
        """One: what a file holds decides what the columns of the next ones are."""
        return 1


@asynccontextmanager
async def _open(
    config: FilesSourceConfig, request: Request, resources: Resources
) -> AsyncIterator[Source]:
    yield FilesSource(config, make_format(config, request, resources))


@final
class FilesSource:
    """One run's reading of files."""

    def __init__(self, config: FilesSourceConfig, form: Format) -> None:
        self._config = config
        self._format = form

    @property
    def token(self) -> str | None:
        return None

    def preview(self) -> Preview:
        location = ", ".join(self._config.urls)
        return Preview(location=location, first=location, slices=())

    async def check(self) -> str:
        return self.preview().location

    async def slices(self) -> AsyncIterator[Slice]:
        for index in range(0):
            yield Slice(index=index, label="")

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:  # noqa: ARG002
        return None

    def decoder(self) -> Decoder:
        return self._format.decoder()
