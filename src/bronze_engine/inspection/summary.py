"""An inspection's report, put together from what was seen, and without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa

from bronze_engine.inspection.columns import Column, columns_of, cursors_of, shorten, values_of
from bronze_engine.inspection.look import Look
from bronze_engine.inspection.recorder import Answers
from bronze_engine.inspection.report import Inspection, PaginatorFound
from bronze_engine.telemetry.redact import Redactor, redact_url

__all__ = ["sampled", "summed_up", "typed"]

_SAMPLE: Final = 5
_LIMITS: Final = re.compile(
    r"rate-?limit|retry-after|call-limit|quota|throttl|x-app-usage|limit-remaining", re.IGNORECASE
)


def summed_up(
    name: str,
    seen: Look,
    found: PaginatorFound,
    answers: Answers,
    *,
    records: Any,
    primary_key: str | None,
    toml: str,
    notes: Sequence[str],
    variables: Iterable[str] = (),
    secrets: Callable[[], frozenset[str]],
) -> Inspection:
    """All of it, with every secret masked: a server may repeat what it was sent.

    Not so the TOML, which must work as it is: whoever makes it writes no secret into it.
    """
    masked = Redactor(secrets)
    columns = columns_of(seen.table)
    last = answers.all[-1]
    first = answers.first or last
    return Inspection(
        pipeline=name,
        location=masked(redact_url(first.url).partition("?")[0]),
        status=first.status,
        requests=len(answers.all),
        pages=seen.pages,
        rows=seen.table.num_rows,
        records=records,
        paginator=found,
        columns=tuple(
            msgspec.structs.replace(column, example=masked(column.example)) for column in columns
        ),
        sample=tuple(tuple(map(masked, row)) for row in sampled(seen.table)),
        primary_key=primary_key,
        cursors=cursors_of(seen.table, columns, primary_key),
        rate_limit={
            header: shorten(masked(value))
            for header, value in sorted(last.headers.items())
            if _LIMITS.search(header)
        },
        variables=tuple(variables),
        notes=tuple(map(masked, notes)),
        toml=toml,
    )


def typed(columns: Sequence[Column]) -> dict[str, str]:
    """What [….schema.columns] could say of them."""
    return {each.name: each.suggested for each in columns if each.suggested is not None}


def sampled(table: pa.Table) -> list[tuple[str, ...]]:
    """The first rows, a short text for each column."""
    columns = [map(shorten, values_of(column)) for column in table.slice(0, _SAMPLE).columns]
    return list(zip(*columns, strict=True))
