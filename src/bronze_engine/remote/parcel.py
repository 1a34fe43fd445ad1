"""What crosses between the command and a worker: JSON, in texts.

A Parcel goes out, signs come in while the worker is at it, an Answer comes back.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

import msgspec

from bronze_engine.config.load import Texts
from bronze_engine.model.batch import BatchReport, BatchRun

__all__ = ["Answer", "Begun", "Ended", "Parcel", "Sign", "decode_sign", "encode"]


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """Some pipelines of a batch, with all of their dates, for one worker.

    Pipelines that come after each other are in one parcel. Of secrets it has what the files and
    the command line say themselves: `${VAR}`, and no value.
    """

    version: str
    """Of bronze-engine: both sides must have the same."""
    number: int
    batch: str
    started_at: datetime
    """What was committed since then is not run again, where a worker before has died."""
    texts: Texts
    overrides: tuple[str, ...] = ()
    runs: tuple[tuple[str, date], ...]
    tables: tuple[str, ...] | None = None
    """Pipelines whose curated table is made; None: all of these that have one."""
    full_refresh: tuple[str, ...] = ()
    max_parallel: int | None = None
    fail_fast: bool = False
    wait_seconds: float = 0.0


class Begun(msgspec.Struct, frozen=True, kw_only=True, tag="begun"):
    """A worker has begun with a parcel; a second time where the first worker was lost."""

    batch: str
    parcel: int
    worker: str


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """What became of one run."""

    batch: str
    run: BatchRun


Sign = Begun | Ended


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a parcel."""

    report: BatchReport | None = None
    """None where the worker could not even begin."""
    refusal: str | None = None
    """Why not: the message of a ConfigError, without secrets."""


_signs: Final[msgspec.json.Decoder[Sign]] = msgspec.json.Decoder(Sign)


def encode(value: Parcel | Sign | Answer) -> str:
    """As JSON."""
    return msgspec.json.encode(value).decode()


def decode_sign(text: str) -> Sign:
    """Raises msgspec.ValidationError for what is none."""
    return _signs.decode(text)
