"""stdout and stderr whose reader may leave before the end, as that of `bronze list | head` does."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Final, TextIO, final

from bronze_engine.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["outliving_readers"]

_STDERR: Final = 2


@contextmanager
def outliving_readers() -> Iterator[None]:
    """A reader that has seen enough is no failure: the command goes on, and ends with its status.

    So the status of a batch whose table nobody reads to its end still says that runs failed.
    Where stdout can't be written for another reason, as on a full disk, writing and flushing it
    raise StoreError, once. What is no file of the system, as in tests, stays as it is.
    """
    with ExitStack() as stack:
        if out := _outliving(sys.stdout):
            stack.enter_context(redirect_stdout(out))
        if err := _outliving(sys.stderr):
            stack.enter_context(redirect_stderr(err))
        try:
            yield
        finally:
            for stream in (out, err):
                if stream is not None:
                    stream.flush()


def _outliving(stream: TextIO | None) -> io.TextIOWrapper | None:
    if not isinstance(stream, io.TextIOWrapper):
        return None
    try:
        number = stream.fileno()
    except OSError:  # io.UnsupportedOperation: bytes in memory
        return None
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Pipe(number)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


@final
class _Pipe(io.FileIO):
    """Leads nowhere once it can't be written."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self._drop()
        except OSError as exc:
            self._drop()
            if self.fileno() != _STDERR:  # where else would that be said
                raise StoreError(
                    f"what the command prints can't be written: {exc.strerror}; what it has"
                    " committed stays as it is"
                ) from exc
        return memoryview(data).nbytes

    def _drop(self) -> None:
        """Let the descriptor be that of /dev/null: for processes that we start, too."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)
