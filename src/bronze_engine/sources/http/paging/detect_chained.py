"""Signs that a page names its successor: by a link, by a token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from bronze_engine.sources.http.paging.clues import Candidate, Clues, Member, plain, spelt
from bronze_engine.sources.http.paging.linked import link_of, next_link

__all__ = [
    "by_body_cursor",
    "by_graphql",
    "by_header_cursor",
    "by_link_header",
    "by_next_url",
    "next_page_url",
]

_HAS_MORE: Final = ("hasmore", "hasnext", "hasnextpage", "hasmoreitems", "more", "moreresults")
_NOT_ONE_PAGE: Final = frozenset({"prev", "previous", "first", "last", "self"})
_RELATION: Final = re.compile(r"rel\s*=\s*\"?\s*([a-z]+)", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[!-~]+")
_CURSOR_HEADER: Final = re.compile(r"(next|after|continuation|page)?(cursor|token|marker|locator)")

_AFTER: Final = re.compile(r"\bafter\s*:\s*\$(\w+)")

_NEXT_URLS: Final = (
    *("next.href", "next.url", "next.uri", "next.link", "nextpage.uri", "nextpage.url"),
    *("odatanextlink", "nextlink", "nexturl", "nexturi", "nexthref", "nextpageurl", "nextpageuri"),
    *("nextpagelink", "nextrecordsurl", "links.next", "next", "nextpage"),
)
_LINK_LISTS: Final = ("links", "link")
_NEXT_WORDS: Final = frozenset({"next", "nextpage"})
"""Names that a cursor, a number or a word may have as well."""

_TOKENS: Final = {
    "responsemetadata.nextcursor": "cursor",
    "paging.next.after": "after",
    "paging.cursors.after": "after",
    "cursors.after": "after",
    "next.startingafter": "starting_after",
    "meta.nexttoken": "pagination_token",
    "meta.aftercursor": "page[after]",
    "nextcursor": "cursor",
    "nextpagecursor": "cursor",
    "cursor.next": "cursor",
    "cursors.next": "cursor",
    "nextpagetoken": "page_token",
    "nexttoken": "",
    "nextcontinuationtoken": "continuation_token",
    "continuationtoken": "",
    "nextmarker": "marker",
    "nextkey": "key",
    "nextoffset": "offset",
    "bookmark": "",
    "endcursor": "after",
    "aftercursor": "after",
    "cursor": "",
    "offset": "",
    "nextpage": "page",
    "next": "cursor",
}
"""Plain paths that end in the token of the next page, and the parameter that takes it; "" is
one of the same name."""

_TOKEN_WORDS: Final = frozenset({"cursor", "offset", "bookmark", "nextpage", "next"})
"""Names that may mean something else: what they hold must look like a token."""

_PARAM_NAMES: Final = frozenset(
    {"cursor", "after", "pagetoken", "nexttoken", "nextcursor", "nextpagetoken", "startingafter"}
    | {"startcursor", "paginationtoken", "continuationtoken", "continuation", "marker", "bookmark"}
    | {"pagecursor", "pageafter"}
)


def by_graphql(clues: Clues) -> Iterator[Candidate]:
    """`pageInfo { hasNextPage endCursor }` of the Relay connections."""
    for info in clues.named("pageinfo"):
        if (
            not isinstance(info.value, dict)
            or not {"hasNextPage", "endCursor"} <= info.value.keys()
        ):
            continue
        settings = {"type": "graphql", "page_info_path": info.dotted}
        query = clues.json.get("query") if isinstance(clues.json, dict) else None
        variable = _AFTER.search(query) if isinstance(query, str) else None
        if variable is not None and variable[1] != "after":
            settings["variable"] = variable[1]
        yield Candidate(
            settings=settings,
            confidence="certain",
            why=f'"{info.dotted}" holds hasNextPage and endCursor, as GraphQL connections do',
        )


def by_link_header(clues: Clues) -> Iterator[Candidate]:
    """RFC 8288."""
    header = clues.headers.get("link", "")
    if next_link(header):
        yield Candidate(
            settings={"type": "link_header", **clues.size},
            confidence="certain",
            why='the Link header names rel="next"',
        )
    elif relations := {name.lower() for name in _RELATION.findall(header)} & _NOT_ONE_PAGE:
        told = ", ".join(sorted(relations))
        yield Candidate(
            settings={"type": "link_header", **clues.size},
            confidence="likely",
            why=f"the Link header names {told}, and no next: this page is the last",
        )


def by_next_url(clues: Clues) -> Iterator[Candidate]:
    """A member that holds the next page's URL, absolute or relative."""
    if clues.records is None:
        return
    for member in clues.named(*_NEXT_URLS):
        if isinstance(member.value, str) and _is_url(member.value):
            kind = "URL" if "://" in member.value else "relative URL"
            yield _next_url(clues, member, "certain", f"holds the next page's {kind}")
            return
    for member in clues.named(*_LINK_LISTS):
        if isinstance(member.value, list) and _is_url(link_of(member.value) or ""):
            yield _next_url(clues, member, "certain", "lists a link whose relation is next")
            return
    for member in clues.named(*_NEXT_URLS):
        if member.value is None and _means_url(clues, member):
            yield _next_url(
                clues,
                member,
                "likely",
                "is null: there the next page's URL stands, and this is the last",
            )
            return
    if "@odata.context" in _top(clues):
        yield Candidate(
            settings={"type": "next_url", "next_path": "@odata.nextLink", **clues.size},
            confidence="likely",
            why='"@odata.context" is OData\'s, which names the next page in "@odata.nextLink"; '
            "this page is the last",
        )
    elif {"totalSize", "done", "records"} <= _top(clues).keys():
        yield Candidate(
            settings={"type": "next_url", "next_path": "nextRecordsUrl", **clues.size},
            confidence="likely",
            why='"totalSize" and "done" are Salesforce\'s, which names the next page in '
            '"nextRecordsUrl"; this page is the last',
        )


