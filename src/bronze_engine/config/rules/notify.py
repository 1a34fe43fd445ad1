"""What a well-typed [notify.NAME] may still get wrong. No text holds a URL, header or body."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.notify import CommandNotify, Notify, WebhookNotify
from bronze_engine.config.notify_body import PLACEHOLDERS, unknown_placeholders
from bronze_engine.config.rules.auth import is_header_name
from bronze_engine.config.rules.url import has_space, is_http, proxy_faults, split_url
from bronze_engine.config.stores.loopback import is_loopback
from bronze_engine.model.nearest import nearest

__all__ = ["notify_faults", "tells_in_clear"]

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def notify_faults(notify: Notify, path: KeyPath, pipelines: Sequence[str]) -> Iterator[Fault]:
    """Faults of one notification; `pipelines` are the names that there are."""
    if not notify.on:
        yield Fault((*path, "on"), 'is empty, so nothing is told; write on = ["failure"]')
    for pattern in notify.pipelines:
        if not any(character in pattern for character in "*?[") and pattern not in pipelines:
            yield Fault(
                (*path, "pipelines"),
                f'there is no pipeline "{pattern}"; {nearest(pattern, pipelines)}',
            )
    if notify.timeout <= 0:
        yield Fault((*path, "timeout"), "must be above zero")
    if isinstance(notify, WebhookNotify):
        yield from _webhook(notify, path)
    else:
        yield from _command(notify, path)


def _webhook(notify: WebhookNotify, path: KeyPath) -> Iterator[Fault]:
    text = notify.url.reveal()
    url = split_url(text)
    if not is_http(url) or has_space(text):
        yield Fault((*path, "url"), "is no http or https URL; write https://hooks.example.com/…")
    elif "@" in url.netloc:
        yield Fault((*path, "url"), "has a user or password in it; write them into headers")
    yield from proxy_faults(notify.proxy, path)
    for name, value in notify.headers.items():
        here = (*path, "headers", name)
        if not is_header_name(name):
            yield Fault(here, "is no name of a header")
        if name.lower() in ("content-type", "content-length", "host"):
            yield Fault(here, "is set by us: the body is JSON")
        if _CONTROL.search(value.reveal()):
            yield Fault(here, "has a line break or a control character in its value")
    if notify.body is not None and notify.format != "json":
        yield Fault((*path, "body"), "is a body of your own; leave format out beside it")
    for text in unknown_placeholders(notify.body):
        name = text.strip("{}")
        hint = nearest(name, PLACEHOLDERS) if name else "write {{ and }} for braces that are meant"
        yield Fault((*path, "body"), f'"{text}" is no placeholder; {hint}')


def _command(notify: CommandNotify, path: KeyPath) -> Iterator[Fault]:
    if not notify.command[0].strip():
        yield Fault((*path, "command"), "begins with an empty text; name the program first")
    if any("\0" in part for part in notify.command):
        yield Fault((*path, "command"), "holds a NUL character")
    for name, value in notify.env.items():
        here = (*path, "env", name)
        if not _VARIABLE.fullmatch(name):
            yield Fault(here, "is no name of a variable")
        elif name.startswith("BRONZE_"):
            yield Fault(here, "is one of ours: the message's fields are in BRONZE_*")
        if "\0" in value.reveal():
            yield Fault(here, "holds a NUL character")


def tells_in_clear(notify: Notify) -> bool:
    """Whether messages go over plain HTTP to a host that is not this machine."""
    if isinstance(notify, CommandNotify):
        return False
    url = urlsplit(notify.url.reveal())
    return url.scheme == "http" and not is_loopback(url.hostname or "")
