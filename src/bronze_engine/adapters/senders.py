"""Senders by the `type` of an entry of [notify]."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module

from bronze_engine.clock import Clock
from bronze_engine.config.load import Config
from bronze_engine.config.notify import CommandNotify, Notify
from bronze_engine.notify.command import Command
from bronze_engine.notify.sender import Sender
from bronze_engine.workers import Workers

__all__ = ["open_sender"]


@asynccontextmanager
async def open_sender(
    notify: Notify, config: Config, clock: Clock, workers: Workers
) -> AsyncIterator[Sender]:
    """What sends the messages of an entry of [notify]. Raises ConfigError."""
    if isinstance(notify, CommandNotify):
        yield Command(notify, clock, config.path.parent, lambda: config.secrets, config.variables)
        return
    # In a worker: it imports the HTTP client.
    webhook = await workers.run(import_module, "bronze_engine.notify.webhook")
    opened: AbstractAsyncContextManager[Sender] = webhook.open_webhook(
        notify, clock, workers, lambda: config.secrets
    )
    async with opened as sender:
        yield sender
