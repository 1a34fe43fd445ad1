"""From a command's options to a running engine."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar, final

import anyio
import msgspec

from bronze_engine.adapters import StoreOpener
from bronze_engine.cli.display.progress import Progress
from bronze_engine.cli.display.terminal import takes_tables
from bronze_engine.cli.memory import warn_of_memory
from bronze_engine.cli.signals import watching_signals
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import Config, load_config
from bronze_engine.contracts import Hook
from bronze_engine.engine import Engine, open_engine
from bronze_engine.flow import ungrouped
from bronze_engine.limits.retry import Attempts
from bronze_engine.monitoring.opened import Monitoring, open_monitoring
from bronze_engine.telemetry.log import Logs, setup_logging

if TYPE_CHECKING:
    from bronze_engine.cli.display.live import LiveTable

__all__ = [
    "LogOptions",
    "beside",
    "in_engine",
    "load",
    "logging_of_commands",
    "mask",
    "with_engine",
]

T = TypeVar("T")

_NO_STORES: Final[Mapping[str, StoreOpener]] = MappingProxyType({})


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A command's -v, --json-log and --log-file."""

    verbose: bool = False
    json_lines: bool = False
    file: Path | None = None
    in_log_dir: bool = True
    """False for what only looks: it leaves nothing behind, a line in a log included."""


@final
class _Logging:
    """What a command has set up; outlives it, for its error is logged after it."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.options = LogOptions()
        self.logs = self.stack.enter_context(setup_logging(level="INFO", clock=SYSTEM_CLOCK))

    def take(self, logs: Logs, options: LogOptions) -> None:
        """Log like this from here on."""
        self.logs, self.options = self.stack.enter_context(logs), options


_logging: Final = ContextVar[_Logging]("logging")


@contextmanager
def logging_of_commands() -> Iterator[None]:
    """Log to stderr, and as the configuration says once `load` has read it."""
    ours = _Logging()
    with ours.stack:
        token = _logging.set(ours)
        try:
            yield
        finally:
            _logging.reset(token)


def load(
    path: Path,
    overrides: Sequence[str] | None = None,
    log: LogOptions | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Load the configuration and begin to log as it says."""
    log = log or LogOptions()
    config = load_config(path, overrides=overrides or (), environ=environ or os.environ)
    logs = setup_logging(
        level="DEBUG" if log.verbose else config.log_level,
        json_lines=log.json_lines,
        log_dir=config.engine.log_dir if log.in_log_dir else None,
        log_file=log.file,
        secrets=lambda: config.secrets,
        clock=SYSTEM_CLOCK,
    )
    _logging.get().take(logs, log)
    return config


def mask(secrets: Callable[[], frozenset[str]], log: LogOptions) -> None:
    """Log to stderr without these: for what the command line itself was given."""
    logs = setup_logging(
        level="DEBUG" if log.verbose else "INFO",
        json_lines=log.json_lines,
        log_file=log.file,
        secrets=secrets,
        clock=SYSTEM_CLOCK,
    )
    _logging.get().take(logs, log)


def with_engine(
    config: Config,
    work: Callable[[Engine], Awaitable[T]],
    hooks: Sequence[Hook] = (),
    *,
    is_monitored: bool = False,
    stores: Mapping[str, StoreOpener] = _NO_STORES,
) -> T:
    """Open an engine, do the work, close it; SIGTERM, SIGINT and SIGHUP end the work cleanly.

    `is_monitored` is for what runs pipelines: [telemetry] and [notify] are told of it, and memory
    that the container does not have is warned of. `stores` as for `open_engine`.
    """
    return anyio.run(
        partial(in_engine, config, work, hooks, is_monitored=is_monitored, stores=stores)
    )


async def in_engine(
    config: Config,
    work: Callable[[Engine], Awaitable[T]],
    hooks: Sequence[Hook] = (),
    *,
    is_monitored: bool = False,
    stores: Mapping[str, StoreOpener] = _NO_STORES,
) -> T:
    """The same within a running loop."""
    if is_monitored:
        warn_of_memory(config.engine.memory_limit)
    display = _display()
    on_signal = ExitStack()
    on_signal.callback(display.stopping)
    async with (
        # First of all: a signal while the rest is opened or closed is obeyed, too.
        watching_signals(on_signal=on_signal.close, at_once=display.restore) as signals,
        _monitoring(config, is_monitored) as monitoring,
        open_engine(config, hooks=[display, *hooks, *monitoring.hooks], stores=stores) as engine,
        beside(partial(display.show, engine)),
    ):
        on_signal.callback(monitoring.drain)
        on_signal.callback(engine.drain)
        monitoring.watch(engine.statistics)
        return await signals.until(partial(work, engine))


def _monitoring(config: Config, is_monitored: bool) -> AbstractAsyncContextManager[Monitoring]:
    return open_monitoring(config) if is_monitored else nullcontext(Monitoring(SYSTEM_CLOCK))


def _display() -> LiveTable | Progress:
    """A table where a person looks at a terminal, else lines in the log."""
    ours = _logging.get()
    if ours.options.json_lines or not takes_tables(sys.stderr, os.environ):
        return Progress(SYSTEM_CLOCK)
    # Where nobody looks, in cron or a container, nothing that draws is imported.
    from rich.console import Console  # noqa: PLC0415

    from bronze_engine.cli.display.live import LiveTable  # noqa: PLC0415

    divert = ours.logs.diverted
    # What the table shows needs no lines, single retries among it; the files have them all.
    lines = (
        partial(divert, level=logging.NOTSET)
        if ours.options.verbose
        else partial(divert, level=logging.WARNING, without=[Attempts.__module__])
    )
    # rich has an opinion of its own on what a terminal is, by variables that few know.
    console = Console(stderr=True, force_terminal=True, force_interactive=True)
    return LiveTable(SYSTEM_CLOCK, console, lines)


@asynccontextmanager
async def beside(task: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run a task that ends with the body."""
    with ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(task)
            yield
            tasks.cancel_scope.cancel()
