"""[notify]: each entry converted, its paths absolute, its secrets hidden."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.loading.sensitive import credential_values, of_url, worth_hiding
from bronze_engine.config.loading.tables import Tables
from bronze_engine.config.notify import CommandNotify, Notify, WebhookNotify
from bronze_engine.config.rules.notify import notify_faults, tells_in_clear

__all__ = ["read_notices"]

_log = logging.getLogger("bronze_engine.config")


def read_notices(
    entries: Mapping[str, Any], tables: Tables, pipelines: Sequence[str], faults: list[Fault]
) -> tuple[Notify, ...]:
    """All entries of [notify] that are right, in the order of their names; faults are added."""
    found = [_notice(name, entries[name], tables, pipelines, faults) for name in sorted(entries)]
    return tuple(each for each in found if each is not None)


def _notice(
    name: str, table: Any, tables: Tables, pipelines: Sequence[str], faults: list[Fault]
) -> Notify | None:
    path = ("notify", name)
    before = len(faults)
    converted = tables.convert(table, Notify, path, faults)
    if not isinstance(converted, WebhookNotify | CommandNotify):
        return None
    notify: Notify = msgspec.structs.replace(converted, name=name)
    tables.hide(_secrets(notify))
    faults.extend(notify_faults(notify, path, pipelines))
    if isinstance(notify, WebhookNotify):
        notify = _with_ca_file(notify, tables, path, faults)
    else:
        program, *arguments = notify.command
        if "/" in program or program.startswith("~"):
            program = str(tables.absolute(program))
        notify = msgspec.structs.replace(notify, command=(program, *arguments))
    if len(faults) > before:
        return None
    if tells_in_clear(notify):
        _log.warning("notify.%s: its url is http: it can be read on the way; use https", name)
    return notify


def _with_ca_file(
    notify: WebhookNotify, tables: Tables, path: KeyPath, faults: list[Fault]
) -> WebhookNotify:
    if notify.ca_file is None:
        return notify
    file = str(tables.absolute(notify.ca_file))
    try:
        tables.read(Path(file))
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not PEM text"
        faults.append(Fault((*path, "ca_file"), f"{file} can't be read: {reason}"))
    return msgspec.structs.replace(notify, ca_file=file)


def _secrets(notify: Notify) -> Iterator[str]:
    """Chat services put the key into the path of the URL: whoever has it can post."""
    if isinstance(notify, CommandNotify):
        for value in notify.env.values():
            yield from worth_hiding(value.reveal())
        return
    text = notify.url.reveal()
    yield from of_url(text)
    try:
        url = urlsplit(text)
    except ValueError:
        return
    if len(url.path) > 1 or url.query:
        yield from worth_hiding(text)
        yield from worth_hiding(url.path + (f"?{url.query}" if url.query else ""))
    for value in notify.headers.values():
        yield from worth_hiding(value.reveal())
        yield from worth_hiding(value.reveal().partition(" ")[2])
    yield from credential_values(notify.body)
    yield from of_url(notify.proxy)
