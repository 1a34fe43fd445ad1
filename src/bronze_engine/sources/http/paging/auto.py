"""`auto`: the first answer says which paginator the others are read by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, final

import msgspec

from bronze_engine.config.http.paginator import (
    AutoPaginator,
    KeysetPaginator,
    NoPaginator,
    OffsetPaginator,
    PagePaginator,
    Paginator,
)
from bronze_engine.sources.http.paging.detect import Candidate, detect, paginator_of
from bronze_engine.sources.http.paging.pager import Answered, Ask, Pager
from bronze_engine.sources.http.paging.record_list import find_records

__all__ = ["AutoPager", "chosen", "told"]

_TRIED: Final = (PagePaginator, OffsetPaginator, KeysetPaginator)
"""Those whose parameters are told by nothing in an answer's body."""


@final
class AutoPager:
    """Stands for the pager of the first page until its answer is there, then for the one found."""

    def __init__(self, config: AutoPaginator, first: Pager) -> None:
        self.config = config
        self._pager = first

    def settle(self, pager: Pager) -> None:
        """Read on by `pager`, which accepts the first page too."""
        self._pager = pager

    @property
    def fields(self) -> tuple[str, ...]:
        return self._pager.fields

    @property
    def params(self) -> frozenset[str]:
        return self._pager.params

    @property
    def sizes(self) -> frozenset[str]:
        return self._pager.sizes

    @property
    def key(self) -> str | None:
        return self._pager.key

    @property
    def total(self) -> int | None:
        return self._pager.total

    @property
    def max_records(self) -> int | None:
        return self.config.max_records

    @property
    def ahead(self) -> int | None:
        return self._pager.ahead

    @property
    def ends_at_404(self) -> bool:
        return self._pager.ends_at_404

    def first(self) -> Ask:
        return self._pager.first()

    def accept(self, page: Answered, /) -> Ask | None:
        return self._pager.accept(page)

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        return self._pager.guess(ask)

    def mismatch(self) -> str | None:
        return self._pager.mismatch()


def chosen(
    config: AutoPaginator,
    body: bytes | bytearray,
    *,
    url: str,
    headers: Mapping[str, str],
    sent: object,
    records: object,
) -> tuple[Paginator, Candidate]:
    """The paginator that a first answer speaks of, with the limits of `config`, and why.

    `sent` is the JSON that was asked with; `records` the source's. Decodes the whole body:
    runs in a worker. A body that is no JSON speaks by its headers alone.
    """
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    path = records if isinstance(records, str) and not records.startswith("$") else None
    found = None if path is None else find_records(value, url, path)
    best = detect(url, headers, value, json=sent, records=found).best
    paginator = paginator_of(best)
    limits: dict[str, Any] = {"max_records": config.max_records}
    if not isinstance(paginator, NoPaginator):
        limits["max_pages"] = config.max_pages
        if hasattr(paginator, "size_param") and config.page_size is not None:
            limits |= {"size_param": config.size_param, "page_size": config.page_size}
        if isinstance(sent, dict) and isinstance(paginator, _TRIED):
            limits["param_in"] = "body"
    return msgspec.structs.replace(paginator, **limits), best


def told(candidate: Candidate) -> str:
    """What was found, as TOML on one line, and what for."""
    settings = ", ".join(
        f"{name} = {msgspec.json.encode(value).decode()}"
        for name, value in candidate.settings.items()
    )
    return (
        f'paginator "auto" reads by {{ {settings} }} ({candidate.confidence}): {candidate.why}. '
        "Write it into [….source.paginator]"
    )
