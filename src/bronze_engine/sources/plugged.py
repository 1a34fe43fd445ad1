"""A third party's source, whose faults are told as what they are: not ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import chain
from typing import Any, Final, final

from bronze_engine.contracts import (
    Decoder,
    Emit,
    Preview,
    Request,
    Resources,
    Source,
    SourceType,
)
from bronze_engine.errors import BronzeError, ExtractError, SliceLost, SnapshotLost
from bronze_engine.model.block import Block
from bronze_engine.model.slice import Slice

__all__ = ["PluggedSourceType"]

_ALLOWED: Final = (BronzeError, SliceLost, SnapshotLost)
"""What a source may raise."""


@final
class PluggedSourceType:
    """Passes everything on to a source type of an entry point.

    An exception that no source may raise (KeyError, an HTTP client's own) becomes an
    ExtractError that names the distribution. What comes from without passes as it is.
    """

    def __init__(
        self, inner: SourceType[Any], told: str, clean: Callable[[str], str] = str
    ) -> None:
        """`told` names the entry point and its distribution; `clean` hides secrets in a text."""
        self._inner = inner
        self._told = told
        self._clean = clean

    def floor_bytes(self, config: Any, /) -> int:
        with _translated(self._told, self._clean):
            return self._inner.floor_bytes(config)

    def slices_at_once(self, config: Any, /) -> int:
        with _translated(self._told, self._clean):
            return self._inner.slices_at_once(config)

    @asynccontextmanager
    async def open(
        self, config: Any, request: Request, resources: Resources, /
    ) -> AsyncIterator[Source]:
        with _translated(self._told, self._clean) as passing:
            async with self._inner.open(config, request, resources) as source:
                try:
                    yield _Plugged(source, self._told, self._clean)
                except Exception as exc:
                    passing.append(exc)
                    raise


@final
class _Plugged:
    def __init__(self, inner: Source, told: str, clean: Callable[[str], str]) -> None:
        self._inner = inner
        self._told = told
        self._clean = clean

    @property
    def token(self) -> str | None:
        with _translated(self._told, self._clean):
            return self._inner.token

    def preview(self) -> Preview:
        with _translated(self._told, self._clean):
            return self._inner.preview()

    async def check(self) -> str:
        with _translated(self._told, self._clean):
            return await self._inner.check()

    async def slices(self) -> AsyncIterator[Slice]:
        with _translated(self._told, self._clean) as passing:
            pieces = self._inner.slices()
            try:
                async for piece in pieces:
                    try:
                        yield piece
                    except Exception as exc:
                        passing.append(exc)
                        raise
            finally:
                if isinstance(pieces, AsyncGenerator):  # left in the middle, it ends here too
                    await pieces.aclose()

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        with _translated(self._told, self._clean) as passing:

            async def watched(block: Block) -> None:
                try:
                    await emit(block)
                except Exception as exc:
                    passing.append(exc)
                    raise

            return await self._inner.read(piece, watched)

    def decoder(self) -> Decoder:
        with _translated(self._told, self._clean):
            return self._inner.decoder()


@contextmanager
def _translated(told: str, clean: Callable[[str], str]) -> Iterator[list[Exception]]:
    """Around a call of the plug-in's code. What is put into the list is none of its faults."""
    passing: list[Exception] = []
    try:
        yield passing
    except Exception as exc:
        error = _told_by(exc, passing)
        if isinstance(error, _ALLOWED) or any(error is each for each in passing):
            if error is exc:
                raise
            raise error from error.__cause__  # hides the group, keeps what the error came from
        raise ExtractError(
            f"{told} has failed: {type(error).__name__}: {clean(str(error))}; report it to whoever "
            "wrote that"
        ) from exc


def _told_by(exc: Exception, passing: list[Exception]) -> Exception:
    """The error itself; of a group, which a plug-in's own task group raises, the one that counts.

    What only passes through comes first, then what a source may raise, then the order of the group.
    """
    if not isinstance(exc, ExceptionGroup):
        return exc
    leaves = list(_leaves(exc))
    ours = (leaf for leaf in leaves if any(leaf is each for each in passing))
    allowed = (leaf for leaf in leaves if isinstance(leaf, _ALLOWED))
    return next(chain(ours, allowed, leaves))


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for exc in group.exceptions:
        if isinstance(exc, ExceptionGroup):
            yield from _leaves(exc)
        else:
            yield exc
