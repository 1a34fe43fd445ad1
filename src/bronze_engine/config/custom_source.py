"""What the tables of third parties' sources build on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Self

import msgspec

__all__ = ["CustomSource"]


class CustomSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the Structs of third parties' sources build on, each with a tag of its own
    (see bronze_engine.plugins).

    Some fields mean something to the engine, wherever a Struct has them. One of type Api,
    Connection or StoreConfig holds in the file the name of an entry, and the entry once it is
    loaded. `api: Api` makes the limits of that API those of the source. `rate_limit: RateLimit`
    limits one pipeline beside those, and `retry: Retry` stands in their retry's place. What is a
    Secret is never shown.
    """

    no_rows: ClassVar[frozenset[str]] = frozenset()
    """Fields that change none of the rows that land, such as how many are read at once: a run
    that was broken off is resumed although they differ."""

    @property
    def location(self) -> str:
        """What is read, for people, without secrets."""
        return str(self.__struct_config__.tag)

    @property
    def server(self) -> str:
        """Whose limits it has where it names no API, and with whom it shares them: a host, an
        account. Where empty all sources of the type share theirs."""
        return ""

    @property
    def names_run_date(self) -> bool:
        """Whether what it asks for says for which date, so that a past one can be asked for."""
        return False

    def faults(self) -> Iterable[tuple[str, str]]:
        """Keys whose values contradict each other, each with what is wrong and what to write."""
        return ()

    def resolved(self, absolute: Callable[[str], str], /) -> Self:  # noqa: ARG002  # of others
        """With its paths absolute: `absolute` takes what is relative to pipelines.toml, or `~`."""
        return self
