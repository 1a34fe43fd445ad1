"""`bronze list`: the pipelines of a configuration."""

from __future__ import annotations

import logging
from typing import Any

from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    JsonOutput,
    Overrides,
    Tags,
    Verbose,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.session import LogOptions, load
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import (
    CustomSource,
    FilesSourceConfig,
    HttpSourceConfig,
    SourceConfig,
)
from bronze_engine.errors import ConfigError
from bronze_engine.telemetry.redact import redact_url

__all__ = ["list_pipelines"]

log = logging.getLogger(__name__)


def list_pipelines(
    *,
    tag: Tags = None,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """List the pipelines of the configuration."""
    loaded = load(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
    rows = []
    for name in loaded.names:
        tags = loaded.words(name, "tags")
        if tag and set(tag).isdisjoint(tags):
            continue
        try:
            rows.append(_row(loaded.pipeline(name)))
        except ConfigError as exc:  # a variable that is set elsewhere, say
            log.warning("%s", exc)
            unknown = dict.fromkeys(("load", "source", "partitions"))
            rows.append({"name": name, **unknown, "tags": tags, "error": exc.message})
    if as_json:
        text.print_json(rows)
    else:
        header = ["name", "load", "source", "partitions", "tags"]
        cells = [{**row, "tags": ", ".join(row["tags"])} for row in rows]
        text.print_table(
            header, [["?" if row[key] is None else row[key] for key in header] for row in cells]
        )


def _row(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "name": pipeline.name,
        "load": pipeline.load,
        "source": _read_from(pipeline.source),
        "partitions": f"{pipeline.target.location}/{pipeline.system}/{pipeline.entity}/",
        "tags": pipeline.tags,
        "error": None,
    }


def _read_from(source: SourceConfig) -> str:
    if isinstance(source, HttpSourceConfig):
        return f"{source.api.name}{source.path}"
    if isinstance(source, FilesSourceConfig):
        return ", ".join(map(redact_url, source.urls))
    if isinstance(source, CustomSource):
        return source.location
    return f"{source.connection.name}: {source.table or 'a query'}"
