"""[….source.paginator]: how one page leads to the next.

Those that count pages or skip records stop at an empty page and at a satisfied total; those
whose pages name the next one stop where none is named. A short page stops only where
`stop_on_short_page` says so, or where what an earlier page had proves that it is the last.
All stop at `max_pages` and at `max_records`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = [
    "AutoPaginator",
    "CursorPaginator",
    "GraphqlPaginator",
    "HeaderCursorPaginator",
    "KeysetPaginator",
    "LinkHeaderPaginator",
    "NextUrlPaginator",
    "NoPaginator",
    "OffsetPaginator",
    "PagePaginator",
    "Paginator",
    "Place",
]

Place = Literal["query", "body", "header", "template"]
"""Where a page's parameters go."""

Positive = Annotated[int, msgspec.Meta(ge=1)]


class _Paginator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    max_records: Positive | None = None
    """Take exactly so many records of each chain of pages where it has them, then stop
    without an error; the rest of the last page is left."""


class _Paged(_Paginator, frozen=True, kw_only=True, forbid_unknown_fields=True):
    max_pages: Positive | None = None
    """Read at most so many pages of each chain, then stop without an error."""


class _Sized(_Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    size_param: str | None = None
    """Name of the parameter that sends `page_size`."""
    page_size: Positive | None = None
    """Records asked for; sent as `size_param` where that is set."""
    total_path: str | None = None
    """Dotted path to the number of records in all."""
    total_header: str | None = None
    """The header that says it instead: X-Total-Count, X-WP-Total, Content-Range (`0-99/1050`)."""
    has_more_path: str | None = None
    """Dotted path to a boolean; false ends the reading."""
    is_last_path: str | None = None
    """Dotted path to a boolean; true ends the reading: Zendesk's end_of_stream."""
    stop_on_short_page: bool = False
    """A page with fewer records than `page_size` is the last."""


class _Placed(_Sized, frozen=True, kw_only=True, forbid_unknown_fields=True):
    param_in: Place = "query"
    """Where the parameters go: into the URL, into `json` (a name is a dotted path there:
    "search.page"), into headers, or where `{page.NAME}` stands in path, params and json."""


class NoPaginator(_Paginator, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="none"):
    """One response holds everything."""


class PagePaginator(_Placed, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="page"):
    """Pages by number."""

    page_param: str = "page"
    """Name of the parameter that sends the page's number."""
    start: Annotated[int, msgspec.Meta(ge=0)] = 1
    """Number of the first page; 0 for APIs that count from there."""
    total_pages_path: str | None = None
    """Dotted path to the number of pages in all."""
    total_pages_header: str | None = None
    """The header that says it instead: X-WP-TotalPages, X-Total-Pages."""
    parallel: Positive | None = None
    """Pages asked for side by side; where unset, as many as the API's concurrency allows when
    a total is known, else one."""


class OffsetPaginator(_Placed, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="offset"):
    """Pages by number of records to skip; steps by the records received."""

    offset_param: str = "offset"
    """Name of the parameter that sends how many records to skip."""
    start: Annotated[int, msgspec.Meta(ge=0)] = 0
    """The first page's offset; 1 for APIs that count records from there."""
    parallel: Positive | None = None
    """Pages asked for side by side; where unset, as many as the API's concurrency allows when a
    total is known, else one. More than one needs `page_size`."""


class CursorPaginator(_Placed, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="cursor"):
    """Each body carries the token of the next page."""

    cursor_path: str
    """Dotted path to the token of the next page ("paging.next.after"); none or an empty one is the
    end."""
    cursor_param: str = "cursor"
    """Name of the parameter that sends the token."""


class HeaderCursorPaginator(
    _Placed, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="header_cursor"
):
    """A header of each answer carries the token of the next page; none, an empty one and
    "null" (Salesforce's Sforce-Locator) are the end."""

    cursor_header: str
    """The header of the answer that holds the token."""
    cursor_param: str = "cursor"
    """Name of the parameter that sends the token."""


class KeysetPaginator(_Placed, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="keyset"):
    """The last record's key asks for what comes after it: Stripe's starting_after, Shopify's
    since_id. Ends at an empty page, or where `has_more_path` or a short page says so."""

    key: str = "id"
    """Dotted path within a record; a text or a whole number, sent as it came; in a body also a
    list (Elasticsearch's `sort` as `search_after`)."""
    param: str
    """Name of the parameter that sends the key: starting_after, since_id."""


class LinkHeaderPaginator(
    _Sized, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="link_header"
):
    """`Link: <…>; rel="next"` (RFC 8288)."""


class NextUrlPaginator(
    _Sized, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="next_url"
):
    """Each body carries the next page's URL, absolute or relative."""

    next_path: str
    """Dotted path to the URL, to a link that has it as `href` or `url`, or to a list of links of
    which one has `rel` "next"."""


class GraphqlPaginator(
    _Paged, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="graphql"
):
    """A connection's pageInfo (https://relay.dev/graphql/connections.htm).

    `json.query` is sent as it is, braces and all: what varies belongs into json.variables.
    An answer with `errors` fails the run, and is asked for again where it was throttled.
    """

    page_info_path: str | None = None
    """Dotted path to pageInfo; where unset it stands beside the records."""
    variable: str = "after"
    """The variable that takes the cursor."""
    size_variable: str = "first"
    """The variable that takes `page_size`, where that is set."""
    page_size: Positive | None = None
    """Nodes asked for."""
    total_path: str | None = None
    """Dotted path to the number of nodes in all."""


class AutoPaginator(_Paged, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="auto"):
    """Found out from the first answer of each run, and told in its log and report.

    Write down what was found: a later answer without a hint reads as the only page.
    """

    size_param: str | None = None
    """Name of the parameter that sends `page_size`."""
    page_size: Positive | None = None
    """Records asked for; sent as `size_param` where that is set."""


Paginator = (
    NoPaginator
    | PagePaginator
    | OffsetPaginator
    | CursorPaginator
    | HeaderCursorPaginator
    | KeysetPaginator
    | LinkHeaderPaginator
    | NextUrlPaginator
    | GraphqlPaginator
    | AutoPaginator
)
