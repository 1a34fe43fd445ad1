"""What a tune changes of a pipeline, and where that stands in the file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from bronze_engine.config.api import Api, RateLimit
from bronze_engine.config.http.paginator import OffsetPaginator, PagePaginator
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import HttpSourceConfig, PostgresSourceConfig
from bronze_engine.config.units import ByteSize

__all__ = [
    "Settings",
    "can_be_cut",
    "changed_keys",
    "configured",
    "paging_kind",
    "roomy",
    "with_settings",
]

_MOST_AT_ONCE: Final = 1000
_BURST_SECONDS: Final = 0.1
"""A trial lasts a second or two: the tokens that a bucket has saved up would be most of what it
sees. So it takes them nearly one by one, at the same rate."""

Concurrency = int | Literal["auto"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that are swept, each None where the pipeline has no such thing."""

    concurrency: Concurrency | None = None
    page_size: int | None = None
    rps: float | None = None
    """A rate of the tune's own finding, below what the server refuses."""
    slices: int | None = None
    """Of a database: partitions, all read side by side; None leaves what is configured."""
    compression: str
    compression_level: int | None = None
    row_group_bytes: int
    part_bytes: int


def configured(pipeline: Pipeline) -> Settings:
    """As they stand in the file."""
    source, output = pipeline.source, pipeline.output
    concurrency: Concurrency | None = None
    page_size: int | None = None
    if isinstance(source, HttpSourceConfig):
        concurrency = source.api.concurrency
        page_size = getattr(source.paginator, "page_size", None)
    return Settings(
        concurrency=concurrency,
        page_size=page_size,
        compression=output.compression,
        compression_level=output.compression_level,
        row_group_bytes=output.row_group_bytes,
        part_bytes=output.part_bytes,
    )


def can_be_cut(pipeline: Pipeline) -> bool:
    """Whether it reads a database that can be read in slices side by side."""
    source = pipeline.source
    if not isinstance(source, PostgresSourceConfig) or source.reading == "keyset":
        return False
    return source.table is not None or source.partition_column is not None


def paging_kind(pipeline: Pipeline) -> Literal["foreseen", "chained", "none"]:
    """Whether pages can be asked for side by side, follow one another, or there are none."""
    source = pipeline.source
    if not isinstance(source, HttpSourceConfig):
        return "none"
    paginator = source.paginator
    is_counted = isinstance(paginator, PagePaginator | OffsetPaginator)
    has_chains = source.parent is not None or source.export is not None
    has_steps = pipeline.incremental is not None and pipeline.incremental.step is not None
    if is_counted or has_chains or has_steps:
        return "foreseen"
    return "chained"


def roomy(pipeline: Pipeline) -> Pipeline:
    """The pipeline for trials: its group lets through what they choose, at the same rate."""
    source = pipeline.source
    if not isinstance(source, HttpSourceConfig):
        return pipeline
    api = msgspec.structs.replace(
        source.api, concurrency=_MOST_AT_ONCE, rate_limit=_thrifty(source.api.rate_limit)
    )
    source = msgspec.structs.replace(source, api=api, rate_limit=_thrifty(source.rate_limit))
    return msgspec.structs.replace(pipeline, source=source)


def _thrifty(rate: RateLimit | None) -> RateLimit | None:
    if rate is None or rate.rps is None:
        return rate
    saved = max(1, math.floor(rate.rps * _BURST_SECONDS))
    burst = saved if rate.burst is None else min(saved, rate.burst)
    return msgspec.structs.replace(rate, burst=burst)


def with_settings(pipeline: Pipeline, settings: Settings) -> Pipeline:
    """The pipeline with these, but for the concurrency, which a trial is told."""
    output = msgspec.structs.replace(
        pipeline.output,
        compression=settings.compression,
        compression_level=settings.compression_level,
        row_group_bytes=ByteSize(settings.row_group_bytes),
        part_bytes=ByteSize(settings.part_bytes),
    )
    source = pipeline.source
    if isinstance(source, HttpSourceConfig):
        source = _source_with(source, settings)
    elif isinstance(source, PostgresSourceConfig) and settings.slices is not None:
        source = msgspec.structs.replace(
            source, partitions=settings.slices, parallel=settings.slices
        )
    return msgspec.structs.replace(pipeline, output=output, source=source)


def _source_with(source: HttpSourceConfig, settings: Settings) -> HttpSourceConfig:
    paginator: Any = source.paginator
    if settings.page_size is not None:
        paginator = msgspec.structs.replace(paginator, page_size=settings.page_size)
    changes: dict[str, Any] = {}
    if isinstance(settings.concurrency, int):
        if getattr(paginator, "parallel", None) is not None:
            paginator = msgspec.structs.replace(paginator, parallel=settings.concurrency)
        if source.parallel is not None:
            changes["parallel"] = settings.concurrency
    if settings.rps is not None and source.rate_limit is None:
        changes["rate_limit"] = RateLimit(rps=settings.rps, burst=1)
    return msgspec.structs.replace(source, paginator=paginator, **changes)


def changed_keys(
    pipeline: Pipeline, before: Settings, after: Settings
) -> Iterator[tuple[str, tuple[str, ...], int | float | str]]:
    """The setting, the key from the file's root, and its value, of each that differs."""
    own = ("pipelines", *pipeline.name.split(".", 1))
    source = pipeline.source
    if isinstance(source, HttpSourceConfig):
        yield from _source_keys(source, own, before, after)
    if after.slices is not None:
        for key in ("partitions", "parallel"):
            yield "slices", (*own, "source", key), after.slices
    output = (*own, "output")
    if (after.compression, after.compression_level) != (
        before.compression,
        before.compression_level,
    ):
        yield "compression", (*output, "compression"), after.compression
        if after.compression_level is not None:
            yield "compression", (*output, "compression_level"), after.compression_level
    if after.row_group_bytes != before.row_group_bytes:
        yield "row_group_bytes", (*output, "row_group_bytes"), _size(after.row_group_bytes)
    if after.part_bytes != before.part_bytes:
        yield "part_bytes", (*output, "part_bytes"), _size(after.part_bytes)


def _source_keys(
    source: HttpSourceConfig, own: tuple[str, ...], before: Settings, after: Settings
) -> Iterator[tuple[str, tuple[str, ...], int | float | str]]:
    api: Api = source.api
    if after.concurrency != before.concurrency and after.concurrency is not None:
        yield "concurrency", ("apis", api.name, "concurrency"), after.concurrency
        if getattr(source.paginator, "parallel", None) is not None:
            key = (*own, "source", "paginator", "parallel")
            yield "concurrency", key, after.concurrency
        if source.parallel is not None:
            yield "concurrency", (*own, "source", "parallel"), after.concurrency
    if after.rps is not None:
        yield "rps", ("apis", api.name, "rate_limit", "rps"), _whole(after.rps)
    if after.page_size != before.page_size and after.page_size is not None:
        yield "page_size", (*own, "source", "paginator", "page_size"), after.page_size


def _whole(rps: float) -> float:
    return int(rps) if rps == int(rps) else rps


def _size(count: int) -> str:
    return f"{count // 1024**2}MiB"
