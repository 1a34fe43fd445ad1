"""The relations that a merge makes on its way, and what is counted in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from bronze_engine.silver.columns.shape import Shape
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.fold.winners import same_keys

__all__ = ["Relations"]


@final
class Relations:
    """Tables within `database`. A name is one that is not taken; SQL is the caller's."""

    def __init__(self, database: Database, shape: Shape) -> None:
        self._database = database
        self._shape = shape

    async def table(self, name: str, sql: str) -> None:
        await self._database.execute(f"CREATE TABLE {name} AS {sql}")

    async def keys(self, name: str, selects: Sequence[str]) -> None:
        """A table of the keys that they find, one after another."""
        await self.table(name, selects[0])
        pairs = same_keys(self._shape, "n", "d")
        for each in selects[1:]:
            await self._database.execute(
                f"INSERT INTO {name} SELECT n.* FROM ({each}) n ANTI JOIN {name} d ON {pairs}"
            )

    async def unlike(self, of: str, selects: Sequence[str]) -> str | None:
        """A table of the records that they find, one after another; None where there are none."""
        if not selects:
            return None
        name = f"merge_unlike_{of}"
        await self.table(name, selects[0])
        known = "d.landed = n.landed AND d.part = n.part AND d.nth = n.nth"
        for each in selects[1:]:
            await self._database.execute(
                f"INSERT INTO {name} SELECT n.* FROM ({each}) n ANTI JOIN {name} d ON {known}"
            )
        return name

    async def count(self, relation: str) -> int:
        ((count,),) = await self._database.execute(f"SELECT count(*) FROM {relation}")
        return int(count)

    async def numbers(self, relation: str, part: str) -> set[int]:
        """The numbers of the files that a relation has rows of."""
        found = await self._database.execute(f"SELECT DISTINCT {part} AS part FROM {relation}")
        return {-1 - number for (number,) in found}
