"""Files of format "fixed": lines, or records of one length, whose fields have their places."""

from __future__ import annotations

from typing import final

import msgspec

from bronze_engine.config.files.fixed import FixedFiles
from bronze_engine.contracts import Decoder, Emit, Request, Resources
from bronze_engine.sources.files.fixed.decoder import FixedDecoder
from bronze_engine.sources.files.fixed.framer import Framer
from bronze_engine.sources.files.fixed.plan import field_types, plan_of
from bronze_engine.sources.files.format import Content

__all__ = ["FixedFormat"]


@final
class FixedFormat:
    """How the fixed-width files of one pipeline are read. See `sources.files.format.Format`."""

    def __init__(self, form: FixedFiles, request: Request, resources: Resources) -> None:
        self._plan = plan_of(form, keeps_lines=request.schema.raw)
        self._workers = resources.workers
        self._tally = resources.tally
        schema = request.schema
        types = field_types(self._plan, schema.columns)
        request = msgspec.structs.replace(
            request, schema=msgspec.structs.replace(schema, columns=types)
        )
        self._decoder = FixedDecoder(self._plan, types, resources.text_caster(request, "text"))

    async def read(self, content: Content, emit: Emit, /) -> None:
        """Raises QualityError where a total of the file differs from what came."""
        framer = Framer(self._plan, content.info.number, content.info.path)
        async with content.chunks() as chunks:
            async for chunk in chunks:
                block = await self._workers.run(framer.feed, chunk, stage="split")
                if block is not None:
                    self._tell(framer, content)
                    await emit(block)
        block = await self._workers.run(framer.finish, stage="split")
        if block is not None:
            self._tell(framer, content)
            await emit(block)

    def _tell(self, framer: Framer, content: Content) -> None:
        if framer.seems_counted_in_characters:
            self._tally.warn(
                f"lines of {content.info.path} have as many characters each, and not as many"
                ' bytes, by which they are cut: set fixed.widths = "characters"'
            )

    def decoder(self) -> Decoder:
        return self._decoder
