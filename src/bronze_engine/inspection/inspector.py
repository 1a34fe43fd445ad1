"""From a URL, or a pipeline's name, to what is there and the TOML that lands it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final, final

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.http.paginator import AutoPaginator, NoPaginator
from bronze_engine.config.load import Config, parse_config, variables_beside
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.tag import tag_of
from bronze_engine.contracts import Hook
from bronze_engine.errors import (
    AuthError,
    BronzeError,
    ConfigError,
    ExtractError,
    PageError,
    QualityError,
)
from bronze_engine.inspection.columns import Cursor, columns_of, cursors_of, primary_key_of
from bronze_engine.inspection.draft import Draft, draft
from bronze_engine.inspection.look import QUICKLY, Look, look
from bronze_engine.inspection.recorder import Answers
from bronze_engine.inspection.report import Inspection, PaginatorFound
from bronze_engine.inspection.summary import summed_up, typed
from bronze_engine.inspection.toml import render
from bronze_engine.inspection.verdict import (
    first_json,
    format_of,
    leads_on,
    missing_list,
    verdict,
)
from bronze_engine.inspection.wanted import Wanted
from bronze_engine.sources.http.paging.detect import Candidate, Detected, paginator_of
from bronze_engine.sources.http.paging.record_list import RecordList
from bronze_engine.telemetry.redact import Redactor

__all__ = ["Inspector"]

See = Callable[[], Awaitable[Look]]
"""Looks through the draft as it is now."""

_SHORTEST_SECRET: Final = 6
"""Shorter ones would take words of the TOML with them."""

_TRIES: Final = 3
"""Paginators that are tried out before it is said that none leads on."""


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
        self._environ = environ
        self._answers = Answers()
        self._look = partial(
            look, run_date=run_date, clock=clock, hooks=hooks, answers=self._answers
        )
        self._configs: list[Config] = []
        self._given: frozenset[str] = frozenset()

    def secrets(self) -> frozenset[str]:
        return self._given.union(*(config.secrets for config in self._configs))

    async def url(self, wanted: Wanted, config: Config | None = None) -> Inspection:
        """Inspect a URL; `config` has the API that `wanted` names.

        Asks for one page, then for a second by each paginator that the first suggests, until
        one leads on. The TOML that is returned has been run over the answers. Raises
        ConfigError for what can't be asked for, and the errors of a run.
        """
        beside = base_url = None
        if wanted.api is not None:
            if config is None:
                raise ConfigError(f"--api {wanted.api}: there is no pipelines.toml here")
            beside, base_url = config.path, config.api(wanted.api).base_url
            self._configs.append(config)
        taken = () if config is None else config.names
        main = "pipelines.toml" if config is None else config.path
        environ = variables_beside(main, self._environ)
        made = draft(wanted, environ, base_url=base_url, taken=taken)
        self._given = frozenset(made.variables.secrets)
        see = partial(self._see, made, beside, {**environ, **made.variables.missing})
        refusal: BronzeError | None = None
        records: object = wanted.records
        try:
            await see()
        except AuthError as exc:
            if wanted.api is not None:
                raise
            raise AuthError(f"{exc.message}; {_credential(wanted)}", **exc.context) from exc
        except (PageError, ExtractError, QualityError) as exc:
            if self._answers.first is None:
                raise
            refusal = exc  # of a list that is not where it was looked for, perhaps
            if (kind := format_of(self._answers)) is not None:
                made.source["format"] = kind
                seen = await see()
                records = RecordList(None, sum(page.records for page in seen.pages), None)
        detected = verdict(self._answers, records=records, json=wanted.json)
        body = first_json(self._answers)
        if detected.records is None:
            if refusal is None or isinstance(body, dict):
                raise PageError(f"{made.name}: {missing_list(body)}")
            raise refusal
        if wanted.records is not None and isinstance(refusal, PageError | ExtractError):
            raise refusal
        made.take_records(detected.records)
        notes: list[str] = []
        found = await _tried_out(made, detected, see, notes)
        return await self._typed(made, await see(), found, see, notes)

    def _unsecret(self, text: str) -> str:
        """Where a secret was given for something else, too."""
        return Redactor(value for value in self._given if len(value) >= _SHORTEST_SECRET)(text)

    async def _see(
        self, made: Draft, beside: os.PathLike[str] | None, environ: Mapping[str, str]
    ) -> Look:
        config = parse_config(made.text, beside=beside, overrides=QUICKLY, environ=environ)
        self._configs.append(config)
        return await self._look(config, made.name)

    async def _typed(
        self, made: Draft, seen: Look, found: PaginatorFound, see: See, notes: list[str]
    ) -> Inspection:
        """Put keys and types in, and run the text as it will be printed."""
        columns = columns_of(seen.table)
        key = primary_key_of(columns, seen.table.num_rows)
        if key is not None:
            made.pipeline = {"load": "full", "primary_key": [key], **made.pipeline}
        if types := typed(columns):
            made.pipeline["schema"] = {"columns": types}
            try:
                await see()
            except BronzeError as exc:
                del made.pipeline["schema"]
                notes.append(f"columns are left as they are inferred: {exc.message}")
        if cursors := cursors_of(seen.table, columns, key):
            made.note(lines=_incremental(made, cursors[0]))
        return summed_up(
            made.name,
            seen,
            found,
            self._answers,
            records=made.source.get("records"),
            primary_key=key,
            toml=self._unsecret(made.text),
            notes=notes,
            variables=made.variables.missing,
            secrets=self.secrets,
        )

    async def pipeline(self, config: Config, name: str) -> Inspection:
        """Inspect a configured pipeline, with its credentials and limits.

        The TOML that is returned is what could be added to it. Raises the errors of a run.
        """
        self._configs.append(config)
        pipeline = config.pipeline(name)
        source = pipeline.source
        if not isinstance(source, HttpSourceConfig):
            raise ConfigError(f"{name} reads no API, so there are no pages to look at")
        changes: dict[str, Any] = {}
        notes: list[str] = []
        try:
            seen = await self._look(config, name)
            detected = verdict(self._answers, records=source.list_path, json=source.json)
        except (PageError, ExtractError) as exc:
            detected = verdict(self._answers, records=None, json=source.json)
            if detected.records is None or detected.records.path == source.records:
                raise
            notes.append(f"as it is configured it fails: {exc.message}")
            changes["records"] = detected.records.path
            seen = await self._look(config, name, changes=changes)
        best = detected.best
        kind = tag_of(source.paginator)
        found = PaginatorFound(
            settings={"type": kind}, confidence="configured", why="as configured"
        )
        is_open = isinstance(source.paginator, NoPaginator | AutoPaginator)
        if is_open and best.settings["type"] != "none" and detected.records is not None:
            changes["paginator"] = paginator_of(best)
            seen = await self._look(config, name, changes=changes)
            found = _found(best, "confirmed" if leads_on(seen) else best.confidence)
        elif best.settings["type"] not in ("none", kind) and best.confidence == "certain":
            notes.append(f"the first answer looks like {best.settings['type']}, too: {best.why}")
        columns = columns_of(seen.table)
        key = primary_key_of(columns, seen.table.num_rows)
        addition: dict[str, Any] = {}
        if key is not None and not pipeline.primary_key:
            addition["primary_key"] = [key]
        below: dict[str, Any] = {}
        if changes.get("records") is not None:
            below["records"] = changes["records"]
        if "paginator" in changes:
            below["paginator"] = found.settings
        if below:
            addition["source"] = below
        known = pipeline.schema.columns
        if types := {name: kind for name, kind in typed(columns).items() if name not in known}:
            addition["schema"] = {"columns": types}
        team, _, entity = name.partition(".")
        nothing = f"# Nothing to add to [pipelines.{name}]\n"
        return summed_up(
            name,
            seen,
            found,
            self._answers,
            records=changes.get("records", source.records),
            primary_key=key,
            toml=render({"pipelines": {team: {entity: addition}}}) if addition else nothing,
            notes=notes,
            secrets=self.secrets,
        )


def _credential(wanted: Wanted) -> str:
    """Where the credential of an inspection comes from: no file names it yet."""
    if wanted.bearer_variable is not None:
        return f"here it is what the variable {wanted.bearer_variable} holds"
    return (
        'here it is given by --bearer-env VARIABLE, by -H "NAME: VALUE", or by --api NAME, an entry'
        " of [apis] that has it"
    )


async def _tried_out(made: Draft, detected: Detected, see: See, notes: list[str]) -> PaginatorFound:
    """The first candidate that leads to a second page; else the surest one."""
    failed: list[str] = []
    for candidate in detected.candidates[:_TRIES]:
        kind = candidate.settings["type"]
        if kind == "none" and len(detected.candidates) > 1:
            continue  # where no other leads on
        made.take_paginator(candidate.settings)
        try:
            seen = await see()
        except (PageError, ExtractError) as exc:
            failed.append(f"{kind} was tried and does not lead on: {exc.message}")
            continue
        if leads_on(seen):
            notes.extend(
                _alternative(each) for each in detected.candidates if _is_faster(each, kind)
            )
            return _found(candidate, "confirmed")
        if len(seen.pages) > 1 and seen.pages[1].records:
            failed.append(f"{kind} was tried and gives records of the first page again")
        elif candidate.confidence != "guess":
            return _found(candidate, candidate.confidence)
    notes.extend(failed)
    sure = [each for each in detected.candidates if each.confidence != "guess"]
    best = sure[0] if sure and not failed else _none(detected)
    made.take_paginator(best.settings)
    return _found(best, best.confidence)


def _is_faster(candidate: Candidate, kind: str) -> bool:
    """Whether pages could be read side by side, where `kind` reads them one after another."""
    settings = candidate.settings
    is_counted = settings["type"] in ("page", "offset") and kind in ("link_header", "next_url")
    return is_counted and candidate.confidence == "likely" and "side by side" in candidate.why


def _alternative(candidate: Candidate) -> str:
    settings = ", ".join(
        f"{name} = {msgspec.json.encode(value).decode()}"
        for name, value in candidate.settings.items()
    )
    return f"faster, perhaps: a paginator of {settings}; {candidate.why}"


def _none(detected: Detected) -> Candidate:
    return next(
        (each for each in detected.candidates if each.settings["type"] == "none"),
        Candidate(
            settings={"type": "none"}, confidence="likely", why="no paginator that was tried led on"
        ),
    )


def _found(candidate: Candidate, confidence: Any) -> PaginatorFound:
    return PaginatorFound(settings=candidate.settings, confidence=confidence, why=candidate.why)


def _incremental(made: Draft, cursor: Cursor) -> list[str]:
    """How only what is new would be read, for whoever knows the API's parameter."""
    return [
        f'# Only what is new: {cursor.column} {cursor.why}. Set load = "incremental", and add:',
        f"# [pipelines.{made.team}.{made.entity}.incremental]",
        f'# cursor = "{cursor.column}"',
        f'# cursor_type = "{cursor.cursor_type}"',
        '# start_param = "since"  # as the API calls it; left out, rows are filtered here',
    ]
