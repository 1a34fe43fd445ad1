"""The files of an export: a chain each, or the pages that the source's own path gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final
from urllib.parse import urljoin

import httpx
import msgspec

from bronze_engine.config.http.export import Export
from bronze_engine.config.rules.chain import asked
from bronze_engine.contracts import Preview
from bronze_engine.errors import PageError
from bronze_engine.sources.http.body.raw import kind_of
from bronze_engine.sources.http.chains.chain import Chain, Offer, Plan
from bronze_engine.sources.http.export.job import Job, JobAnswer, created_target
from bronze_engine.sources.http.outlet import Dated
from bronze_engine.sources.http.paging.pager import Ask
from bronze_engine.sources.http.resource import Resource
from bronze_engine.sources.http.shifts import Shifts
from bronze_engine.sources.http.url import origin_of

__all__ = ["ExportFiles"]


@final
class ExportFiles:
    """The chains of a source that is an export."""

    def __init__(self, resource: Resource, export: Export) -> None:
        self._resource = resource
        self._export = export
        self._job = Job(resource, export)
        self._created = created_target(resource, export)

    def preview(self) -> Preview:
        config = self._export.create
        return Preview(
            location=self._created.location,
            first=f"{config.method} {self._created.shown(Ask(number=1))}",
            slices=("the files of the export",),
        )

    async def first(self) -> Chain | None:
        """Nothing: there is no file before the job was made."""
        return None

    def plan(self, dated: Dated, shifts: Shifts, floor_bytes: int) -> Plan:  # noqa: ARG002
        """Offers the files, when the job is done."""

        async def plan(offer: Offer) -> None:
            answer = await self._job.finished()
            # What came after the job was made may be in its files, or only some of it.
            dated.note(self._job.made_at)
            for chain in self._chains(answer):
                await offer(chain)

        return plan

    def _chains(self, answer: JobAnswer) -> Iterator[Chain]:
        resource, path = self._resource, self._export.files
        config = resource.config
        request = msgspec.structs.replace(resource.request, incremental=None)
        if path is None:
            fields = self._job.fields(asked(config))
            yield Chain(target=resource.target(request, fields), label="the export's file")
            return
        urls = list(_texts(answer.want(path, "export.files"), path))
        for number, url in enumerate(urls, 1):
            label = f"file {number} of {len(urls)} of the export"
            yield Chain(
                target=resource.target(request), label=label, url=self._url(answer.url, url, label)
            )

    def _url(self, base: str, text: str, label: str) -> str:
        try:
            url = httpx.URL(urljoin(base, text.strip()))
        except (httpx.InvalidURL, ValueError):
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host or url.userinfo:
            raise PageError(f"{label} has no URL that can be followed")
        if not self._resource.is_allowed(origin := origin_of(url)):
            raise PageError(
                f"{label} is at another origin, {origin}; nothing was sent there. If it belongs "
                "to this API, add it to allowed_origins"
            )
        return str(url.copy_with(fragment=None))


def _texts(value: msgspec.Raw, path: str) -> Iterator[str]:
    """The texts of a value: itself, or those of a list; null means none."""
    match kind_of(value):
        case "a text":
            yield msgspec.json.decode(value, type=str)
        case "null":
            return
        case "a list":
            for each in msgspec.json.decode(value, type=list[msgspec.Raw]):
                yield from _texts(each, path)
        case kind:
            raise PageError(
                f'export.files "{path}" leads to {kind}, not to a URL or a list of them'
            )
