"""Secrets out of the log of a process whose logging is somebody else's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, final

__all__ = ["masked_logs"]

_OURS: Final = "bronze_engine"
_traceback: Final = logging.Formatter().formatException


@contextmanager
def masked_logs(mask: Callable[[str], str]) -> Iterator[None]:
    """Mask what is logged below `bronze_engine` meanwhile, in every handler that there is.

    Several may be entered side by side, in whatever threads: each masks what it knows of.
    """
    last = [] if logging.lastResort is None else [logging.lastResort]
    handlers = {*logging.getLogger(_OURS).handlers, *logging.getLogger().handlers, *last}
    filters = _Mask(mask)
    for handler in handlers:
        handler.addFilter(filters)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(filters)


@final
class _Mask(logging.Filter):
    def __init__(self, mask: Callable[[str], str]) -> None:
        super().__init__(_OURS)
        self._mask = mask

    def filter(self, record: logging.LogRecord) -> bool:
        if super().filter(record):
            record.msg, record.args = self._mask(record.getMessage()), None
            if record.exc_info:
                record.exc_text = self._mask(record.exc_text or _traceback(record.exc_info))
        return True
