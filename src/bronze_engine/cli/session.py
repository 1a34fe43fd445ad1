"""From a command's options to a running engine."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
import msgspec

from bronze_engine.cli.progress import Progress
from bronze_engine.cli.signals import until_signal
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import Config, load_config
from bronze_engine.contracts import Hook
from bronze_engine.engine import Engine, open_engine
from bronze_engine.telemetry.log import setup_logging

__all__ = ["LogOptions", "in_engine", "load", "logging_of_commands", "mask", "with_engine"]

T = TypeVar("T")

_logs: Final = ContextVar[ExitStack]("logs")
"""What `load` sets up outlives the command, for its error is logged after it."""


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A command's -v, --json-log and --log-file."""

    verbose: bool = False
    json_lines: bool = False
    file: Path | None = None
    in_log_dir: bool = True
    """False for what only looks: it leaves nothing behind, a line in a log included."""


@contextmanager
def logging_of_commands() -> Iterator[None]:
    """Log to stderr, and as the configuration says once `load` has read it."""
    with ExitStack() as logs:
        logs.enter_context(setup_logging(level="INFO", clock=SYSTEM_CLOCK))
        token = _logs.set(logs)
        try:
            yield
        finally:
            _logs.reset(token)


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
    _logs.get().enter_context(
        setup_logging(
            level="DEBUG" if log.verbose else config.log_level,
            json_lines=log.json_lines,
            log_dir=config.engine.log_dir if log.in_log_dir else None,
            log_file=log.file,
            secrets=lambda: config.secrets,
            clock=SYSTEM_CLOCK,
        )
    )
    return config


def mask(secrets: Callable[[], frozenset[str]], log: LogOptions) -> None:
    """Log to stderr without these: for what the command line itself was given."""
    _logs.get().enter_context(
        setup_logging(
            level="DEBUG" if log.verbose else "INFO",
            json_lines=log.json_lines,
            log_file=log.file,
            secrets=secrets,
            clock=SYSTEM_CLOCK,
        )
    )


def with_engine(
    config: Config, work: Callable[[Engine], Awaitable[T]], hooks: Sequence[Hook] = ()
) -> T:
    """Open an engine, do the work, close it; SIGTERM and SIGINT end the work cleanly."""
    return anyio.run(in_engine, config, work, hooks)


async def in_engine(
    config: Config, work: Callable[[Engine], Awaitable[T]], hooks: Sequence[Hook] = ()
) -> T:
    """The same within a running loop."""
    async with open_engine(config, hooks=[Progress(SYSTEM_CLOCK), *hooks]) as engine:
        return await until_signal(partial(work, engine), on_signal=engine.drain)
