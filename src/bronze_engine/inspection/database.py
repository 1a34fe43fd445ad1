"""Looks into a database: one table of it, or all tables of a schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from typing import final

import asyncpg

from bronze_engine.clock import Clock
from bronze_engine.config.config import Config
from bronze_engine.config.connection import PostgresConnection
from bronze_engine.errors import BronzeError, ConfigError, ExtractError, RetryError
from bronze_engine.inspection.tables import (
    Discovery,
    Drafted,
    TableInspection,
    cursors_of,
    discovered,
    drafted,
    inspected,
    key_of,
)
from bronze_engine.limits.transient import Transient
from bronze_engine.sources.postgres.catalogue import find_relation
from bronze_engine.sources.postgres.connection import Connector, end
from bronze_engine.sources.postgres.faults import DATABASE_ERRORS, Subject, of_reading
from bronze_engine.sources.postgres.outline import evidence_of, list_relations, sample_of
from bronze_engine.sources.postgres.session import local_settings
from bronze_engine.sources.postgres.slices import auto_count
from bronze_engine.sources.postgres.types import reading_of
from bronze_engine.workers import Workers

__all__ = ["DatabaseInspector"]


@final
class DatabaseInspector:
    """Inspects what one entry of [connections] leads to. Everything is only read."""

    def __init__(self, config: Config, name: str, *, clock: Clock, workers: Workers) -> None:
        """Raises ConfigError where there is no such connection, or it is no PostgreSQL."""
        connection = config.connection(name)
        if not isinstance(connection, PostgresConnection):
            raise ConfigError(
                f"connections.{name} is of type adbc: what such a database holds is not looked"
                " into; `bronze check` reads its pipelines"
            )
        self._config = config
        self._connection = connection
        self._clock = clock
        self._workers = workers

    async def table(self, text: str, *, name: str | None = None) -> TableInspection:
        """Inspect a table or view, `schema.table`; `name` is what to call its pipeline.

        Raises ConfigError for what is no name, and the errors of a run.
        """
        async with self._connected() as connection:
            relation = await find_relation(connection, text)
            evidence = await evidence_of(connection, relation)
            readable = tuple(each.name for each in relation.columns if each.is_readable)
            relation.check_readable([] if readable else [each.name for each in relation.columns])
            sample = await sample_of(connection, relation, readable)
        return inspected(
            self._connection.name,
            relation,
            evidence,
            sample,
            types={each.name: str(reading_of(each).type) for each in relation.columns},
            slices=auto_count(relation.size_bytes),
            name=name,
            taken=self._config.names,
        )

    async def discover(
        self, schema: str, *, patterns: Sequence[str] = (), with_views: bool = False
    ) -> Discovery:
        """Draft a pipeline for each table of a schema.

        `patterns` are names in which `*` stands for anything; without one all are meant.

        What can't be read is named in the notes. Raises ExtractError where there is no such
        schema, and the errors of a run.
        """
        made: list[Drafted] = []
        taken = list(self._config.names)
        notes: list[str] = []
        async with self._connected() as connection:
            for listed in await list_relations(connection, schema):
                is_view = listed.kind in ("view", "materialized view")
                is_asked = not patterns or any(fnmatchcase(listed.name, one) for one in patterns)
                if not is_asked or (is_view and not with_views):
                    continue
                if not listed.is_readable:
                    notes.append(f"{schema}.{listed.name} may not be read by this user")
                    continue
                relation = await find_relation(connection, listed.relation_name.quoted)
                evidence = await evidence_of(connection, relation)
                key, _ = key_of(relation, evidence)
                cursors = cursors_of(relation, evidence, key)
                made.append(
                    drafted(self._connection.name, relation, key, cursors, taken=tuple(taken))
                )
                taken.append(made[-1].name)
        return discovered(self._connection.name, schema, made, notes)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection within a transaction that only reads; errors become ours."""
        connector = Connector(
            self._connection,
            self._clock,
            self._workers,
            self._config.hide,
        )
        try:
            connection = await connector.connect()
        except Transient as exc:
            raise RetryError(f"{connector.describe()}: {exc}; is the server up?") from exc
        subject = Subject(text=connector.describe(), role=connector.address.user or "")
        try:
            async with connection.transaction(readonly=True):
                version = connection.get_server_version().major
                await connection.execute(local_settings(self._connection, version=version))
                yield connection
        except DATABASE_ERRORS as exc:
            error = of_reading(exc, subject)
            raise error if isinstance(error, BronzeError) else ExtractError(str(error)) from exc
        finally:
            await end(connection)
