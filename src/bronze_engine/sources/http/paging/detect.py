"""Which paginator an API has, judged by its first answer. Pure: nothing is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from bronze_engine.config.http.paginator import Paginator
from bronze_engine.sources.http.paging.clues import Candidate, Clues
from bronze_engine.sources.http.paging.detect_chained import (
    by_body_cursor,
    by_graphql,
    by_header_cursor,
    by_link_header,
    by_next_url,
)
from bronze_engine.sources.http.paging.detect_counted import (
    by_has_more,
    by_offset,
    by_page,
    by_round_count,
    by_total,
    by_whole_list,
)
from bronze_engine.sources.http.paging.detect_counting import by_counting_link
from bronze_engine.sources.http.paging.record_list import RecordList

__all__ = ["Candidate", "Detected", "detect", "paginator_of"]

_ORDER: Final = ("certain", "likely", "guess")
_DETECTORS: Final = (
    by_graphql,
    by_link_header,
    by_next_url,
    by_header_cursor,
    by_body_cursor,
    by_counting_link,
    by_page,
    by_offset,
    by_has_more,
    by_total,
)
"""The surest first: of equal confidence the earlier one is taken."""


class Detected(msgspec.Struct, frozen=True, kw_only=True):
    """What a first answer says about how to read on."""

    candidates: tuple[Candidate, ...]
    """The surest first; never empty."""
    records: RecordList | None
    """None where the body holds no list."""

    @property
    def best(self) -> Candidate:
        return self.candidates[0]


def detect(
    url: str,
    headers: Mapping[str, str],
    body: object,
    *,
    json: object = None,
    records: RecordList | None = None,
) -> Detected:
    """Judge a first answer.

    `url` is where it came from, with the query that was sent; `headers` are by lower-case
    name; `body` is the decoded JSON; `json` is the body that was sent, for a POST; `records`
    are where they are known to be, else looked for. Raises nothing for any body.

    What names the next page outright goes before what has only the shape, and that before
    what merely fits. "none" is the best where nothing speaks of other pages, and comes last
    where only guesses do.
    """
    clues = Clues(url, headers, body, json=json, records=records)
    found = [candidate for detector in _DETECTORS for candidate in detector(clues)]
    # Sorting is stable: of equal confidence the detectors' order stays.
    found.sort(key=lambda each: _ORDER.index(each.confidence))
    if not found or found[0].confidence == "guess":
        is_silent = not found
        found.extend(by_whole_list(clues))
        found.extend(by_round_count(clues) if is_silent else ())
    return Detected(candidates=tuple(found), records=clues.records)


def paginator_of(candidate: Candidate) -> Paginator:
    """The candidate as the configuration's Struct."""
    paginator: Paginator = msgspec.convert(candidate.settings, type=Paginator)
    return paginator
