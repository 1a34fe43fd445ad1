"""Log lines for people and for machines. Set up by the command line only.

The library logs to loggers below `bronze_engine` and touches no handler; a service that
embeds it keeps its own logging.

Text:  2025-01-15 10:00:00.123 ERROR EXT001 shop answered 404 for /orders
JSON:  {"time": "...", "level": "ERROR", "logger": "...", "code": "EXT001", "message": "..."}

Times are UTC. The message of an error begins with its code, so that the fourth field of
`grep ERROR` counts codes. One record is one line and one write, so that lines of several
processes do not mix; control characters are escaped, so that no message forges a line.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO, final

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.errors import BronzeError, ConfigError
from bronze_engine.telemetry.redact import Redactor

__all__ = ["Logs", "setup_logging"]

_CODE = re.compile(r"([A-Z]{2,8}\d{3})\b")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_KNOWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def setup_logging(
    *,
    level: str,
    json_lines: bool = False,
    log_dir: str | Path | None = None,
    log_file: str | Path | None = None,
    secrets: Iterable[str] | Callable[[], Iterable[str]] = (),
    clock: Clock,
    stream: TextIO | None = None,
) -> Logs:
    """Send the log to stderr, to `log_dir/bronze-{date}.log` and to `log_file`.

    `level` is that of `bronze_engine`; other libraries are heard from WARNING on, because
    some of them log headers below it. An empty or absent `log_dir` is off; one that can't
    be written is one warning. `secrets` may be a function that returns those known so far
    (`lambda: config.secrets`). Raises ConfigError where `log_file` can't be written.
    """
    redactor = Redactor(secrets)
    handlers: list[_Handler] = [
        _Handler(_to_stream(stream), _formatter(json_lines, redactor, clock, one_line=False), clock)
    ]
    warnings: list[str] = []
    one_line = _formatter(json_lines, redactor, clock, one_line=True)
    if log_file is not None:
        file = _File(lambda _: Path(log_file))
        try:
            file.open(clock.now())
        except OSError as exc:
            raise ConfigError(f"--log-file {log_file} can't be written: {exc.strerror}") from None
        handlers.append(_Handler(file.write, one_line, clock, file))
    if log_dir is not None and str(log_dir):
        folder = Path(log_dir)
        file = _File(lambda now: folder / f"bronze-{now.date().isoformat()}.log")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.open(clock.now())
        except OSError as exc:
            warnings.append(
                f"log_dir {folder} can't be written ({exc.strerror}); logging goes on without it"
            )
        else:
            handlers.append(_Handler(file.write, one_line, clock, file))
    logs = Logs(handlers, redactor, level)
    for warning in warnings:
        logging.getLogger("bronze_engine").warning(warning)
    return logs


@final
class Logs:
    """The handlers that are installed. Leaving it puts back what was there before."""

    def __init__(self, handlers: list[_Handler], redactor: Redactor, level: str) -> None:
        self.redactor: Final = redactor
        """Masks what the log masks, for other output."""
        root = logging.getLogger()
        own = logging.getLogger("bronze_engine")
        self._before = (root.handlers[:], root.level, own.level)
        self._stream = handlers[0]
        self._handlers: list[logging.Handler] = [*handlers]
        root.handlers[:] = handlers
        root.setLevel(logging.WARNING)
        own.setLevel(level)
        logging.captureWarnings(True)

    def __enter__(self) -> Logs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def diverted(
        self, write: Callable[[str], None], *, level: int, without: Collection[str] = ()
    ) -> Iterator[None]:
        """Hand the lines for stderr to `write`, meanwhile, instead: whole, from any thread.

        Those below `level`, and those of the loggers `without`, are for the files alone then.
        """

        def is_shown(record: logging.LogRecord) -> bool:
            return record.name not in without

        stream = self._stream
        before = stream.write
        stream.write = lambda line, _: write(line)
        stream.setLevel(level)
        stream.addFilter(is_shown)
        try:
            yield
        finally:
            stream.removeFilter(is_shown)
            stream.write = before
            stream.setLevel(logging.NOTSET)

    def close(self) -> None:
        """Close the files and put the logging of before back. Idempotent."""
        root = logging.getLogger()
        if root.handlers == self._handlers:
            handlers, root_level, own_level = self._before
            root.handlers[:] = handlers
            root.setLevel(root_level)
            logging.getLogger("bronze_engine").setLevel(own_level)
            logging.captureWarnings(False)
        for handler in self._handlers:
            handler.close()


@final
class _File:
    """Appends lines, one write each; the path may change with the day."""

    def __init__(self, path: Callable[[datetime], Path]) -> None:
        self._path = path
        self._opened: Path | None = None
        self._descriptor = -1

    def open(self, now: datetime) -> None:
        path = self._path(now)
        if path == self._opened:
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(path, flags, 0o644)
        self.close()
        self._descriptor, self._opened = descriptor, path

    def write(self, line: str, now: datetime) -> None:
        self.open(now)
        os.write(self._descriptor, line.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._opened = -1, None


def _to_stream(stream: TextIO | None) -> Callable[[str, datetime], None]:
    def write(line: str, _: datetime) -> None:
        target = sys.stderr if stream is None else stream
        encoding = target.encoding or "utf-8"
        target.write(line.encode(encoding, "backslashreplace").decode(encoding))
        target.flush()

    return write


@final
class _Handler(logging.Handler):
    """Formats and writes a record. A fault here never reaches the caller, nor shows the record:
    logging's own report of such a fault would print its arguments unmasked."""

    def __init__(
        self,
        write: Callable[[str, datetime], None],
        formatter: logging.Formatter,
        clock: Clock,
        file: _File | None = None,
    ) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.write = write
        self._clock = clock
        self._file = file
        self._is_broken = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record) + "\n"
        except Exception as exc:  # noqa: BLE001  # arguments that do not fit their format
            line = f"a record of {record.name} could not be formatted ({type(exc).__name__})\n"
        try:
            self.write(line, self._clock.now())
        except (OSError, ValueError) as exc:  # a full disk, a closed stderr
            if self._file is not None and not self._is_broken:
                self._is_broken = True
                sys.stderr.write(f"the log file can't be written: {exc}\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()


def _formatter(
    json_lines: bool, redactor: Redactor, clock: Clock, *, one_line: bool
) -> logging.Formatter:
    if json_lines:
        return _JsonFormatter(redactor, clock)
    return _TextFormatter(redactor, clock, one_line=one_line)


@final
class _TextFormatter(logging.Formatter):
    """`DATE TIME LEVEL message`. A traceback follows the message, its line ends escaped; on a
    terminal it follows in lines that begin with `  | `, which no line of the log does, and so
    does what a message has below its first line."""

    def __init__(self, redactor: Redactor, clock: Clock, *, one_line: bool) -> None:
        super().__init__()
        self._redactor = redactor
        self._clock = clock
        self._one_line = one_line

    def format(self, record: logging.LogRecord) -> str:
        time = self._clock.now().astimezone(UTC).isoformat(" ", "milliseconds").partition("+")[0]
        code, message = _coded(record)
        head = f"{code} {message}" if code and not message.startswith(code) else message
        begin = f"{time} {record.levelname} "
        head = self._redactor(head)
        trace = self._redactor(_traceback(record))
        if self._one_line:
            return f"{begin}{_escaped(head)}{trace and ' '}{_escaped(trace)}"
        first, *below = head.split("\n")
        lines = [*below, *trace.splitlines()]
        return "\n".join(
            [f"{begin}{_escaped(first)}", *(f"  | {_escaped(each)}" for each in lines)]
        )


@final
class _JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, code, message, traceback, and the fields of
    the event: arguments that have names, the context of an error, and what is `extra`."""

    def __init__(self, redactor: Redactor, clock: Clock) -> None:
        super().__init__()
        self._redactor = redactor
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        code, message = _coded(record)
        line: dict[str, Any] = {
            "time": self._clock.now().astimezone(UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if code:
            line["code"] = code
        line["message"] = message
        extra = {key: value for key, value in vars(record).items() if key not in _KNOWN}
        fields = _named(record) | extra
        line |= {key: value for key, value in fields.items() if key not in line}
        trace = _traceback(record)
        if trace:
            line["traceback"] = trace
        text = msgspec.json.encode(self._masked(line)).decode()
        # JSON need not escape these; some readers take them for line ends all the same.
        return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

    def _masked(self, value: Any) -> Any:
        # Before encoding: once it is escaped, a secret no longer looks like itself.
        match value:
            case None | bool() | int() | float():
                return value
            case dict():
                return {str(key): self._masked(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._masked(item) for item in value]
            case _:
                text = str(value).encode("utf-8", "backslashreplace").decode()
                return self._redactor(text)


def _coded(record: logging.LogRecord) -> tuple[str | None, str]:
    """The code of an error and its message. Errors of others have the code of no fault of ours."""
    message = record.getMessage()
    match = _CODE.match(message)
    if match is not None:
        return match[1], message
    if record.levelno < logging.ERROR:
        return None, message
    error = record.exc_info[1] if record.exc_info else None
    return (error.code if isinstance(error, BronzeError) else BronzeError.code), message


def _named(record: logging.LogRecord) -> dict[str, object]:
    """What the message is made of, by name: `log.info("… %(rows)d …", {"rows": 1})`, and of an
    error that it shows, or that was raised, its context."""
    if isinstance(record.args, Mapping):
        return dict(record.args)
    raised = record.exc_info[1] if record.exc_info else None
    errors = [each for each in (raised, *(record.args or ())) if isinstance(each, BronzeError)]
    return errors[0].context if errors else {}


def _traceback(record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[0] is not None:
        trace = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    else:
        trace = record.exc_text or ""
    return f"{trace}\n{record.stack_info}" if record.stack_info else trace


def _escaped(text: str) -> str:
    """Control characters as escapes: no line is forged, no terminal is steered."""
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], text)
