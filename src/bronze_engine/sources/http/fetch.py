"""One page: asked for under the API's limits, read whole, cut into records."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol, final

import httpx
import msgspec

from bronze_engine.config.api import RateLimitHeaders
from bronze_engine.config.http.paginator import (
    GraphqlPaginator,
    OffsetPaginator,
    PagePaginator,
    Paginator,
)
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.contracts import Resources
from bronze_engine.errors import AuthError, BronzeError, ExtractError, PageError
from bronze_engine.limits.transient import Transient
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.quota import Quota
from bronze_engine.sources.http.body.blocks import NO_MEMBERS, Members
from bronze_engine.sources.http.body.inflate import CODINGS, inflate
from bronze_engine.sources.http.body.lone_column import other_delimiter
from bronze_engine.sources.http.body.shape import Shape
from bronze_engine.sources.http.body.split import Split
from bronze_engine.sources.http.body.stream import Chunks, CutBody
from bronze_engine.sources.http.capture import capture
from bronze_engine.sources.http.graphql import refuse_errors
from bronze_engine.sources.http.paging.pager import Answered, Ask
from bronze_engine.sources.http.quota_headers import Nonsense, QuotaHeaders
from bronze_engine.sources.http.status import excerpt, raise_for_status, shortened
from bronze_engine.sources.http.target import Target
from bronze_engine.sources.http.wire.client import Answer, Client, Refused
from bronze_engine.sources.http.wire.exchange import TokenExchange
from bronze_engine.sources.http.wire.faults import is_passing
from bronze_engine.telemetry.profile import working

__all__ = ["Cutter", "Fetcher", "Page", "Settle", "Settled"]

_COUNTED = (PagePaginator, OffsetPaginator)
_CONDITIONS: Final = frozenset({"if-modified-since", "if-none-match"})
"""Headers to which 304 is an answer: nothing has changed."""
_NOTHING = Split((), 0, {})


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page that was read."""

    ask: Ask
    split: Split
    answered: Answered
    date: str | None
    """The Date header: the server's clock."""
    bytes_in: int
    captured: CapturedPage | None = None
    """What is kept of it, where `capture` asks for it."""


