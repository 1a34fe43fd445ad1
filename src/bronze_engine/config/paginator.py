"""[….source.paginator]: how one page leads to the next.

All of them stop at an empty page, at a satisfied total, and at `max_pages`. A short page
stops only where `stop_on_short_page` says so.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = [
    "CursorPaginator",
    "LinkHeaderPaginator",
    "NextUrlPaginator",
    "NoPaginator",
    "OffsetPaginator",
    "PagePaginator",
    "Paginator",
]

Positive = Annotated[int, msgspec.Meta(ge=1)]


class _Paginator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    max_pages: Positive | None = None
    """Read at most so many pages, then stop without an error."""


class _Sized(_Paginator, frozen=True, kw_only=True, forbid_unknown_fields=True):
    size_param: str | None = None
    page_size: Positive | None = None
    """Records asked for; sent as `size_param` where that is set."""
    total_path: str | None = None
    """Dotted path to the number of records in all."""
    has_more_path: str | None = None
    """Dotted path to a boolean; false ends the reading."""
    stop_on_short_page: bool = False
    """A page with fewer records than `page_size` is the last."""


class NoPaginator(_Paginator, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="none"):
    """One response holds everything."""


class PagePaginator(_Sized, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="page"):
    """Pages by number."""

    page_param: str = "page"
    start: Annotated[int, msgspec.Meta(ge=0)] = 1
    total_pages_path: str | None = None
    parallel: Positive | None = None
    """Pages asked for side by side; where unset, as many as the API's concurrency allows when
    a total is known, else one."""


class OffsetPaginator(_Sized, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="offset"):
    """Pages by number of records to skip; steps by the records received."""

    offset_param: str = "offset"
    start: Annotated[int, msgspec.Meta(ge=0)] = 0
    parallel: Positive | None = None


class CursorPaginator(_Sized, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="cursor"):
    """Each body carries the token of the next page."""

    cursor_path: str
    cursor_param: str = "cursor"


class LinkHeaderPaginator(
    _Sized, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="link_header"
):
    """`Link: <…>; rel="next"` (RFC 8288)."""


class NextUrlPaginator(
    _Sized, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="next_url"
):
    """Each body carries the next page's URL, absolute or relative."""

    next_path: str


Paginator = (
    NoPaginator
    | PagePaginator
    | OffsetPaginator
    | CursorPaginator
    | LinkHeaderPaginator
    | NextUrlPaginator
)
