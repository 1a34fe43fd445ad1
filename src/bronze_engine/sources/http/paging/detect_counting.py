"""Signs that a next link only counts: its pages can be asked for by number, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bronze_engine.sources.http.paging.clues import Candidate, Clues, plain, size_of, whole
from bronze_engine.sources.http.paging.detect_chained import next_page_url
from bronze_engine.sources.http.paging.detect_counted import OFFSETS, PAGE_PARAMS, TOTAL_PAGES

__all__ = ["by_counting_link"]


def by_counting_link(clues: Clues) -> Iterator[Candidate]:
    """A next link that differs from the request in a page's number or an offset alone, where
    the body says how many there are: no page needs to wait for the one before it."""
    link = next_page_url(clues)
    total, pages = clues.total, clues.whole(*TOTAL_PAGES)
    if link is None or (total is None and pages is None):
        return
    query = dict(parse_qsl(urlsplit(link).query))
    size = size_of(query)
    moved = [
        name
        for name, value in query.items()
        if value != clues.params.get(name) and name != size.get("size_param")
    ]
    if len(moved) != 1 or not (to := whole(query[moved[0]])):
        return
    name = moved[0]
    here = whole(clues.params.get(name))
    settings: dict[str, Any]
    # Without a number in the request the first page is 1, or 0 where the next one is 1.
    if plain(name) in PAGE_PARAMS and to == (min(to - 1, 1) if here is None else here) + 1:
        settings = {"type": "page"} if name == "page" else {"type": "page", "page_param": name}
        settings |= {"start": to - 1} if to != 2 else {}
    elif plain(name) in OFFSETS and total is not None and to == (here or 0) + clues.count:
        settings = (
            {"type": "offset"} if name == "offset" else {"type": "offset", "offset_param": name}
        )
        settings |= {"start": here} if here else {}
    else:
        return
    told, stop = (total, "total_path") if total is not None else (pages, "total_pages_path")
    settings |= size | {stop: told.dotted if told is not None else ""}
    yield Candidate(
        settings=settings,
        confidence="likely",
        why=f'the next link only counts {name} up, and "{settings[stop]}" says how many there are: '
        "pages can be read side by side",
    )
