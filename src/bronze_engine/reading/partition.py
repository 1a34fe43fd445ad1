"""A partition as its manifest has it, and what it means when that changes under a reader."""

from __future__ import annotations

from typing import Final, final

from bronze_engine.errors import BronzeError, StateError, StoreError
from bronze_engine.model.manifest import MANIFEST_NAME, Manifest
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.reading.files import Files

__all__ = ["TRIES", "Partition", "Superseded"]

TRIES: Final = 20
"""Races lost in a row before a reader gives up: then runs commit faster than it reads."""


class Superseded(StateError):
    """Another generation was committed, and the files of the one that is read are gone."""


@final
class Partition:
    """One partition of one target."""

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self.path = path
        """`{system}/{entity}/dt=YYYY-MM-DD`."""
        self._key = f"{path}/{MANIFEST_NAME}"

    def manifest(self) -> Manifest:
        """What is committed. Raises StateError where that is nothing."""
        body = self._files.get(self._key)
        manifest = None if body is None else decode_manifest(body, self._key)
        if manifest is None or manifest.status == "void":
            why = "does not exist" if manifest is None else "is void"
            step = (
                "target, the name and the date, or run the pipeline for that date"
                if self.path.rpartition("/")[2].startswith("dt=")
                else "target and the name (a partition's folder ends in dt=YYYY-MM-DD), or make the"
                " table (`bronze silver`)"
            )
            raise StateError(
                f"{self._files.location(self._key)} {why}: nothing was committed there. Check the "
                f"{step}",
                partition=self.path,
            )
        return manifest

    def whole(self) -> Manifest:
        """A manifest whose files were all there, with their sizes, after it was read.

        Raises StateError where it is replaced again and again meanwhile, and where a file is
        missing although nothing has replaced it.
        """
        manifest = self.manifest()
        for _ in range(TRIES):
            fault = self._fault(manifest)
            if fault is None:
                return manifest
            newer = self.manifest()
            if newer.files == manifest.files:
                raise StateError(
                    f"{fault}, although {_named(manifest)}",
                    partition=self.path,
                    generation=manifest.generation,
                )
            manifest = newer
        raise self.outrun()

    def judge(self, manifest: Manifest, exc: BronzeError) -> BronzeError:
        """What it means that a file of `manifest` could not be read: `exc`, a lost race, or that
        the file is gone or was cut short.

        A commit that keeps the files (garbage collection makes one) is no lost race.
        """
        try:
            newer = self.manifest()
            fault = self._fault(manifest) if newer.files == manifest.files else None
        except StateError as gone:
            return gone
        except BronzeError:
            return exc
        if fault is not None:
            return StoreError(f"{fault}, although {_named(newer)}", partition=self.path)
        if newer.files == manifest.files:
            return exc
        return Superseded(
            f"{self._files.location(self.path)}: generation {newer.generation} (run {newer.run}) "
            f"has replaced generation {manifest.generation} while that was being read; open the "
            "partition again",
            partition=self.path,
            generation=newer.generation,
        )

    def damaged(self, manifest: Manifest, exc: Exception) -> BronzeError:
        """What it means that Arrow could not read what a file of `manifest` holds."""
        where = self._files.location(self.path)
        told = StoreError(
            f"{where}: a file can't be read ({exc}), although {_named(manifest)}",
            partition=self.path,
        )
        return self.judge(manifest, told)

    def outrun(self) -> StateError:
        """The error of a reader that has lost all its tries."""
        return StateError(
            f"{self._files.location(self.path)} was replaced {TRIES} times while it was being "
            "read; read it when its pipeline does not run",
            partition=self.path,
        )

    def _fault(self, manifest: Manifest) -> str | None:
        sizes = self._files.sizes(self.path, [file.name for file in manifest.files])
        for file in manifest.files:
            size = sizes.get(file.name)
            if size != file.size_bytes:
                where = self._files.location(f"{self.path}/{file.name}")
                found = "is missing" if size is None else f"has {size} bytes"
                return f"{where} {found}"
        return None


def _named(manifest: Manifest) -> str:
    """Who says that a file is there, and what helps where it is not."""
    name = manifest.pipeline
    if manifest.silver is None:
        step = "Look with `bronze verify`, and run the pipeline again"
    else:
        step = (
            f"`bronze verify {name} --silver` looks at all of them, and"
            f" `bronze silver {name} --rebuild` makes the table anew"
        )
    return f"generation {manifest.generation} names it. {step}"
