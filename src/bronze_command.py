"""The command `bronze`, from its first instruction: a signal while it imports ends it in silence.

A module beside the package, for whatever lies within it imports its root first, which takes most
of the second in which Python would answer Ctrl-C with a traceback. There is nothing to clean up
by then. Where the process is the first of a container, SIGTERM without a handler is not even
obeyed.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Final, NoReturn

__all__ = ["main"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ALLOCATOR: Final = "ARROW_DEFAULT_MEMORY_POOL"
"""Read by Arrow as it is loaded."""
_HTTPX_COMMAND: Final = "httpx._main"
"""httpx's own command line, which it imports where it can, with click, rich and Pygments."""


def main() -> None:
    """Run the command of `sys.argv`; raises SystemExit with its status."""
    _speak_utf8()
    _open_streams()
    # What the parent has told us to ignore, as nohup and a shell's & do, stays ignored.
    ours = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in ours:
        signal.signal(number, _leave)
    if _is_glibc():  # whose wheels of Arrow have it: it holds less than Arrow's own choice
        os.environ.setdefault(_ALLOCATOR, "jemalloc")
    sys.modules[_HTTPX_COMMAND] = None  # type: ignore[assignment]  # it can't be imported
    gc.disable()  # imports make no garbage: looking for it is a fifth of a small run's CPU
    from bronze_engine.cli.main import main as command  # noqa: PLC0415  # this is what takes long

    gc.freeze()  # what they have made stays, and is looked through no more, nor at the end
    gc.enable()
    if signal.SIGINT in ours:  # from here on there may be something to clean up
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command()
    finally:
        for number in ours:  # everything is cleaned up and written; Python's own end is left
            signal.signal(number, _leave)


def _speak_utf8() -> None:
    """Begin anew in Python's UTF-8 mode where the locale has another encoding.

    Folders of a partition would have other names than for processes with the locale of today,
    or none at all, and what is printed could not always be.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


def _open_streams() -> None:
    """Let the standard streams that the parent has closed lead nowhere.

    Else the first files that are opened have their numbers, and what a library written in C says
    on stderr is written into one of them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(opened, True)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def _is_glibc() -> bool:
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, ValueError, OSError):  # another system, or another library of C
        return False


def _leave(number: int, _: object) -> NoReturn:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
