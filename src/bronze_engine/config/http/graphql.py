"""GraphQL over POST: a connection's pageInfo is a cursor in the body.

https://relay.dev/graphql/connections.htm
"""

from __future__ import annotations

import re
from typing import Any, Final

from bronze_engine.config.http.paginator import CursorPaginator, GraphqlPaginator, Paginator

__all__ = ["as_cursor", "page_info_path", "templated_json"]

_MEMBERS: Final = re.compile(r"(?:\$\.)?([^$.\[\]]+(?:\.[^$.\[\]]+)*)(?:\[\*\].*)?")
"""A dotted path, or the beginning of a JSONPath that has one up to its first [*]."""


def page_info_path(config: GraphqlPaginator, records: object) -> str | None:
    """Where pageInfo is: as configured, else beside the records; None where that can't be told.

    `records` is the source's: data.orders.nodes, $.data.orders.edges[*].node.
    """
    if config.page_info_path is not None:
        return config.page_info_path
    path = _MEMBERS.fullmatch(records) if isinstance(records, str) else None
    if path is None:
        return None
    above, _, _ = path[1].rpartition(".")
    return f"{above}.pageInfo" if above else None


def as_cursor(config: GraphqlPaginator, records: object) -> CursorPaginator:
    """The same as a cursor in the body, whose parameters are variables in the body."""
    info = page_info_path(config, records)
    return CursorPaginator(
        cursor_path=f"{info}.endCursor",
        has_more_path=f"{info}.hasNextPage",
        total_path=config.total_path,
        cursor_param=f"variables.{config.variable}",
        size_param=f"variables.{config.size_variable}" if config.page_size is not None else None,
        page_size=config.page_size,
        max_pages=config.max_pages,
        max_records=config.max_records,
        param_in="body",
    )


def templated_json(json: Any, paginator: Paginator) -> tuple[Any, dict[str, Any]]:
    """The body's templates, and the members that are sent as they are.

    A GraphQL query has braces of its own, so nothing in it is a template.
    """
    if isinstance(paginator, GraphqlPaginator) and isinstance(json, dict) and "query" in json:
        return {name: value for name, value in json.items() if name != "query"}, {
            "query": json["query"]
        }
    return json, {}
