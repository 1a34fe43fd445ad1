"""The pager for each paginator of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import final

from bronze_engine.config.paginator import (
    CursorPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    NoPaginator,
    OffsetPaginator,
    PagePaginator,
    Paginator,
)
from bronze_engine.sources.http.paging.chained import CursorPager, LinkHeaderPager, NextUrlPager
from bronze_engine.sources.http.paging.counted import OffsetPager, PagePager
from bronze_engine.sources.http.paging.pager import Answered, Ask, Pager

__all__ = ["SinglePager", "make_pager"]


def make_pager(
    config: Paginator, *, warn: Callable[[str], None], is_allowed: Callable[[str], bool]
) -> Pager:
    """The pager for a configuration.

    `warn` is told of corrections, and of paths that lead nowhere. `is_allowed` judges the
    origin (`origin_of`) of a next link; one that it refuses is a PageError before anything
    is sent.
    """
    match config:
        case NoPaginator():
            return SinglePager()
        case PagePaginator():
            return PagePager(config, warn)
        case OffsetPaginator():
            return OffsetPager(config, warn)
        case CursorPaginator():
            return CursorPager(config, warn)
        case NextUrlPaginator():
            return NextUrlPager(config, warn, is_allowed)
        case LinkHeaderPaginator():
            return LinkHeaderPager(config, warn, is_allowed)


@final
class SinglePager:
    """One answer holds everything."""

    fields: tuple[str, ...] = ()
    params: frozenset[str] = frozenset()
    total: int | None = None
    ahead = 1
    ends_at_404 = False

    def first(self) -> Ask:
        return Ask(number=1)

    def accept(self, page: Answered, /) -> Ask | None:  # noqa: ARG002  # every answer is the last
        return None

    def guess(self, ask: Ask, /) -> Iterator[Ask]:
        yield ask

    def mismatch(self) -> str | None:
        return None
