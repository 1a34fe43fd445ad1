"""[….source.export]: a report that an API prepares when it is asked to, and then hands out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from bronze_engine.config.units import Duration

__all__ = ["CreateJob", "Export", "PollJob"]

ParamValue = str | int | float | bool | list[str]


class CreateJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request that asks for the export; its answer is the job. Asked once a run.

    Templates work in path, params and json, and incremental.start_param and end_param go with
    it. A lost answer is asked for again: the server may then have made two jobs.
    """

    path: str
    """Joined to the API's base_url."""
    method: Literal["GET", "POST"] = "POST"
    """Of the request; only a POST has a body."""
    params: dict[str, ParamValue] = {}
    """Query parameters; a list is sent as one for each of its elements."""
    json: Any = None
    """Body of a POST."""


class PollJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The request that asks how the job is doing, again and again.

    {job.id} in path, params or json is what create has answered at the dotted path `id`.
    """

    path: str
    """Joined to the API's base_url."""
    method: Literal["GET", "POST"] = "GET"
    """Of the request; only a POST has a body."""
    params: dict[str, ParamValue] = {}
    """Query parameters; a list is sent as one for each of its elements."""
    json: Any = None
    """Body of a POST."""
    status_path: str = "status"
    """Dotted path of the state in the answer."""
    done: list[str]
    """States that mean that the export is there."""
    failed: list[str] = []
    """States that mean that it never will be; others mean to wait."""
    message_path: str | None = None
    """Dotted path of what the server says of a failed job; where unset it is looked for."""
    interval: Duration = Duration(5)
    """Wait before the first poll, and between polls as far as `backoff` leaves it."""
    backoff: Annotated[float, msgspec.Meta(ge=1)] = 1.5
    """Each wait is so many times the one before."""
    max_interval: Duration = Duration(60)
    """The longest that `backoff` makes the wait between polls."""
    timeout: Duration = Duration(3600)
    """From the job's creation to its end."""


class Export(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Create a job, poll it, read its files.

    The files are what `files` leads to in the last poll's answer: a URL, or a list of them,
    each a chain. Without it they are what the source's own path asks for, page by page,
    with {job.id} in it.
    """

    create: CreateJob
    poll: PollJob
    files: str | None = None
    """Dotted path to the URLs; through a list it leads to what each element has there. On
    another origin than the API's they need allowed_origins, and get no credentials."""
