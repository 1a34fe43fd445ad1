"""The HTTP source as an inspection reads it: a page or two, and none that was there before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, TypeVar, cast, final

import anyio
import anyio.lowlevel
import msgspec

from bronze_engine.adapters import source_type
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.units import Secret
from bronze_engine.contracts import Decoder, Emit, Preview, Request, Resources, Source, SourceType
from bronze_engine.model.block import Block
from bronze_engine.model.slice import Slice

__all__ = ["PAGES", "Answers", "Kept", "RecordingSource"]

T = TypeVar("T")

PAGES: Final = 2
"""The second shows whether the paginator leads on."""


class Kept(Protocol):
    """What is used of an answer of the HTTP client."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> dict[str, str]: ...
    @property
    def url(self) -> str: ...
    @property
    def chunks(self) -> list[bytes]: ...
    @property
    def encoding(self) -> str: ...


@final
class Answers:
    """What an API has answered, by request. What one look has asked the next need not ask."""

    def __init__(self) -> None:
        self.all: list[Kept] = []
        """In the order in which they came; refusals too."""
        self._by_request: dict[str, Kept] = {}

    @property
    def first(self) -> Kept | None:
        """The first that is no refusal."""
        return next((each for each in self.all if 200 <= each.status < 300), None)

    def recall(self, request: str) -> Kept | None:
        return self._by_request.get(request)

    def keep(self, request: str, answer: Kept) -> None:
        self.all.append(answer)
        if 200 <= answer.status < 300:
            self._by_request[request] = answer


@final
class RecordingSource:
    """`type = "http"`: hands on two pages of the source within, and keeps the answers.

    `changes` are laid over the source's configuration, for what is tried out.
    """

    def __init__(self, answers: Answers, changes: Mapping[str, Any]) -> None:
        self._http: SourceType[HttpSourceConfig] = source_type("http", {})
        self._answers = answers
        self._changes = changes
        self._asked: set[str] = set()
        """Requests of this look: one that it repeats has another answer, as polls of a job do."""

    def open(
        self, config: HttpSourceConfig, request: Request, resources: Resources, /
    ) -> AbstractAsyncContextManager[Source]:
        return self._open(_shortened(config, self._changes), request, resources)

    def floor_bytes(self, config: HttpSourceConfig, /) -> int:
        return self._http.floor_bytes(config)

    def slices_at_once(self, config: HttpSourceConfig, /) -> int:
        return self._http.slices_at_once(config)

    @asynccontextmanager
    async def _open(
        self, config: HttpSourceConfig, request: Request, resources: Resources
    ) -> AsyncIterator[Source]:
        async def share(key: str, make: Callable[[], AbstractAsyncContextManager[T]], /) -> T:
            made = await resources.share(key, make)
            if not key.startswith("http:"):
                return made
            return cast("T", _RecordingClient(made, self._answers, self._asked))

        lent = msgspec.structs.replace(resources, share=share)
        async with self._http.open(config, request, lent) as source:
            yield _ShortSource(source)


def _shortened(config: HttpSourceConfig, changes: Mapping[str, Any]) -> HttpSourceConfig:
    """No more pages than an inspection wants, one after another, and bodies as they are."""
    config = msgspec.structs.replace(config, **changes)
    paginator = config.paginator
    limits: dict[str, Any] = {}
    if hasattr(paginator, "max_pages"):
        limits["max_pages"] = min(PAGES, paginator.max_pages or PAGES)
    if hasattr(paginator, "parallel"):
        limits["parallel"] = 1
    headers = {"Accept-Encoding": Secret("identity"), **config.api.headers}
    return msgspec.structs.replace(
        config,
        paginator=msgspec.structs.replace(paginator, **limits),
        api=msgspec.structs.replace(config.api, headers=headers),
    )


@final
class _ShortSource:
    """A source that ends after two pages, however many chains they come from."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pages = 0

    @property
    def token(self) -> str | None:
        return self._source.token

    def preview(self) -> Preview:
        return self._source.preview()

    async def check(self) -> str:
        return await self._source.check()

    def slices(self) -> AsyncIterator[Slice]:
        return self._source.slices()

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        with anyio.CancelScope() as scope:

            async def first_pages(block: Block) -> None:
                if block.offset == 0:
                    self._pages += 1
                if self._pages > PAGES:
                    scope.cancel()
                    await anyio.lowlevel.checkpoint()
                await emit(block)

            return await self._source.read(piece, first_pages)
        return None

    def decoder(self) -> Decoder:
        return self._source.decoder()


@final
class _RecordingClient:
    """The client of an API before which its answers are looked up."""

    def __init__(self, client: Any, answers: Answers, asked: set[str]) -> None:
        self._client = client
        self._answers = answers
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def fetch(self, *request: Any, **options: Any) -> Kept:
        parts = [*enumerate(request), *sorted(options.items())]
        key = repr([(name, value) for name, value in parts if not callable(value)])
        kept = None if key in self._asked else self._answers.recall(key)
        self._asked.add(key)
        if kept is None:
            kept = cast("Kept", await self._client.fetch(*request, **options))
            self._answers.keep(key, kept)
        return kept
