"""A job: asked for once, polled until it is done or has failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

import msgspec

from bronze_engine.config.http.export import CreateJob, Export, PollJob
from bronze_engine.config.http.paginator import NoPaginator
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.template import Values, fields_of
from bronze_engine.errors import ExtractError, PageError
from bronze_engine.sources.http.body.blocks import NO_MEMBERS, Members
from bronze_engine.sources.http.body.inflate import inflate
from bronze_engine.sources.http.body.message import message_in
from bronze_engine.sources.http.body.raw import kind_of, members_of, named
from bronze_engine.sources.http.body.split import Split
from bronze_engine.sources.http.body.stream import Chunks
from bronze_engine.sources.http.fetch import Fetcher, Page
from bronze_engine.sources.http.paging.pager import Ask
from bronze_engine.sources.http.resource import Resource
from bronze_engine.sources.http.status import shortened
from bronze_engine.sources.http.target import Target

__all__ = ["Job", "JobAnswer", "created_target"]

_ASK: Final = Ask(number=1)


@final
class JobAnswer:
    """A JSON object that the server answered with, about a job."""

    def __init__(self, page: Page, what: str) -> None:
        body = page.split.body or b""
        try:
            members = members_of(body)
        except msgspec.DecodeError:
            members = None
        if members is None:
            raise ExtractError(f"{what} was answered with no JSON object")
        self._members = members
        self._what = what
        self.body = body
        self.url = page.answered.url
        self.date = page.date

    def get(self, path: str) -> msgspec.Raw | None:
        """The value at a dotted path, None where it is not there.

        A key that is the whole path goes before. Through a list it leads to what its elements
        have there, as a list.
        """
        return self._members.get(path) or _at(self._members, path.split("."))

    def want(self, path: str, key: str) -> msgspec.Raw:
        """The same, or a PageError that names the keys that are there."""
        value = self.get(path)
        if value is None:
            raise PageError(
                f'{self._what} has no "{path}" in its answer, where {key} looks for it; '
                f"there are {named(self._members)}"
            )
        return value


@final
class _WholeObject:
    """Takes a body as it is: what is read of it is not records."""

    is_quick = False

    def read(
        self,
        chunks: Chunks,
        coding: str,
        limit_bytes: int,
        carried: Members = NO_MEMBERS,  # noqa: ARG002  # of records alone
        content_type: str = "",  # noqa: ARG002
    ) -> Split:
        return Split((), 0, {}, body=inflate(chunks, coding, limit_bytes))


@final
class Job:
    """One export of one run. The job is made once, however often its files are read."""

    def __init__(self, resource: Resource, export: Export) -> None:
        self._resource = resource
        self._export = export
        self._created: JobAnswer | None = None
        self._done: JobAnswer | None = None

    async def finished(self) -> JobAnswer:
        """Create the job and wait for it, at the first call; its last answer.

        Raises ExtractError for one that failed or took longer than the timeout.
        """
        if self._done is None:
            if self._created is None:
                target = created_target(self._resource, self._export)
                self._created = await self._ask(target, self._export.create.method, "the export")
            self._done = await self._wait()
        return self._done

    @property
    def made_at(self) -> str | None:
        """The Date header of the answer to the request that made the job."""
        return None if self._created is None else self._created.date

    def fields(self, value: object) -> Values:
        """What `{job.…}` stands for in a value's templates: fields of the last answer that has
        them. Raises PageError for one that none has."""
        values: dict[str, str | msgspec.Raw] = {}
        for path in sorted(fields_of("job", value)):
            raw = None if self._done is None else self._done.get(path)
            if raw is None and self._created is not None:
                raw = self._created.want(path, f"{{job.{path}}}")
            if raw is None or kind_of(raw) in ("an object", "a list", "null"):
                kind = "missing" if raw is None else kind_of(raw)
                raise PageError(f"{{job.{path}}} is {kind} in the answer to the export's create")
            values[f"job.{path}"] = _text(raw) if kind_of(raw) == "a text" else raw
        return values

    async def _wait(self) -> JobAnswer:
        poll, clock = self._export.poll, self._resource.resources.clock
        config = _request(self._resource.config, poll)
        fields = self.fields([poll.path, poll.params, poll.json])
        target = _target(self._resource, config, fields, has_window=False)
        began, wait = clock.monotonic(), float(poll.interval)
        state = ""
        while True:
            elapsed = clock.monotonic() - began
            if elapsed + wait > poll.timeout:
                raise ExtractError(
                    f"{target.location}: the export was not done after {elapsed:.0f} s"
                    + (f", it is still {state!r}" if state else "")
                    + f"; poll.timeout is {poll.timeout:.0f} s. Run again, or raise it"
                )
            await clock.sleep(wait)
            answer = await self._ask(target, poll.method, "the poll of the export")
            state = _state(answer.want(poll.status_path, "poll.status_path"))
            if state in poll.done:
                return answer
            if state in poll.failed:
                raise ExtractError(
                    f"{target.location}: the export failed: its state is {state!r}"
                    f"{self._because(answer, target)}; mend export.create, or run again"
                )
            wait = min(wait * poll.backoff, max(poll.interval, poll.max_interval))

    def _because(self, answer: JobAnswer, target: Target) -> str:
        path = self._export.poll.message_path
        raw = answer.get(path) if path is not None else None
        said = message_in(msgspec.json.decode(answer.body if raw is None else raw))
        return f", and the server says: {shortened(target.scrub(said))}" if said else ""

    async def _ask(self, target: Target, method: str, what: str) -> JobAnswer:
        config = msgspec.structs.replace(
            self._resource.config, method=method, paginator=NoPaginator()
        )
        fetcher = Fetcher(
            config, self._resource.resources, self._resource.client, target, _WholeObject()
        )
        page = await fetcher.page(_ASK)
        try:
            return JobAnswer(page, what)
        except ExtractError as exc:
            raise fetcher.located(exc, _ASK) from None


def created_target(resource: Resource, export: Export) -> Target:
    """The request that makes the job; the window's bounds go with it."""
    config = _request(resource.config, export.create)
    return _target(resource, config, {}, has_window=True)


def _request(config: HttpSourceConfig, asked: CreateJob | PollJob) -> HttpSourceConfig:
    return msgspec.structs.replace(
        config,
        path=asked.path,
        method=asked.method,
        params=asked.params,
        headers={},
        json=asked.json,
        paginator=NoPaginator(),
    )


def _target(
    resource: Resource, config: HttpSourceConfig, fields: Values, *, has_window: bool
) -> Target:
    request = resource.request
    if not has_window:
        request = msgspec.structs.replace(request, incremental=None)
    return Target(config, request, resource.client.credentials, (), fields)


def _at(members: dict[str, msgspec.Raw] | None, path: Sequence[str]) -> msgspec.Raw | None:
    value = None if members is None else members.get(path[0])
    if value is None or len(path) == 1:
        return value
    if kind_of(value) != "a list":
        return _at(members_of(value), path[1:])
    elements = msgspec.json.decode(value, type=list[msgspec.Raw])
    found = [_at(members_of(element), path[1:]) for element in elements]
    return msgspec.Raw(msgspec.json.encode([each for each in found if each is not None]))


def _state(raw: msgspec.Raw) -> str:
    return _text(raw) if kind_of(raw) == "a text" else bytes(raw).decode()


def _text(raw: msgspec.Raw) -> str:
    text: str = msgspec.json.decode(raw, type=str)
    return text