def next_page_url(clues: Clues) -> str | None:
    """The next page's URL, where a header or a member of the body names it."""
    if (link := next_link(clues.headers.get("link", ""))) is not None:
        return link
    named = (each.value for each in clues.named(*_NEXT_URLS))
    listed = (each.value for each in clues.named(*_LINK_LISTS) if isinstance(each.value, list))
    urls = (*(value for value in named if isinstance(value, str)), *map(link_of, listed))
    return next((url for url in urls if url and _is_url(url)), None)


def _next_url(clues: Clues, member: Member, confidence: Any, what: str) -> Candidate:
    return Candidate(
        settings={"type": "next_url", "next_path": member.dotted, **clues.last, **clues.size},
        confidence=confidence,
        why=f'"{member.dotted}" {what}',
    )


def _means_url(clues: Clues, member: Member) -> bool:
    """Whether a null stands where a URL would: by its name, or by a link beside it."""
    if member.plain_path[-1] not in _NEXT_WORDS:
        return True
    if member.plain_path[-2:-1] in (("links",), ("link",)):
        return True
    siblings = [each for each in clues.members if each.path[:-1] == member.path[:-1]]
    return any(
        plain(each.path[-1]) in ("previous", "prev", "self", "previouspage", "prevpage")
        and (each.value is None or (isinstance(each.value, str) and _is_url(each.value)))
        for each in siblings
    )


def by_header_cursor(clues: Clues) -> Iterator[Candidate]:
    """A response header that holds the next page's token."""
    for name, value in clues.headers.items():
        bare = plain(name)
        what = bare.removeprefix("xms").removeprefix("x").removeprefix("sforce")
        if not _CURSOR_HEADER.fullmatch(what) or not value.strip():
            continue
        settings: dict[str, Any] = {"type": "header_cursor", "cursor_header": spelt(name)}
        if bare == "xmscontinuation":  # Cosmos DB takes it back in the same header
            settings |= {"cursor_param": name, "param_in": "header"}
        else:
            given = clues.sent(*_PARAM_NAMES)
            settings["cursor_param"] = given or _HEADER_PARAMS.get(bare, "cursor")
        is_end = value.strip().lower() == "null"
        is_known = bare in _HEADER_PARAMS or bare == "xmscontinuation"
        yield Candidate(
            settings={**settings, **clues.size},
            confidence="certain" if is_known and not is_end else "likely",
            why=f"the {spelt(name)} header holds a token"
            + (", null on the last page" if is_end else ""),
        )
        return


