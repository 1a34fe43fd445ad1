"""Signs that pages are asked for by a number: of the page, of records to skip, of a key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from bronze_engine.sources.http.paging.clues import (
    Candidate,
    Clues,
    Confidence,
    Member,
    size_of,
    whole,
)

__all__ = [
    "OFFSETS",
    "PAGE_PARAMS",
    "TOTAL_PAGES",
    "by_has_more",
    "by_offset",
    "by_page",
    "by_round_count",
    "by_total",
    "by_whole_list",
]

_PAGES: Final = ("currentpage", "pagenumber", "pageno", "pagenum", "pageindex", "page")
PAGE_PARAMS: Final = (
    *("page", "pagenumber", "pageno", "pagenum", "pageindex", "currentpage", "p", "pg"),
)
TOTAL_PAGES: Final = (
    *("totalpages", "pagecount", "lastpage", "numpages", "pagetotal", "nbpages", "totalpage"),
    *("pages",),
)
_SIZES: Final = ("perpage", "pagesize", "itemsperpage", "pagelimit", "maxresults", "limit", "size")
OFFSETS: Final = ("offset", "startat", "startindex", "start", "skip", "from", "sysparmoffset")
_OFFSET_PARAMS: Final = (*OFFSETS, "first")
_HAS_MORE: Final = ("hasmore", "hasnext", "hasnextpage", "hasmoreitems", "more", "moreresults")
_ROUND: Final = frozenset({10, 20, 25, 30, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10000})


def by_page(clues: Clues) -> Iterator[Candidate]:
    """The number of this page, beside the number of pages, of records, or a page's size."""
    sent = clues.sent(*PAGE_PARAMS)
    if clues.records is None or (sent is None and clues.sent(*OFFSETS) is not None):
        return
    pages = clues.whole(*TOTAL_PAGES)
    names = _PAGES if pages is None else ("number", *_PAGES)  # Spring's "number" is of pages
    here = next((each for each in clues.named(*names) if isinstance(each.value, int)), None)
    total, more = clues.total, clues.flag(*_HAS_MORE)
    if here is None and pages is None and sent is None:
        return
    stated = [each for each in (pages, total, more, clues.whole(*_SIZES)) if each is not None]
    header = clues.total_header or clues.pages_header
    if sent is None and not stated:
        return
    param = sent or _param(clues, here)
    settings: dict[str, Any] = {"type": "page", **clues.placed}
    if param != "page":
        settings["page_param"] = param
    start = whole(clues.params[sent]) if sent is not None else None
    if start is None and here is not None:
        start = whole(here.value)
    if start not in (None, 1):
        settings["start"] = start
    settings |= clues.size or _linked_size(clues)
    settings |= _stops(clues, pages, total, more, is_paged=True)
    seen = [f'"{each.dotted}"' for each in (here, *stated) if each is not None]
    seen += [f"the header {header}"] if header is not None else []
    told = f"{_listed(seen)} number the pages" if seen else "nothing in the answer speaks of pages"
    confidence: Confidence = (
        "likely"
        if (sent is not None and seen) or (here is not None and stated) or pages is not None
        else "guess"
    )
    yield Candidate(
        settings=settings,
        confidence=confidence,
        why=told
        + (
            f"; the request has {sent}" if sent is not None else f"; {param} is the usual parameter"
        ),
    )


def by_offset(clues: Clues) -> Iterator[Candidate]:
    """The number of records skipped, beside a size or the number of records in all."""
    if clues.records is None:
        return
    sent = clues.sent(*_OFFSET_PARAMS)
    here = next(
        (
            each
            for each in clues.named(*OFFSETS)
            if isinstance(each.value, int) and whole(each.value) is not None
        ),
        None,
    )
    total, more, size = clues.total, clues.flag(*_HAS_MORE), clues.whole(*_SIZES)
    search = clues.records.path == "hits.hits"
    if sent is None and not search and (here is None or (total is None and size is None)):
        return
    param = sent or ("from" if search or here is None else here.path[-1])
    settings: dict[str, Any] = {"type": "offset", **clues.placed}
    if param != "offset":
        settings["offset_param"] = param
    start = whole(clues.params[sent]) if sent is not None else None
    if start is None and here is not None:
        start = whole(here.value)
    if start:
        settings["start"] = start
    settings |= clues.size or _named_size(clues, here, size, search=search)
    settings |= _stops(clues, None, total, more)
    seen = [f'"{each.dotted}"' for each in (here, size, total) if each is not None]
    seen += [f"the header {clues.total_header}"] if clues.total_header is not None else []
    yield Candidate(
        settings=settings,
        confidence="likely" if seen else "guess",
        why=(
            '"hits.hits" is how Elasticsearch answers, which pages by from and size'
            if search and sent is None
            else f"{_listed(seen)} count the records skipped"
            if seen
            else "nothing in the answer speaks of records skipped"
        )
        + (f"; the request has {sent}" if sent is not None else ""),
    )


def by_has_more(clues: Clues) -> Iterator[Candidate]:
    """`has_more` and no token: the last record's id leads on, as Stripe has it."""
    more = clues.flag(*_HAS_MORE)
    first = None if clues.records is None else clues.records.first
    if more is None or not isinstance(first, dict) or "id" not in first:
        return
    sent = clues.sent("startingafter", "sinceid", "afterid", "after")
    is_stripe = isinstance(clues.body, dict) and clues.body.get("object") == "list"
    if not (more.value or sent or is_stripe):
        return
    param = sent or ("starting_after" if is_stripe else "after")
    yield Candidate(
        settings={
            "type": "keyset",
            "key": "id",
            "param": param,
            "has_more_path": more.dotted,
            **clues.placed,
            **clues.size,
        },
        confidence="likely" if sent or is_stripe else "guess",
        why=f'"{more.dotted}" says whether there is more, no token is given, and the records have '
        f"an id: the last one's is sent as {param}"
        + (", as Stripe has it" if is_stripe and not sent else ""),
    )


