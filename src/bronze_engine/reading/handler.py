"""The committed files of one partition as a file system of Arrow's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NoReturn, final

import pyarrow as pa
from pyarrow import fs

from bronze_engine.errors import BronzeError
from bronze_engine.model.manifest import Manifest
from bronze_engine.reading.files import Files
from bronze_engine.reading.partition import Partition

__all__ = ["CommittedFiles"]


@final
class CommittedFiles(fs.FileSystemHandler):
    """The files that one manifest names, and no others. Read-only.

    Their sizes are the manifest's, so that no request asks for them. A file that is gone
    because a run has replaced the partition is a StateError that says so.
    """

    def __init__(self, files: Files, partition: Partition, manifest: Manifest) -> None:
        self._files = files
        self._partition = partition
        self._manifest = manifest
        keys = {f"{partition.path}/{file.name}": file.size_bytes for file in manifest.files}
        self._keys: Final = {files.location(key): (key, size) for key, size in keys.items()}
        self.paths: Final = tuple(self._keys)
        """In the manifest's order: whole URLs, or absolute paths of a directory's files."""

    def get_type_name(self) -> str:
        return "bronze"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Sequence[str]) -> list[fs.FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        return [self._info(path) for path in self.paths if path.startswith(selector.base_dir)]

    def open_input_file(self, path: str) -> pa.NativeFile:
        if path not in self._keys:
            raise FileNotFoundError(path)
        key, size_bytes = self._keys[path]
        return self._files.open(key, size_bytes, self._judge)

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return self.open_input_file(path)

    @contextmanager
    def decoding(self, *faults: type[Exception]) -> Iterator[None]:
        """Where Arrow makes sense of what it reads: bytes that it can't are a StoreError.

        They are an OSError of Arrow's, or one of `faults`.
        """
        kinds: tuple[type[Exception], ...] = (OSError, *faults)
        try:
            yield
        except kinds as exc:
            raise self._partition.damaged(self._manifest, exc) from exc

    def _judge(self, exc: BronzeError) -> BronzeError:
        return self._partition.judge(self._manifest, exc)

    def _info(self, path: str) -> fs.FileInfo:
        if path not in self._keys:
            return fs.FileInfo(path, fs.FileType.NotFound)
        return fs.FileInfo(path, fs.FileType.File, size=self._keys[path][1])

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError("a committed partition is read-only")

    create_dir = _refuse
    delete_dir = _refuse
    delete_dir_contents = _refuse
    delete_root_dir_contents = _refuse
    delete_file = _refuse
    move = _refuse
    copy_file = _refuse
    open_output_stream = _refuse
    open_append_stream = _refuse