_HEADER_PARAMS: Final = {
    "sforcelocator": "locator",
    "xmscontinuationtoken": "continuationToken",
    "xnextcursor": "cursor",
    "xnexttoken": "next_token",
    "xnextpagetoken": "page_token",
}


def by_body_cursor(clues: Clues) -> Iterator[Candidate]:
    """A member that holds the next page's token."""
    if clues.records is None:
        return
    for tail, param in _TOKENS.items():
        for member in clues.named(tail):
            is_word = member.plain_path[-1] in _TOKEN_WORDS and "." not in tail
            if _is_token(member.value, is_word=is_word):
                yield _cursor(clues, member, param, tail, is_empty=False)
                return
    for tail, param in _TOKENS.items():
        for member in clues.named(tail):
            if member.plain_path[-1] not in _TOKEN_WORDS and member.value in (None, ""):
                yield _cursor(clues, member, param, tail, is_empty=True)
                return


def _cursor(clues: Clues, member: Member, param: str, tail: str, *, is_empty: bool) -> Candidate:
    given = clues.sent(*_PARAM_NAMES)
    taken = given or _param_for(clues, member, param)
    settings: dict[str, Any] = {
        "type": "cursor",
        "cursor_path": member.dotted,
        "cursor_param": taken,
        **clues.placed,
    }
    more = clues.flag(*_HAS_MORE)
    if more is not None:
        settings["has_more_path"] = more.dotted
    else:
        settings |= clues.last
    is_word = tail in _TOKEN_WORDS
    return Candidate(
        settings={**settings, **clues.size},
        confidence="likely" if given or not is_word else "guess",
        why=f'"{member.dotted}" '
        + ("is there for the next page's token, empty" if is_empty else "holds a token")
        + (
            f", which the request sends as {taken}"
            if given
            else f"; {taken} is the usual parameter beside it"
        ),
    )


def _param_for(clues: Clues, member: Member, param: str) -> str:
    name = member.path[-1]
    if param == "":
        return name
    top = _top(clues)
    if param == "cursor" and top.get("object") == "list" and "next_cursor" in top:
        return "start_cursor"  # Notion
    if param == "page_token" and "isLast" in top:
        return name  # Jira
    if param in ("page_token", "continuation_token") and "_" not in name:
        words = param.split("_")
        return words[0] + "".join(word.title() for word in words[1:])
    return param


def _top(clues: Clues) -> dict[str, Any]:
    return clues.body if isinstance(clues.body, dict) else {}


def _is_url(text: str) -> bool:
    """Absolute, or relative to a host, a path or a query; not a word, not a token."""
    if not text or any(character.isspace() for character in text):
        return False
    if text.startswith(("http://", "https://", "?")):
        return True
    if text.startswith("/"):
        return len(text) > 1 and "=" not in text.partition("?")[0]  # base64 has slashes and "="
    path, mark, query = text.partition("?")
    return bool(mark) and bool(path) and "=" in query


def _is_token(value: object, *, is_word: bool) -> bool:
    """Whether it can be sent back: a text without spaces, or a whole number.

    Under a name that means other things too it must look like a token: letters in both cases
    or with digits among them, or long.
    """
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return False
    if isinstance(value, int):
        return value >= 0 and not is_word
    if not _TOKEN.fullmatch(value) or _is_url(value):
        return False
    if not is_word:
        return True
    has_digit = any(character.isdigit() for character in value)
    is_mixed = value != value.lower() and value != value.upper()
    return len(value) >= 16 or (len(value) >= 4 and not value.isdigit() and (has_digit or is_mixed))
