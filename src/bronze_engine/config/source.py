"""[pipelines.….source]: what is read."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from bronze_engine.config.api import Api, RateLimit, Retry
from bronze_engine.config.paginator import NoPaginator, Paginator
from bronze_engine.config.units import ByteSize

__all__ = ["HttpSourceConfig", "ParamValue", "SourceConfig"]

ParamValue = str | int | float | bool | list[str]


class HttpSourceConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="http"
):
    """A resource of an HTTP API that answers in JSON.

    Templates ({run_date}, {run_date:%Y%m%d}, {low}, {high}) work in path, params and json.
    """

    api: Api
    """In TOML the name of an entry of [apis]; replaced by that entry on loading."""
    path: str = ""
    """Joined to the API's base_url."""
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, ParamValue] = {}
    json: Any = None
    """Body of a POST."""
    records: str | None = None
    """Dotted path to the list of records; where unset the body itself is that list."""
    null_records: Literal["fail", "empty"] = "fail"
    """What a null in the place of the list means."""
    paginator: Paginator = NoPaginator()
    on_shift: Literal["fail", "warn", "retry"] = "fail"
    """What to do when the records received differ from the stated total, or it changed."""
    rate_limit: RateLimit | None = None
    """Beside the API's own: both must grant."""
    retry: Retry | None = None
    """In place of the API's."""
    max_page_bytes: ByteSize = ByteSize(64 * 1024**2)
    """Largest body of one page, decompressed."""
    capture: Literal["pages"] | None = None
    """Keep the responses too, beside the data: `bronze replay` decodes them again without the
    API."""


SourceConfig = HttpSourceConfig
