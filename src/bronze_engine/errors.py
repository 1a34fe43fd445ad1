"""Every error that leaves this package.

    BronzeError
    ├── ConfigError      CFG001    exit 2   the configuration is wrong; nothing was sent
    ├── AuthError        AUTH001   exit 3   a credential was refused
    ├── ExtractError     EXT001    exit 4   the source failed or answered nonsense
    ├── PageError        PAGE001   exit 5   the pages do not add up
    ├── StoreError       STG001    exit 6   the store failed
    │   └── CommitUnknown                   the commit may or may not have been applied
    ├── StateError       STATE001  exit 7   another run owns this, or the recorded state disagrees
    │   ├── DamagedManifest                 what stands in a manifest's place is none
    │   └── ForeignManifest                 the manifest is another pipeline's
    ├── QualityError     QUAL001   exit 8   too many bad records; nothing was committed
    └── RetryError       RETRY001  exit 9   every attempt was spent
        └── CircuitOpen                     the breaker of the limit group is open

    Signal, raised inside a run and never out of it:
    Conflict, OutcomeUnknown (stores), SliceLost, SnapshotLost (sources)

A message names the thing, the value and the next step. `context` holds what a log
processor wants as fields (pipeline, slice, url without secrets); its values never
hold a secret.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AuthError",
    "BronzeError",
    "CircuitOpen",
    "CommitUnknown",
    "ConfigError",
    "Conflict",
    "DamagedManifest",
    "ExtractError",
    "ForeignManifest",
    "OutcomeUnknown",
    "PageError",
    "QualityError",
    "RetryError",
    "SliceLost",
    "SnapshotLost",
    "StateError",
    "StoreError",
]


class BronzeError(Exception):
    """A fault with a code, an exit status, and a message that says what to do next."""

    code: ClassVar[str] = "BRONZE"
    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, **context: object) -> None:
        super().__init__(message)
        self.message = message
        self.context = context

    def __str__(self) -> str:
        return f"{self.code} {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.context)


def _rebuild(kind: type[BronzeError], message: str, context: dict[str, object]) -> BronzeError:
    return kind(message, **context)


class ConfigError(BronzeError):
    """The configuration or the command line is wrong. Never worth a retry."""

    code = "CFG001"
    exit_code = 2


class AuthError(BronzeError):
    """A credential was refused (401, 403, a database password). Never worth a retry."""

    code = "AUTH001"
    exit_code = 3


class ExtractError(BronzeError):
    """The source can't be read: refused, cut off, not what it says it is."""

    code = "EXT001"
    exit_code = 4


class PageError(BronzeError):
    """The pages of a source do not add up: a repeated cursor, a foreign link, a lying total."""

    code = "PAGE001"
    exit_code = 5


class StoreError(BronzeError):
    """The store refused or failed an operation; what was committed before is untouched."""

    code = "STG001"
    exit_code = 6


class CommitUnknown(StoreError):
    """The manifest was sent and the answer was lost, and reading it back failed too.

    Nothing was deleted. A re-run is safe: it finds out which of the two happened.
    """


class StateError(BronzeError):
    """Another run holds or has changed this partition, or the recorded state disagrees."""

    code = "STATE001"
    exit_code = 7


class DamagedManifest(StateError):
    """What stands in a manifest's place is none: cut off, overwritten, or without what one says."""


class ForeignManifest(StateError):
    """The manifest is another pipeline's, or was landed before this one had its name."""


class QualityError(BronzeError):
    """More records were rejected than the pipeline allows; nothing was committed."""

    code = "QUAL001"
    exit_code = 8


class RetryError(BronzeError):
    """All attempts of one operation are spent, or the server asked for too long a pause."""

    code = "RETRY001"
    exit_code = 9


class CircuitOpen(RetryError):
    """The breaker is open and its probe has failed: no request was made."""


class Conflict(Exception):
    """A conditional put found another version. Nothing was written."""


class OutcomeUnknown(Exception):
    """A put or a completion may or may not have been applied; only reading back can tell."""


class SliceLost(Exception):
    """The slice broke after rows were handed on; discard its files and read it again."""


class SnapshotLost(Exception):
    """The run's view of the source is gone; discard everything and open the source anew."""
