"""Object stores on this machine, for demos; they listen on loopback and keep all in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Final

__all__ = ["BUCKET", "Emulator", "Opener", "opener_of"]

BUCKET: Final = "bronze-demo"

Opener = Callable[[str], AbstractAsyncContextManager[Mapping[str, str]]]
"""Starts a server with the bucket of that name, and gives the keys of a [stores.NAME] that
lands in it. Raises ConfigError where what it needs is not installed, RuntimeError where it
does not start."""


class Emulator(StrEnum):
    """The services that can be played."""

    S3 = "s3"
    AZURE = "azure"


def opener_of(emulator: Emulator) -> Opener:
    """What starts an emulator. Imports the client of Azure where that is the one: half a
    second of work, which no other command should do."""
    if emulator is Emulator.S3:
        from bronze_engine.demo.moto import open_moto  # noqa: PLC0415

        return open_moto
    from bronze_engine.demo.azurite import open_azurite  # noqa: PLC0415

    return open_azurite
