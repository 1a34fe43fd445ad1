"""`format = "csv"` and `"tsv"`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, final

import msgspec

from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.contracts import Decoder, Emit, Request, Resources
from bronze_engine.model.block import Block
from bronze_engine.sources.files.csv.decoder import CsvDecoder
from bronze_engine.sources.files.csv.dialect import Dialect
from bronze_engine.sources.files.csv.framing import Framing
from bronze_engine.sources.files.csv.names import NO_NAME, keys_of
from bronze_engine.sources.files.format import Content, FileInfo

__all__ = ["CsvFormat"]

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
        self._tally = resources.tally
        self._workers = resources.workers
        self._decoder = CsvDecoder(
            config.csv, self._dialect, resources.text_caster(request, config.csv.types)
        )
        self._told: set[tuple[str, ...]] = set()
        self._has_told_of_records = False

    async def read(self, content: Content, emit: Emit, /) -> None:
        info = content.info
        framing = Framing(self._form, self._dialect, info.path, info.number)
        async with content.chunks() as chunks:
            async for chunk in chunks:
                blocks = await self._workers.run(_all, framing.feed(chunk), stage="split")
                await self._hand_on(blocks, framing, info, emit)
        blocks = await self._workers.run(_all, framing.finish(), stage="split")
        await self._hand_on(blocks, framing, info, emit)
        if framing.names is None:
            self._tally.warn(f"{info.path} is empty: it has not even a line of names")

    def decoder(self) -> Decoder:
        return self._decoder

    async def _hand_on(
        self, blocks: list[Block], framing: Framing, info: FileInfo, emit: Emit
    ) -> None:
        """Warns first of what makes records bad ones: the run may end with them."""
        names = framing.names
        if blocks and names is not None and tuple(names) not in self._told:
            self._told.add(tuple(names))
            for warning in self._oddities(names, framing.likely):
                self._tally.warn(f"{info.path} {warning}")
        for block in blocks:
            await emit(block)

    def _oddities(self, names: list[str], likely: str | None) -> Iterator[str]:
        """What is odd about the first records of a file."""
        if likely is not None:
            delimiter = self._dialect.delimiter.decode()
            yield (
                f"is not divided by csv.delimiter = {_quoted(delimiter)}, and {_quoted(likely)}"
                f" divides its first records alike; set csv.delimiter = {_quoted(likely)}"
            )
        is_record = not self._form.columns and NO_NAME.fullmatch(names[0]) is not None
        if is_record and not self._has_told_of_records:  # each such file has other names
            self._has_told_of_records = True
            yield (
                f"begins with {names[0]!r}, which is no name of a column: where its first line is"
                " a record, set csv.columns to the names, and it lands, too"
            )
        renamed = {
            key: name for name, key in zip(names, keys_of(names), strict=True) if key != name
        }
        if renamed:
            said = ", ".join(f"{name!r} is taken for {key!r}" for key, name in renamed.items())
            yield (
                f"has columns without a name or with another's: {said}; set csv.columns and"
                " csv.skip_lines to name them otherwise"
            )


def _quoted(text: str) -> str:
    """As TOML writes it."""
    return msgspec.json.encode(text).decode()


def _all(blocks: Iterator[Block]) -> list[Block]:
    return list(blocks)
