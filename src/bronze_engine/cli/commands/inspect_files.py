"""`bronze inspect PATH|GLOB|URL` of files: what they hold, and the TOML that lands them."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from bronze_engine.cli.printing import text
from bronze_engine.cli.printing.findings import print_findings
from bronze_engine.cli.session import LogOptions, mask
from bronze_engine.cli.signals import until_signal
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import Config
from bronze_engine.config.stores.address import SCHEMES
from bronze_engine.workers import Workers

if TYPE_CHECKING:
    from bronze_engine.inspection.file_inspector import FileInspector
    from bronze_engine.inspection.file_report import FileInspection

__all__ = ["inspect_file_pipeline", "inspect_files", "names_files", "print_file_inspection"]

_ENDING: Final = re.compile(
    r"\.(?:csv|tsv|tab|ndjson|jsonl|parquet|arrow|feather|ipc|xlsx|xlsm|xlsb|xls|ods|gz|gzip|zst"
    r"|zstd|bz2|xz|zip)",
    re.IGNORECASE,
)
"""Of files, wherever they are. JSON and text of a server are taken for the answers of an API."""


def names_files(what: str, *, with_api: bool) -> bool:
    """Whether what is to be inspected are files, and not an API or the name of a pipeline.

    Of a server only what ends as files do; below an API nothing; else paths, patterns, URLs of
    stores, and names that end as files do or that are there.
    """
    scheme, separator, rest = what.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        path = rest.partition("#")[0].partition("?")[0].partition("/")[2]
        return not with_api and _ENDING.fullmatch(Path(path).suffix) is not None
    if separator:
        return scheme.lower() in (*SCHEMES, "file")
    if with_api:
        return False
    is_path = what.startswith(("/", "~", "./", "../")) or "/" in what
    has_ending = _ENDING.fullmatch(Path(what).suffix) is not None or what.endswith(".json")
    return is_path or has_ending or any(each in what for each in "*?") or Path(what).exists()


def inspect_files(
    url: str,
    config: Config | None,
    log: LogOptions,
    *,
    run_date: date,
    api: str | None,
    name: str | None,
    records: str | None,
) -> FileInspection:
    """Look at what a path, a pattern or a URL names; paths are relative to the command's
    directory, and told relative to pipelines.toml where that lies there."""
    is_relative = "://" not in url and not url.startswith(("/", "~")) and api is None
    if is_relative and config is not None:
        folder, here = os.path.realpath(config.path.parent), os.path.realpath(".")
        url = url if folder == here else f"{here}/{url}"

    async def look(one: FileInspector) -> FileInspection:
        return await one.url(url, config, api=api, name=name, records=records)

    return _look(look, config, log, run_date)


def inspect_file_pipeline(
    config: Config, name: str, log: LogOptions, *, run_date: date
) -> FileInspection:
    """Look at the files that a pipeline reads."""

    async def look(one: FileInspector) -> FileInspection:
        return await one.pipeline(config, name)

    return _look(look, config, log, run_date)


def _look(
    question: Callable[[FileInspector], Awaitable[FileInspection]],
    config: Config | None,
    log: LogOptions,
    run_date: date,
) -> FileInspection:
    async def work() -> FileInspection:
        with Workers(1) as workers:
            inspector = await workers.run(_inspector)
        one = inspector(run_date=run_date, clock=SYSTEM_CLOCK)
        mask(lambda: one.secrets() | (config.secrets if config else frozenset()), log)
        return await question(one)

    async def run() -> FileInspection:
        return await until_signal(work)

    return anyio.run(run)


def _inspector() -> type[FileInspector]:
    from bronze_engine.inspection.file_inspector import FileInspector  # noqa: PLC0415

    return FileInspector


def print_file_inspection(found: FileInspection) -> None:
    """As people read it."""
    members = "" if found.members is None else f", {found.members:,} members that match"
    dates = found.named_date
    oldest, newest = (
        "" if each is None else f"{each:%Y-%m-%d %H:%M}" for each in (found.oldest, found.newest)
    )
    files = f"{found.files:,}, {text.size(found.size_bytes)}"
    text.print_pairs(
        [
            ("location", found.location),
            ("files", files if not oldest else f"{files}, modified {oldest} to {newest}"),
            ("looked at", "\n".join(found.looked_at)),
            ("format", found.format),
            ("compression", f"{found.compression}{members}"),
            *found.facts.items(),
            ("rows", f"the first {found.rows:,} were looked at"),
            ("primary key", found.primary_key or "none was found"),
            (
                "dates",
                ""
                if dates is None
                else f"in the names: {dates.first} to {dates.last} by {dates.pattern}",
            ),
            (
                "cursor",
                "\n".join(
                    f"{each.column} ({each.cursor_type}, {each.order}): it {each.why}"
                    for each in found.cursors
                ),
            ),
            ("note", "\n".join(found.notes)),
            (
                "set first",
                "\n".join(f"{name}: a secret that was given" for name in found.variables),
            ),
        ]
    )
    print_findings(found.columns, found.sample, found.toml)