class Cutter(Protocol):
    """Cuts bodies into records: a Shape, or what stands around one. Called in workers."""

    @property
    def is_quick(self) -> bool:
        """Whether a small body takes microseconds: it may be read on the loop."""
        ...

    def read(
        self,
        chunks: Chunks,
        coding: str,
        limit_bytes: int,
        carried: Members,
        content_type: str,
        /,
    ) -> Split: ...


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What a first answer has shown of how to read on."""

    paginator: Paginator
    target: Target
    shape: Shape


Settle = Callable[[Ask, Answer], Awaitable[Settled]]
"""Judges the first answer of a chain whose paginator is found out."""


@final
class Fetcher:
    """Reads the pages of one chain. Any number at once."""

    def __init__(
        self,
        config: HttpSourceConfig,
        resources: Resources,
        client: Client,
        target: Target,
        shape: Cutter,
        carried: Members = NO_MEMBERS,
        settle: Settle | None = None,
    ) -> None:
        self._config = config
        self._resources = resources
        self._client = client
        self._target = target
        self._shape = shape
        self._tokens = TokenExchange(client, resources.limits, resources.clock, resources.tally)
        self._carried = carried
        self._settle = settle
        rate = config.api.rate_limit
        self._quota_headers = QuotaHeaders(RateLimitHeaders() if rate is None else rate.headers)
        self._captures = config.capture is not None
        self._empty = {204}
        if any(name.lower() in _CONDITIONS for name in config.headers):
            self._empty.add(304)
        self._is_graphql = isinstance(config.paginator, GraphqlPaginator)

    @property
    def in_flight(self) -> int:
        """Requests that the API's limits let be in flight at once, now."""
        return self._resources.limits.concurrency

    async def page(self, ask: Ask, *, may_be_past_end: bool = False) -> Page:
        """One page, with the retries of the limit group.

        `may_be_past_end`: a 404 is an answer, not an error. Raises RetryError, AuthError,
        ExtractError, PageError.
        """
        attempts = 0

        async def attempt() -> tuple[Answer, Split | None]:
            nonlocal attempts
            attempts += 1
            if attempts > 1:
                self._resources.tally.retries += 1
            return await self.attempt(ask, may_be_past_end=may_be_past_end)

        shown = self._target.shown(ask)
        try:
            answer, split = await self.admitted(
                lambda: self._resources.limits.call(
                    attempt, describe=f"{self._config.method} {shown}"
                )
            )
            if self._settle is not None and answer.status != 404:
                split = await self._settled(self._settle, ask, answer)
            if split is None:
                split = await self.split(answer)
            self._judge_fault(split)
        except (AuthError, ExtractError, PageError) as exc:
            raise self.located(exc, ask) from exc.__cause__
        if ask.number == 1 and self._config.format == "csv":
            self._warn_of_delimiter(split)
        return Page(
            ask=ask,
            split=split,
            answered=Answered(
                records=split.records,
                fields=split.fields,
                url=answer.url,
                headers=answer.headers,
                last=split.last,
                is_past_end=answer.status == 404,
            ),
            date=answer.headers.get("date"),
            bytes_in=sum(map(len, answer.chunks)),
            captured=self._captured(ask, answer, split) if self._captures else None,
        )

    def _judge_fault(self, split: Split) -> None:
        if not split.fault:
            return
        if self._config.partial_records == "fail":
            raise PageError(
                f"the body has {split.fault}, beside its records: those that are missing nobody "
                'can tell; set partial_records = "warn" if these are all'
            )
        self._resources.tally.warn(
            self._target.scrub(f"a page has {split.fault}, beside its records, which landed")
        )

    def _warn_of_delimiter(self, split: Split) -> None:
        other = other_delimiter(split, self._carried.names)
        if other is not None:
            self._resources.tally.warn(
                f"the CSV has a single column, whose name holds {other!r}; if that divides it, "
                f"set csv.delimiter = {json.dumps(other)}"
            )

    def _captured(self, ask: Ask, answer: Answer, split: Split) -> CapturedPage:
        now = self._resources.clock.now()
        return capture(ask, answer, split, self._target, self._carried, now)

    async def admitted(
        self, operation: Callable[[], Awaitable[tuple[Answer, Split | None]]]
    ) -> tuple[Answer, Split | None]:
        """Run what asks, with credentials that are valid; see `Client.admitted`."""
        return await self._client.admitted(operation, self._tokens, self._resources.workers)

    def located(self, exc: BronzeError, ask: Ask) -> BronzeError:
        """The same error with the page's number and URL, and no secret that the answer echoed."""
        shown, message = self._target.shown(ask), self._target.scrub(exc.message)
        return type(exc)(f"page {ask.number} ({shown}): {message}", **exc.context, url=shown)

    async def attempt(
        self, ask: Ask, *, may_be_past_end: bool = False
    ) -> tuple[Answer, Split | None]:
        """One request; raises Transient where another may go better.

        A compressed body, and one that only the end of the connection ended, is read here:
        only reading it shows whether it was cut off. The others are left to the caller,
        who no longer holds a slot of the API. A 401 is Refused: it is asked again, once, by
        `admitted`.
        """
        answer = await self._exchange(ask)
        quotas = self._quotas(answer)
        if answer.status in self._empty or (answer.status == 404 and may_be_past_end):
            return answer, _NOTHING
        if answer.status >= 300:
            said = shortened(self._target.scrub(excerpt(answer)))
            try:
                raise_for_status(
                    answer,
                    said=said,
                    api=self._config.api,
                    now=self._resources.clock.now(),
                    quotas=quotas,
                    behind=self._behind(ask),
                )
            except AuthError as exc:
                if not self._client.is_home(answer):
                    raise AuthError(f"{exc.message}; {self._client.abroad(answer)}") from None
                if answer.status == 401:
                    raise Refused(answer.version, exc) from None
                raise
        if self._is_graphql:
            await self._refuse_errors(answer)
        if answer.encoding:
            if answer.encoding not in CODINGS:
                raise ExtractError(
                    f"the body is compressed with {answer.encoding!r:.40}, and only "
                    f"{' and '.join(CODINGS)} are read; set Accept-Encoding = "
                    f'"identity" in [apis.{self._config.api.name}.headers]'
                )
            try:
                return answer, await self.split(answer)
            except CutBody as exc:
                raise Transient(str(exc)) from None
        if answer.is_framed:
            return answer, None
        try:
            return answer, await self.split(answer)
        except ExtractError as exc:
            raise Transient(f"the connection ended, and {exc.message}") from None

    def _behind(self, ask: Ask) -> Literal["counted", "chained"] | None:
        if ask.number == 1:
            return None
        return "counted" if isinstance(self._config.paginator, _COUNTED) else "chained"

    def _quotas(self, answer: Answer) -> tuple[Quota, ...]:
        """What the answer says is left, also told to the limits; nonsense is a warning, once."""
        try:
            quotas = self._quota_headers.read(answer.headers, self._resources.clock)
        except Nonsense as exc:
            name = str(exc)
            warning = f"the header {name} of {self._config.api.name} makes no sense and is ignored"
            tally = self._resources.tally
            if not any(each.startswith(warning) for each in tally.warnings):
                tally.warn(f"{warning}: it says {answer.headers.get(name)!r:.80}")
            return ()
        if quotas:
            self._resources.limits.told(quotas)
        return quotas

    async def _exchange(self, ask: Ask) -> Answer:
        total = self._config.api.timeout.total
        tally = self._resources.tally

        def on_request() -> None:
            tally.requests += 1

        def on_bytes(count: int) -> None:
            tally.bytes_in += count

        try:
            async with self._resources.clock.timeout(total):
                return await self._client.fetch(
                    self._config.method,
                    self._target.url(ask),
                    self._target.body(ask),
                    headers=self._target.headers(ask),
                    limit_bytes=self._config.max_page_bytes,
                    on_request=on_request,
                    on_bytes=on_bytes,
                )
        except TimeoutError:
            raise Transient(f"no whole answer within {total:g} s") from None
        except httpx.TransportError as exc:
            if is_passing(exc):
                raise Transient(str(exc)) from exc
            raise ExtractError(f"{exc}; check base_url, proxy and ca_file") from exc

    async def _settled(self, settle: Settle, ask: Ask, answer: Answer) -> Split:
        """Read on as the first answer says, and read that one so too."""
        self._settle = None
        settled = await settle(ask, answer)
        self._target, self._shape = settled.target, settled.shape
        self._is_graphql = isinstance(settled.paginator, GraphqlPaginator)
        if self._is_graphql:
            try:
                await self._refuse_errors(answer)
            except Transient as exc:
                raise ExtractError(f"{exc.reason}; run again later") from None
        return _NOTHING if answer.status in self._empty else await self.split(answer)

    async def _refuse_errors(self, answer: Answer) -> None:
        if answer.encoding and answer.encoding not in CODINGS:
            return
        limit, scrub = self._config.max_page_bytes, self._target.scrub

        def judge() -> None:
            refuse_errors(inflate(answer.chunks, answer.encoding, limit), scrub)

        try:
            await self._resources.workers.run(judge)
        except CutBody as exc:
            raise Transient(str(exc)) from None

    async def split(self, answer: Answer) -> Split:
        """Cut the body into records: in a worker, but for what costs less than going there."""
        asked = (
            answer.chunks,
            answer.encoding,
            self._config.max_page_bytes,
            self._carried,
            answer.headers.get("content-type", ""),
        )
        if answer.is_small and self._shape.is_quick:
            with working("split"):
                return self._shape.read(*asked)
        return await self._resources.workers.run(self._shape.read, *asked, stage="split")
