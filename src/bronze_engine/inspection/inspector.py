"""From a URL, or a pipeline's name, to what is there and the TOML that lands it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final, final

import msgspec
import pyarrow as pa

from bronze_engine.clock import Clock
from bronze_engine.config.load import Config, parse_config
from bronze_engine.config.paginator import AutoPaginator, NoPaginator
from bronze_engine.contracts import Hook
from bronze_engine.errors import BronzeError, ConfigError, ExtractError, PageError
from bronze_engine.inspection.columns import (
    Column,
    Cursor,
    columns_of,
    cursors_of,
    primary_key_of,
    shorten,
)
from bronze_engine.inspection.draft import Draft, Wanted, draft
from bronze_engine.inspection.look import QUICKLY, Look, look
from bronze_engine.inspection.recorder import Answers, Kept
from bronze_engine.inspection.report import Inspection, PaginatorFound
from bronze_engine.inspection.toml import render
from bronze_engine.sources.http.body.inflate import inflate
from bronze_engine.sources.http.paging.detect import Candidate, Detected, detect, paginator_of
from bronze_engine.sources.http.paging.record_list import RecordList, find_records
from bronze_engine.telemetry.redact import Redactor, redact_url

__all__ = ["Inspector"]

_SAMPLE: Final = 5
_MOST_BYTES: Final = 64 * 1024**2
_TRIES: Final = 3
"""Paginators that are tried out before it is said that none leads on."""

_LIMITS: Final = re.compile(
    r"rate-?limit|retry-after|call-limit|quota|throttl|x-app-usage|limit-remaining", re.IGNORECASE
)
_SHOWN_KEYS: Final = 12


@final
class Inspector:
    """Inspects one URL or one pipeline. `secrets` are what it has met and must not be shown."""

    def __init__(
        self,
        *,
        run_date: date,
        clock: Clock,
        environ: Mapping[str, str] | None = None,
        hooks: Sequence[Hook] = (),
    ) -> None:
        self._run_date = run_date
        self._environ = dict(os.environ if environ is None else environ)
        self._look = partial(look, run_date=run_date, clock=clock, hooks=hooks)
        self._answers = Answers()
        self._configs: list[Config] = []
        self._own_secrets: frozenset[str] = frozenset()

    def secrets(self) -> frozenset[str]:
        return self._own_secrets.union(*(config.secrets for config in self._configs))

    async def url(self, wanted: Wanted, config: Config | None = None) -> Inspection:
        """Inspect a URL; `config` has the API that `wanted` names.

        Asks for one page, then for a second by each paginator that the first suggests, until
        one leads on. The TOML that is returned has been run over the answers. Raises
        ConfigError for what can't be asked for, and the errors of a run.
        """
        beside = None
        base_url = None
        if wanted.api is not None:
            if config is None:
                raise ConfigError(f"--api {wanted.api}: there is no pipelines.toml here")
            beside, base_url = config.path, config.api(wanted.api).base_url
            self._configs.append(config)
        made = draft(
            wanted,
            self._environ,
            base_url=base_url,
            taken=() if config is None else config.names,
        )
        self._own_secrets = frozenset(made.variables.values())
        environ = {**self._environ, **made.variables}
        see = partial(self._see, made, beside, environ)

        seen, refusal = await self._first(see)
        detected = self._detected(made.source.get("records"), wanted.json)
        if detected.records is None:
            raise refusal or PageError(f"{made.name}: {_no_list(self._body())}")
        _take_records(made, detected.records)
        notes: list[str] = []
        found = await self._try_out(made, detected, see, notes)
        seen = await see()
        return await self._told(made, seen, found, see, notes)

    async def pipeline(self, config: Config, name: str) -> Inspection:
        """Inspect a configured pipeline, with its credentials and limits.

        The TOML that is returned is what could be added to it.
        """
        self._configs.append(config)
        pipeline = config.pipeline(name)
        source = pipeline.source
        at = partial(self._look, config, name, answers=self._answers)
        changes: dict[str, Any] = {}
        notes: list[str] = []
        try:
            seen = await at()
        except (PageError, ExtractError) as exc:
            detected = self._detected(None, source.json)
            if detected.records is None or detected.records.path == source.records:
                raise
            notes.append(f"as it is configured it fails: {exc.message}")
            changes["records"] = detected.records.path
            seen = await at(changes=changes)
        else:
            path = source.records if isinstance(source.records, str) else None
            detected = self._detected(path, source.json)
        settings = msgspec.to_builtins(source.paginator)
        kind = settings["type"]
        found = PaginatorFound(
            settings={"type": kind}, confidence="configured", why="as configured"
        )
        best = detected.best
        is_open = isinstance(source.paginator, NoPaginator | AutoPaginator)
        if is_open and best.settings["type"] != "none" and detected.records is not None:
            changes["paginator"] = paginator_of(best)
            found = PaginatorFound(settings=best.settings, confidence=best.confidence, why=best.why)
            seen = await at(changes=changes)
            if len(seen.pages) > 1:
                found = msgspec.structs.replace(found, confidence="confirmed")
        elif best.settings["type"] not in ("none", kind) and best.confidence != "guess":
            notes.append(f"the first answer looks like {best.settings['type']}, too: {best.why}")
        columns = columns_of(seen.table)
        key = primary_key_of(columns, seen.table.num_rows)
        team, _, entity = name.partition(".")
        addition: dict[str, Any] = {}
        if key is not None and not pipeline.primary_key:
            addition["primary_key"] = [key]
        if "records" in changes and changes["records"] is not None:
            addition.setdefault("source", {})["records"] = changes["records"]
        if "paginator" in changes:
            addition.setdefault("source", {})["paginator"] = found.settings
        typed = _typed(columns)
        missing = {
            name: kind for name, kind in typed.items() if name not in pipeline.schema.columns
        }
        if missing:
            addition["schema"] = {"columns": missing}
        tree = {"pipelines": {team: {entity: addition}}}
        toml = render(tree) if addition else f"# Nothing to add to [pipelines.{name}]\n"
        return self._inspection(
            name, seen, found, columns, key, source.records, toml=toml, notes=notes
        )

    async def _first(self, see: Callable[[], Any]) -> tuple[Look | None, BronzeError | None]:
        """One page, wherever its records are: that they are not found is no fault yet."""
        try:
            return await see(), None
        except BronzeError as exc:
            if self._answers.first is None or isinstance(exc, ConfigError):
                raise
            return None, exc

    async def _see(
        self, made: Draft, beside: os.PathLike[str] | None, environ: Mapping[str, str]
    ) -> Look:
        config = parse_config(made.text, beside=beside, overrides=QUICKLY, environ=environ)
        self._configs.append(config)
        return await self._look(config, made.name, answers=self._answers)

    def _detected(self, records: str | None, json: Any) -> Detected:
        first = self._answers.first
        body = self._body()
        known = find_records(body, "", records) if records is not None else None
        if records is not None and known is None:
            known = RecordList(records, 0, None)
        headers = {} if first is None else first.headers
        return detect("" if first is None else first.url, headers, body, json=json, records=known)

    def _body(self) -> Any:
        """The first answer as JSON; None where it is none: its error is told by the run."""
        first: Kept | None = self._answers.first
        if first is None:
            return None
        try:
            return msgspec.json.decode(inflate(first.chunks, first.encoding, _MOST_BYTES))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ExtractError):
            return None

    async def _try_out(
        self, made: Draft, detected: Detected, see: Callable[[], Any], notes: list[str]
    ) -> PaginatorFound:
        """The first candidate that leads to a second page; else the surest one."""
        failed: list[str] = []
        for candidate in detected.candidates[:_TRIES]:
            kind = candidate.settings["type"]
            if kind == "none" and failed:
                break
            made.take_paginator(candidate.settings)
            try:
                seen: Look = await see()
            except (PageError, ExtractError) as exc:
                failed.append(f"{kind} was tried and does not lead on: {exc.message}")
                continue
            if len([page for page in seen.pages if page.records]) > 1:
                return _found(candidate, "confirmed")
            if kind == "none" and len(detected.candidates) > 1:
                continue
            if candidate.confidence != "guess":
                return _found(candidate, candidate.confidence)
        notes.extend(failed)
        usable = [each for each in detected.candidates if each.confidence != "guess"]
        best = usable[0] if usable and not failed else _none(detected)
        made.take_paginator(best.settings)
        return _found(best, best.confidence)

    async def _told(
        self,
        made: Draft,
        seen: Look,
        found: PaginatorFound,
        see: Callable[[], Any],
        notes: list[str],
    ) -> Inspection:
        """Put keys and types in, and run the text as it will be printed."""
        columns = columns_of(seen.table)
        key = primary_key_of(columns, seen.table.num_rows)
        if key is not None:
            made.pipeline = {"load": "full", "primary_key": [key], **made.pipeline}
        typed = _typed(columns)
        if typed:
            made.pipeline["schema"] = {"columns": typed}
            try:
                await see()
            except BronzeError as exc:
                del made.pipeline["schema"]
                notes.append(f"columns are left as they are inferred: {exc.message}")
        cursors = cursors_of(seen.table, columns, key)
        if cursors:
            made.note(lines=_incremental(made, cursors[0]))
        return self._inspection(
            made.name,
            seen,
            found,
            columns,
            key,
            made.source.get("records"),
            toml=made.text,
            notes=notes,
            variables=tuple(made.variables),
        )

    def _inspection(
        self,
        name: str,
        seen: Look,
        found: PaginatorFound,
        columns: tuple[Column, ...],
        key: str | None,
        records: Any,
        *,
        toml: str,
        notes: Sequence[str],
        variables: tuple[str, ...] = (),
    ) -> Inspection:
        masked = Redactor(self.secrets)
        last = self._answers.all[-1]
        first = self._answers.first or last
        limits = {
            header: shorten(masked(value))
            for header, value in sorted(last.headers.items())
            if _LIMITS.search(header)
        }
        return Inspection(
            pipeline=name,
            location=redact_url(first.url).partition("?")[0],
            status=first.status,
            requests=len(self._answers.all),
            pages=seen.pages,
            rows=seen.table.num_rows,
            records=records,
            paginator=msgspec.structs.replace(found, why=masked(found.why)),
            columns=tuple(
                msgspec.structs.replace(column, example=masked(column.example))
                for column in columns
            ),
            sample=tuple(tuple(map(masked, row)) for row in _sample(seen.table)),
            primary_key=key,
            cursors=cursors_of(seen.table, columns, key),
            rate_limit=limits,
            variables=variables,
            notes=tuple(map(masked, notes)),
            toml=masked(toml),
        )


def _found(candidate: Candidate, confidence: Any) -> PaginatorFound:
    return PaginatorFound(settings=candidate.settings, confidence=confidence, why=candidate.why)


def _none(detected: Detected) -> Candidate:
    return next(
        (each for each in detected.candidates if each.settings["type"] == "none"),
        Candidate(
            settings={"type": "none"}, confidence="likely", why="no paginator that was tried led on"
        ),
    )


def _take_records(made: Draft, records: RecordList) -> None:
    if records.path is not None:
        made.source["records"] = records.path
    if records.first is not None and not isinstance(records.first, dict):
        made.source["record_kind"] = "array" if isinstance(records.first, list) else "value"


def _no_list(body: Any) -> str:
    if not isinstance(body, dict):
        return "the answer holds no list of records; check the URL"
    names = ", ".join(f'"{name}"' for name in list(body)[:_SHOWN_KEYS] if len(name) < 64)
    return f"the answer is one object without a list of records; its keys are {names}"


def _typed(columns: Sequence[Column]) -> dict[str, str]:
    return {each.name: each.suggested for each in columns if each.suggested is not None}


def _sample(table: pa.Table) -> list[tuple[str, ...]]:
    rows = table.slice(0, _SAMPLE).to_pylist()
    return [tuple(shorten(row.get(name)) for name in table.column_names) for row in rows]


def _incremental(made: Draft, cursor: Cursor) -> list[str]:
    """How only what is new would be read, for whoever knows the API's parameter."""
    return [
        f'# Only what is new: {cursor.column} {cursor.why}. Set load = "incremental" above, and:',
        f"# [pipelines.{made.team}.{made.entity}.incremental]",
        f'# cursor = "{cursor.column}"',
        f'# cursor_type = "{cursor.cursor_type}"',
        '# start_param = "…"  # the parameter by which the API filters; left out: filtered here',
    ]
