"""Pagers and the answers that they are fed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bronze_engine.config.http.paginator import (
    CursorPaginator,
    HeaderCursorPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    Paginator,
)
from bronze_engine.sources.http.paging.pager import Answered, Ask, Pager
from bronze_engine.sources.http.paging.pagers import make_pager

HOME = "https://api.example.com:443"
PAGE = "https://api.example.com/orders?page=1"


def pager_of(config: Paginator, warnings: list[str] | None = None, records: object = None) -> Pager:
    return make_pager(
        config,
        records=records,
        warn=(warnings if warnings is not None else []).append,
        is_allowed={HOME}.__contains__,
    )


def answered(
    records: int,
    *,
    headers: dict[str, str] | None = None,
    last: object = None,
    **fields: Any,
) -> Answered:
    return Answered(records=records, fields=fields, url=PAGE, headers=headers or {}, last=last)


def follow(pager: Pager, *pages: Answered) -> list[Ask | None]:
    return [pager.accept(page) for page in pages]


CHAINS: tuple[Callable[..., Paginator], ...] = (
    lambda **options: CursorPaginator(cursor_path="next", **options),
    lambda **options: NextUrlPaginator(next_path="next", **options),
    lambda **options: HeaderCursorPaginator(cursor_header="X-Next", **options),
    LinkHeaderPaginator,
)
"""Those whose pages name the next one."""


def chained(records: int, name: str, **fields: Any) -> Answered:
    """A page that names the next one in every way."""
    headers = {"link": f"</{name}>;rel=next", "x-next": name}
    return answered(records, headers=headers, next=f"/{name}", **fields)
