"""Where a demo runs: the servers that it starts, and the configuration that names them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bronze_engine.cli.session import LogOptions, load
from bronze_engine.config.load import Config
from bronze_engine.demo.emulator import BUCKET, Opener
from bronze_engine.demo.process import DemoServer

__all__ = ["DemoPlace", "configured"]


class DemoPlace(msgspec.Struct, frozen=True, kw_only=True):
    """What the options of a demo that lands say of its servers."""

    date: str | None
    records: int
    target: str
    open_emulator: Opener | None
    fault_rate: float
    verbose: bool


@asynccontextmanager
async def configured(
    place: DemoPlace, name: str, *, overrides: tuple[str, ...] = ()
) -> AsyncIterator[Config]:
    """The demo's configuration of that name, while the servers that it needs are up."""
    sys.stderr.write(
        f"starting an API with {place.records:,} orders; {place.fault_rate:.0%} of its pages fail\n"
    )
    written = files("bronze_engine.demo").joinpath(name).read_text(encoding="utf-8")
    environ = dict(os.environ)
    async with AsyncExitStack() as stack:
        api = DemoServer(records=place.records, fault_rate=place.fault_rate)
        environ["DEMO_URL"] = await stack.enter_async_context(api)
        target = place.target
        if place.open_emulator is not None:
            sys.stderr.write("starting an object store; what lands there ends with the demo\n")
            keys = await stack.enter_async_context(place.open_emulator(BUCKET))
            # Strings of JSON are strings of TOML.
            table = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
            written += f'\n[stores.emulated]\nproxy = "none"\n{table}'
            target = "emulated"
        folder = stack.enter_context(TemporaryDirectory(prefix="bronze-demo-"))
        path = _write(Path(folder, "pipelines.toml"), written)
        every = [f"engine.target={json.dumps(target)}", 'engine.log_dir=""', *overrides]
        yield load(path, every, LogOptions(verbose=place.verbose), environ=environ)


def _write(path: Path, written: str) -> Path:
    path.write_text(written, encoding="utf-8")
    return path
