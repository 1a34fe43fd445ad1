"""A store on local disk, what lies in it, and a disk that fails."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.store.local.store import LocalStore, open_local
from bronze_engine.workers import Workers

__all__ = ["FailingOs", "break_os", "everything", "opened"]


@asynccontextmanager
async def opened(
    path: Path, *, clock: Clock = SYSTEM_CLOCK, single_writer: bool = False
) -> AsyncIterator[LocalStore]:
    with Workers(4) as workers:
        config = LocalStoreConfig(path=str(path), single_writer=single_writer)
        async with open_local(config, workers, clock) as store:
            yield store


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


class FailingOs:
    """The module os, in which one call fails with one errno."""

    def __init__(self, call: str, error: int) -> None:
        self._call = call
        self._error = error

    def __getattr__(self, name: str) -> Any:
        if name == self._call:
            return self._fail
        return getattr(os, name)

    def _fail(self, *_: object, **__: object) -> None:
        raise OSError(self._error, os.strerror(self._error))


def break_os(monkeypatch: pytest.MonkeyPatch, module: str, call: str, error: int) -> None:
    monkeypatch.setattr(f"bronze_engine.store.local.{module}.os", FailingOs(call, error))
