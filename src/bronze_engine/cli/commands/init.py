"""`bronze init`: a commented pipelines.toml that runs."""

from __future__ import annotations

import shlex
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from bronze_engine.cli.options import CONFIG_PATH
from bronze_engine.errors import ConfigError

__all__ = ["init"]


def init(
    path: Annotated[
        Path, typer.Argument(help="Where to write it: a file, or a folder that is there.")
    ] = CONFIG_PATH,
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> None:
    """Write a pipelines.toml that runs against the demo API."""
    text = files("bronze_engine.demo").joinpath("pipelines.toml").read_text(encoding="utf-8")
    if path.is_dir():
        path /= CONFIG_PATH
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path} exists; choose another path, or --force to replace it") from None
    except FileNotFoundError:
        raise ConfigError(f"{path} can't be written: make the folder {path.parent} first") from None
    except OSError as exc:
        raise ConfigError(f"{path} can't be written: {exc.strerror}") from None
    named = "" if path == CONFIG_PATH else f" --config {shlex.quote(str(path))}"
    sys.stdout.write(
        f"{path} is written. Try it against the demo API:\n"
        "  bronze demo --serve                          # in another terminal\n"
        f"  bronze run demo.orders{named}\n"
        f"Then put your own API in its place, and let `bronze check{named}` look at it.\n"
    )
