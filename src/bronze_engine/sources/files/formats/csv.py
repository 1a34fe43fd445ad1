"""`format = "csv"` and `"tsv"`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final, final

from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.contracts import Decoder, Emit, Request, Resources
from bronze_engine.model.block import Block
from bronze_engine.sources.files.csv.decoder import CsvDecoder
from bronze_engine.sources.files.csv.dialect import Dialect
from bronze_engine.sources.files.csv.framing import Framing
from bronze_engine.sources.files.csv.names import keys_of
from bronze_engine.sources.files.format import Content

__all__ = ["CsvFormat"]

log = logging.getLogger(__name__)

_DELIMITERS: Final = {"csv": ",", "tsv": "\t"}


@final
class CsvFormat:
    """Records of texts, a line each or several, with the names of their columns in the first.

    A piece is cut at the last end of a record in a worker, and parsed in another while the next
    one is cut: of the whole only the last record is ever held.
    """

    def __init__(self, config: FilesSourceConfig, request: Request, resources: Resources) -> None:
        self._form = config.csv
        self._dialect = Dialect.of(config.csv, _DELIMITERS.get(config.format, ","))
        self._pipeline = request.pipeline
        self._workers = resources.workers
        self._decoder = CsvDecoder(
            config.csv, self._dialect, resources.text_caster(request, config.csv.types)
        )
        self._told: set[tuple[str, ...]] = set()

    async def read(self, content: Content, emit: Emit, /) -> None:
        info = content.info
        framing = Framing(self._form, self._dialect, info.path, info.number)
        async with content.chunks() as chunks:
            async for chunk in chunks:
                for block in await self._workers.run(_all, framing.feed(chunk), stage="split"):
                    await emit(block)
        for block in await self._workers.run(_all, framing.finish(), stage="split"):
            await emit(block)
        self._tell(info.path, framing.names)

    def decoder(self) -> Decoder:
        return self._decoder

    def _tell(self, path: str, names: list[str] | None) -> None:
        """Warn of what is odd about a line of names, once."""
        if names is None:
            log.warning("%s: %s is empty: it has not even a line of names", self._pipeline, path)
            return
        renamed = {
            key: name for name, key in zip(names, keys_of(names), strict=True) if key != name
        }
        if renamed and tuple(names) not in self._told:
            self._told.add(tuple(names))
            said = ", ".join(f"{name!r} is taken for {key!r}" for key, name in renamed.items())
            log.warning(
                "%s: columns of %s have no name or another's: %s; set csv.columns and"
                " csv.skip_lines to name them otherwise",
                self._pipeline,
                path,
                said,
            )


def _all(blocks: Iterator[Block]) -> list[Block]:
    return list(blocks)