def by_total(clues: Clues) -> Iterator[Candidate]:
    """More records in all than on this page, and no word on how to ask for the others."""
    total, header = clues.total, clues.total_header
    more = clues.flag(*_HAS_MORE)
    stated = whole(total.value) if total is not None else whole(clues.headers.get(_key(header)))
    if clues.records is None or (stated is None and (more is None or more.value is False)):
        return
    if stated == clues.count and more is None:
        return
    places = [f'"{each.dotted}"' for each in (total, more) if each is not None]
    where = " and ".join(places or [f"the header {header}"])
    why = f"{where}: there is more than this page, and nothing names a parameter"
    stops = _stops(clues, None, total, more)
    if "total_items" in (total.path if total is not None else ()):  # Mailchimp
        size = clues.size or {"size_param": "count", "page_size": max(1, clues.count)}
        yield Candidate(
            settings={"type": "offset", **clues.placed, **size, **stops},
            confidence="likely",
            why=f"{where} counts the records in all, as Mailchimp has it: by offset and count",
        )
        return
    yield Candidate(
        settings={"type": "page", **clues.placed, **clues.size, **stops},
        confidence="guess",
        why=f"{why}; page is the most usual",
    )
    size = clues.size or {"size_param": "limit", "page_size": max(1, clues.count)}
    yield Candidate(
        settings={"type": "offset", **clues.placed, **size, **stops},
        confidence="guess",
        why=f"{why}; offset and limit are the next",
    )


def by_whole_list(clues: Clues) -> Iterator[Candidate]:
    """Nothing speaks of other pages."""
    if clues.records is None:
        why = "the answer holds no list of records"
    else:
        total = clues.total
        why = (
            f'"{total.dotted}" says that this page holds all'
            if total is not None and whole(total.value) == clues.count
            else "one list, and nothing in the answer speaks of other pages"
        )
        if total is None and clues.count in _ROUND:
            why += f"; {clues.count:,} records may be a page's limit all the same"
    yield Candidate(settings={"type": "none"}, confidence="likely", why=why)


def by_round_count(clues: Clues) -> Iterator[Candidate]:
    """As many records as pages usually have, and nothing else: what could be tried out."""
    if clues.count not in _ROUND or clues.total is not None:
        return
    why = f"{clues.count:,} records may be a page's limit, and nothing names a parameter"
    yield Candidate(
        settings={"type": "page", **clues.placed, **clues.size},
        confidence="guess",
        why=f"{why}; page is the most usual",
    )
    size = clues.size or {"size_param": "limit", "page_size": clues.count}
    yield Candidate(
        settings={"type": "offset", **clues.placed, **size},
        confidence="guess",
        why=f"{why}; offset and limit are the next",
    )


def _stops(
    clues: Clues,
    pages: Member | None,
    total: Member | None,
    more: Member | None,
    *,
    is_paged: bool = False,
) -> dict[str, Any]:
    """How the end is told: by the records in all, else by the pages in all, in the body or in a
    header, else by a flag."""
    told = {
        "total_path": None if total is None else total.dotted,
        "total_pages_path": None if pages is None else pages.dotted,
        "total_header": clues.total_header,
        "total_pages_header": clues.pages_header if is_paged else None,
        "has_more_path": None if more is None else more.dotted,
    }
    key = next((key for key, place in told.items() if place is not None), None)
    return {} if key is None else {key: told[key]}


def _key(header: str | None) -> str:
    return "" if header is None else header.lower()


def _param(clues: Clues, here: Member | None) -> str:
    """The parameter of a page's number: a link's own, else as the answer names it."""
    for query in _links(clues):
        for name in query:
            if name.lower() in PAGE_PARAMS or name == "page[number]":
                return name
    if here is None:
        return "page"
    name = here.path[-1]
    if isinstance(clues.body, dict) and "jsonapi" in clues.body:
        return "page[number]"
    usual = name.lower() in ("currentpage", "current_page", "number")
    return "page" if usual else name


def _linked_size(clues: Clues) -> dict[str, Any]:
    """The size as the server's own links write it."""
    sizes = (size_of(query) for query in _links(clues))
    return next((size for size in sizes if size), {})


def _named_size(
    clues: Clues, here: Member | None, size: Member | None, *, search: bool
) -> dict[str, Any]:
    """The size under the name that the answer has for it, beside the offset."""
    if search:
        return {"size_param": "size", "page_size": max(1, clues.count)}
    if here is None or size is None or size.path[:-1] != here.path[:-1]:
        return _linked_size(clues)
    number = whole(size.value)
    if not number:
        return {}
    # SCIM has itemsPerPage in its answers, and takes count.
    name = "count" if size.path[-1] == "itemsPerPage" else size.path[-1]
    return {"size_param": name, "page_size": number}


def _links(clues: Clues) -> Iterator[Mapping[str, str]]:
    """The queries of the links to other pages that stand in the body."""
    for member in clues.members:
        if isinstance(member.value, str) and "=" in member.value and "?" in member.value:
            yield dict(parse_qsl(urlsplit(member.value).query))


def _listed(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
