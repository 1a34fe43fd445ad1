"""What to do when records were inserted or removed while pages were read: `on_shift`."""

from __future__ import annotations

from typing import Final, final

from bronze_engine.errors import PageError
from bronze_engine.sources.http.chains.chain import Chain
from bronze_engine.sources.http.resource import Resource

__all__ = ["Shifted", "Shifts"]

_REREADS: Final = 2
"""How often pages that shifted are read again before it is a PageError."""


class Shifted(Exception):
    """The pages shifted while they were read, and may be read again."""


@final
class Shifts:
    """Counts the readings of one run, over all of its chains."""

    def __init__(self) -> None:
        self._rereads = 0

    def judge(self, resource: Resource, chain: Chain, mismatch: str | None) -> None:
        """Follow the resource's `on_shift` at the end of a chain.

        Returns where the reading stands; raises Shifted to begin again, PageError to fail.
        """
        if mismatch is None:
            return
        what = f"{mismatch}: the data changed while it was read"
        if resource.config.on_shift == "warn":
            resource.warn(f"{chain.label}: {what}" if chain.label else what)
            return
        location = chain.target.location
        if resource.config.on_shift == "fail" or self._rereads >= _REREADS:
            again = f" in {self._rereads + 1} readings" if self._rereads else ""
            raise PageError(
                f"{location}: {mismatch}{again}: the data changed while it was read, "
                'or the total is wrong; run again, or set on_shift = "retry" or "warn"',
                url=location,
            )
        self._rereads += 1
        raise Shifted(what)
