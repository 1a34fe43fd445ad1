"""A command: each message is one process, with the message as JSON on its stdin.

It gets few variables: what identifies the run as BRONZE_*, what every program needs to start,
and what `env` names. Ours hold the secrets of all pipelines, and none of them is its business.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, final

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

from bronze_engine.clock import Clock
from bronze_engine.config.notify import CommandNotify
from bronze_engine.errors import ConfigError, ExtractError, RetryError
from bronze_engine.flow import ungrouped
from bronze_engine.limits.transient import Transient
from bronze_engine.notify.attempts import attempts_of
from bronze_engine.notify.message import Message, fields_of, to_json
from bronze_engine.telemetry.redact import Redactor

__all__ = ["Command"]

log = logging.getLogger(__name__)

PASSED_ON: Final = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")

_OUTPUT_BYTES: Final = 64 * 1024
_VALUE_CHARACTERS: Final = 8 * 1024
"""Of one variable: an environment has a bound of its own, and stdin has all of it."""
_LAST_WORDS_SECONDS: Final = 1.0
"""For what a process has written before it ended; a child of it may hold the pipe open."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@final
class Command:
    """Starts one program for each message. Implements `notify.sender.Sender`.

    It starts in `folder`. `secrets` are masked in what it is given.
    """

    def __init__(
        self,
        config: CommandNotify,
        clock: Clock,
        folder: Path,
        secrets: Callable[[], frozenset[str]],
        variables: Mapping[str, str],
    ) -> None:
        self._config = config
        self._clock = clock
        self._folder = folder
        self._hide = Redactor(secrets)
        self._variables = variables
        self._limits = attempts_of(config, clock)
        self._shown = f"notify.{config.name}: {Path(config.command[0]).name}"

    async def send(self, message: Message, /) -> None:
        """Run the program to its end, once more where it ended with another status than 0.

        Raises ConfigError where it can't be started, ExtractError where it fails each time or
        takes longer than its timeout. Then, and where this is cancelled, it is killed with all
        that it has started and that has not left its process group.
        """
        body = to_json(message, self._hide)
        environment = self._environment(message)
        try:
            await self._limits.call(lambda: self._attempt(body, environment), describe=self._shown)
        except RetryError as exc:
            raise ExtractError(
                f"{self._shown} failed {self._config.attempts} times, at last with"
                f" {exc.__cause__}; -v logs what it said"
            ) from exc

    async def _attempt(self, body: bytes, environment: dict[str, str]) -> None:
        try:
            process = await anyio.open_process(
                self._config.command,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
                stderr=subprocess.STDOUT,
            )
        except OSError as exc:
            raise ConfigError(
                f"{self._shown} can't be started ({exc.strerror or exc}); check"
                f" notify.{self._config.name}.command"
            ) from None
        try:
            async with self._clock.timeout(self._config.timeout):
                status = await self._talk(process, body)
        except TimeoutError:
            raise ExtractError(
                f"{self._shown} was killed after {self._config.timeout:g} s; raise"
                f" notify.{self._config.name}.timeout if it needs longer"
            ) from None
        finally:
            await _end(process)
        if status != 0:
            raise Transient(f"status {status}")

    async def _talk(self, process: Process, body: bytes) -> int:
        """Give it the message, and return its status; what it has said is in the log."""
        assert process.stdin is not None  # noqa: S101  # both are pipes by default
        assert process.stdout is not None  # noqa: S101
        output = _Output(process.stdout)
        try:
            with ungrouped():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_feed, process.stdin, body)
                    tasks.start_soon(output.read)
                    status = await process.wait()
                    with suppress(TimeoutError):
                        async with self._clock.timeout(_LAST_WORDS_SECONDS):
                            await output.ended.wait()
                    tasks.cancel_scope.cancel()
        finally:
            for line in output.lines():
                log.debug("%s: %s", self._shown, line)
        return status

    def _environment(self, message: Message) -> dict[str, str]:
        found = {name: self._variables[name] for name in PASSED_ON if name in self._variables}
        for name, text in fields_of(message).items():
            shown = _CONTROL.sub(" ", self._hide(text))[:_VALUE_CHARACTERS]
            found[f"BRONZE_{name.upper()}"] = shown
        return found | {name: value.reveal() for name, value in self._config.env.items()}


@final
class _Output:
    """What a process says: the beginning is kept, and all of it is read, so that it never
    waits for us."""

    def __init__(self, stream: ByteReceiveStream) -> None:
        self.ended = anyio.Event()
        self._stream = stream
        self._kept = bytearray()

    async def read(self) -> None:
        async for chunk in self._stream:
            self._kept += chunk[: _OUTPUT_BYTES - len(self._kept)]
        self.ended.set()

    def lines(self) -> list[str]:
        return self._kept.decode("utf-8", "replace").splitlines()


async def _feed(stream: ByteSendStream, body: bytes) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await stream.send(body)  # one that does not read it may end before
    await stream.aclose()


async def _end(process: Process) -> None:
    """Kill what still runs, with its children, and leave no zombie and no pipe."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    with anyio.CancelScope(shield=True):
        await process.aclose()
