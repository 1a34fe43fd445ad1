"""What a well-typed rate_limit or limit group may still get wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from bronze_engine.config.api import Api, RateLimit, RateLimitHeaders
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.rules.schema import timezone_faults

__all__ = ["group_faults", "rate_faults", "with_default_rate"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SHARED = ("rate_limit", "retry", "circuit_breaker", "concurrency")


def with_default_rate(own: RateLimit | None, default: RateLimit | None) -> RateLimit | None:
    """The default rate where an API sets no number of its own."""
    if own is None or default is None:
        return own or default
    return own if own.is_set else msgspec.structs.replace(own, rps=default.rps)


def rate_faults(rate: RateLimit, path: KeyPath, *, of_api: bool) -> Iterator[Fault]:
    """Faults of a rate_limit by itself: of an API, or of one pipeline's source."""
    if rate.burst is not None and rate.rps is None:
        yield Fault((*path, "burst"), "is the capacity of a bucket: set rps beside it")
    yield from timezone_faults(rate.timezone, (*path, "timezone"))
    if rate.timezone != "UTC" and rate.requests_per_day is None:
        yield Fault((*path, "timezone"), "says when requests_per_day begins anew: set that too")
    if of_api:
        yield from _header_faults(rate.headers, (*path, "headers"))
        return
    if not rate.is_set:
        yield Fault(path, "sets no limit; set rps, requests_per_minute or requests_per_day")
    if rate.headers != RateLimitHeaders():
        yield Fault(
            (*path, "headers"),
            "are read for all pipelines of an API: set them in [apis.NAME.rate_limit.headers]",
        )


def _header_faults(headers: RateLimitHeaders, path: KeyPath) -> Iterator[Fault]:
    names = {key: getattr(headers, key) for key in ("remaining", "limit", "reset")}
    given = {key: name for key, name in names.items() if name is not None}
    for key, name in given.items():
        if not _HEADER_NAME.fullmatch(name):
            yield Fault((*path, key), "is no name of a header")
    if given and not headers.read:
        yield Fault((*path, "read"), "is false, and names of headers are given; keep one of both")
    if given and not {"remaining", "reset"} <= given.keys():
        missing = "remaining" if "remaining" not in given else "reset"
        yield Fault((*path, missing), "is missing: what is left, and until when, belong together")


def group_faults(api: Api, others: Iterable[Api], path: KeyPath) -> Iterator[Fault]:
    """Faults of an API's limit group, beside the other APIs that were resolved before it."""
    if api.group is not None and not _GROUP.fullmatch(api.group):
        yield Fault((*path, "group"), "is no name; write letters, digits, `_` and `-`")
        return
    for other in others:
        if other.name == api.name or other.limit_group != api.limit_group:
            continue
        differing = [key for key in _SHARED if getattr(api, key) != getattr(other, key)]
        if differing:
            yield Fault(
                (*path, "group"),
                f'"{api.limit_group}" is the limit group of apis.{other.name} too, with another '
                f"{' and '.join(differing)}; give both the same, or one of them another group",
            )
