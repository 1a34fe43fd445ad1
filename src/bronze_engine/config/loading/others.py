"""What a pipeline must know of the others in its file: where they land, what they come after.

Nothing is expanded for it: variables of pipelines that are not asked for may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, final

from bronze_engine.config.loading.document import Document
from bronze_engine.config.loading.entries import Entries
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.loading.folders import Folders, claims_of, folder_faults
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.rules.after import after_faults, full_names
from bronze_engine.config.stores.place import place_of
from bronze_engine.config.stores.store import StoreConfig

__all__ = ["Others"]


@final
class Others:
    """All pipelines of a file, looked at from one of them. Each question is worked out once.

    `target` is that of pipelines that name none; `over` is the target of all of them, if the
    command line has set one.
    """

    def __init__(
        self, document: Document, entries: Entries, *, target: str, over: Any | None
    ) -> None:
        self._document = document
        self._entries = entries
        self._target = target
        self._over = over

    def faults(self, pipeline: Pipeline, path: KeyPath) -> Iterator[Fault]:
        """What of `pipeline` does not go with the others."""
        if pipeline.after:
            known, after = self._document.pipelines, (*path, "after")
            yield from after_faults(pipeline.name, pipeline.after, known, self._afters, after)
        yield from self._owners(pipeline, path)

        def is_elsewhere(target: Any) -> bool:
            place = self._place(target)
            return place is not None and place_of(place) != place_of(pipeline.target)

        yield from folder_faults(pipeline, self._folders, is_elsewhere, path)

    @cached_property
    def targets(self) -> frozenset[str]:
        """Where pipelines land, as it is written."""
        return frozenset(str(target) for claims in self._claims.values() for _, target in claims)

    def _owners(self, pipeline: Pipeline, path: KeyPath) -> Iterator[Fault]:
        """Faults for other pipelines that would land in the same place."""
        for other, target in self._claims.get((pipeline.system, pipeline.entity), ()):
            if other == pipeline.name:
                continue
            place = self._place(target)
            if place is None or place_of(place) == place_of(pipeline.target):
                yield Fault(
                    (*path, "entity"),
                    f"{pipeline.system}/{pipeline.entity} belongs to pipelines.{other} too; "
                    "give one of the two another system, entity or target",
                )

    def _place(self, target: Any) -> StoreConfig | None:
        """None for one that can't be resolved: it may be any place."""
        place = self._entries.place(target, ("pipelines",), [])
        return place if isinstance(place, StoreConfig) else None

    @cached_property
    def _folders(self) -> Folders:
        """Where all pipelines write, if one has a table."""
        document = self._document
        tables = [document.defaults, *document.templates.values(), *document.pipelines.values()]
        if not any("silver" in table for table in tables):
            return Folders(())
        return Folders(
            claim
            for (system, entity), named in self._claims.items()
            for name, target in named
            for claim in claims_of(
                name, system, entity, target, document.pipeline(name, []).get("silver")
            )
        )

    @cached_property
    def _afters(self) -> Mapping[str, tuple[str, ...]]:
        """What each pipeline comes after."""
        document = self._document
        return {
            name: full_names(name, document.pipeline(name, []).get("after"))
            for name in sorted(document.pipelines)
        }

    @cached_property
    def _claims(self) -> Mapping[tuple[str, str], list[tuple[str, Any]]]:
        """Which pipelines land at which system and entity, with their targets."""
        claims: dict[tuple[str, str], list[tuple[str, Any]]] = {}
        for name in sorted(self._document.pipelines):
            table = self._document.pipeline(name, [])
            team, _, entity = name.partition(".")
            where = (str(table.get("system") or team), str(table.get("entity") or entity))
            target = table.get("target", self._target) if self._over is None else self._over
            claims.setdefault(where, []).append((name, target))
        return claims
