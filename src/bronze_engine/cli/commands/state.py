"""`bronze state`: where an entity stands, and what a person decides of it."""

from __future__ import annotations

import getpass
import os
import socket
from typing import Annotated

import typer

from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    JsonLog,
    JsonOutput,
    LogFile,
    Name,
    Overrides,
    Verbose,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError
from bronze_engine.model.override import Override
from bronze_engine.state.claims import Claim
from bronze_engine.state.hint import Hint, Rebuilt
from bronze_engine.upkeep.standing import OverrideStanding, Standing

__all__ = ["state"]

state = typer.Typer(
    name="state",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Where an entity stands, and where its next window begins.",
)

Why = Annotated[str, typer.Option("--why", help="Why, for whoever reads the manifest later.")]
Force = Annotated[bool, typer.Option("--force", help="Do it although rows land twice, or never.")]


@state.command()
def show(
    name: Name,
    *,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Show the newest date, the watermark, and who is at work.

    Overrides too, and runs that were broken off.
    """
    loaded = load(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
    found = with_engine(loaded, lambda engine: engine.state(name).show())
    if as_json:
        text.print_json(found)
    else:
        _print(found)


@state.command("set")
def set_watermark(
    name: Name,
    *,
    watermark: Annotated[
        str | None,
        typer.Option("--watermark", help="What the next window begins after.", show_default=False),
    ] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take the pending override back instead.")
    ] = False,
    force: Force = False,
    why: Why = "",
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Let the next run begin after another watermark. Once, in place of the recorded one."""
    if (watermark is None) != withdraw:
        raise ConfigError("state set needs --watermark VALUE, or --withdraw, and not both")
    loaded = load(
        config, overrides, LogOptions(verbose=verbose, json_lines=json_log, file=log_file)
    )

    async def work(engine: Engine) -> Override | None:
        if watermark is None:
            return await engine.state(name).withdraw()
        return await engine.state(name).set_watermark(watermark, who=_who(), why=why, force=force)

    done = with_engine(loaded, work)
    if as_json:
        text.print_json(done)
    elif watermark is None:
        print(f"withdrawn: {_asked(done)}" if done else "there was no pending override")
    elif done is not None:
        _tell(done, name)


@state.command()
def reset(
    name: Name,
    *,
    force: Force = False,
    why: Why = "",
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Let the next run read from the beginning. As an epoch of its own; nothing is deleted."""
    loaded = load(
        config, overrides, LogOptions(verbose=verbose, json_lines=json_log, file=log_file)
    )
    done = with_engine(
        loaded, lambda engine: engine.state(name).reset(who=_who(), why=why, force=force)
    )
    if as_json:
        text.print_json(done)
    else:
        _tell(done, name)


@state.command()
def rebuild(
    name: Name,
    *,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Make the state of a pipeline anew from its manifests alone."""
    loaded = load(
        config, overrides, LogOptions(verbose=verbose, json_lines=json_log, file=log_file)
    )
    done = with_engine(loaded, lambda engine: engine.state(name).rebuild())
    if as_json:
        text.print_json(done)
    else:
        _print_rebuilt(done)


def _who() -> str:
    """The user and the host, as far as the system knows them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # an id without a name, as containers have
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _tell(override: Override, name: str) -> None:
    text.print_pairs(
        [
            ("pipeline", name),
            ("next window", _asked(override)),
            ("instead of", override.was or "the beginning"),
            ("decided by", f"{override.who}, {override.when:%Y-%m-%d %H:%M:%S} UTC"),
            ("why", override.why),
            ("used by", "the next commit, once; its manifest records it"),
        ]
    )


def _asked(override: Override) -> str:
    if override.kind == "reset":
        return "from the beginning, as a new epoch"
    return f"after {override.value}"


def _print(found: Standing) -> None:
    newest = found.newest
    text.print_pairs(
        [
            ("pipeline", found.pipeline),
            ("partitions", f"{found.target}/{found.system}/{found.entity}/"),
            ("state", f"{found.state}/_state/{found.system}/{found.entity}.json"),
            ("dates", f"{found.dates:,}" + (f", the first {found.first}" if found.first else "")),
            (
                "newest",
                "nothing is committed"
                if newest is None
                else f"{newest.run_date}, generation {newest.generation}, epoch {newest.epoch},"
                f" run {newest.run}",
            ),
            ("rows", "" if newest is None else f"{newest.row_count:,}"),
            (
                "committed",
                "" if newest is None else f"{newest.written_at:%Y-%m-%d %H:%M:%S} UTC",
            ),
            ("window", "" if newest is None else text.window(newest.watermark)),
            ("watermark", found.watermark or ""),
            ("override", "" if found.override is None else _override(found.override)),
            ("hint", _hint(found.hint) if found.agrees else found.differs or ""),
            ("claimed", "" if found.claim is None else _claim(found.claim)),
            (
                "unfinished",
                "\n".join(
                    f"{each.run_date}, run {each.run}: {each.slices:,} slices landed by"
                    f" {each.written_at:%Y-%m-%d %H:%M:%S} UTC; the next run of that date goes on"
                    " from there if its configuration is the same"
                    for each in found.unfinished
                ),
            ),
            (
                "at work",
                "\n".join(
                    f"run {each.run} on {each.lease} (host {each.host}, pid {each.pid}, since"
                    f" {each.since:%Y-%m-%d %H:%M:%S} UTC)"
                    for each in found.leases
                ),
            ),
        ]
    )


def _claim(claim: Claim) -> str:
    who = claim.claimant
    if who is None:
        return ""
    window = f"({claim.low or 'the beginning'}, {claim.cap or '…'}]"
    return f"{window} by run {who.run} for {who.run_date}, {claim.written_at:%Y-%m-%d %H:%M:%S} UTC"


def _override(standing: OverrideStanding) -> str:
    override, use = standing.override, standing.used_by
    became = {
        "pending": "the next commit uses it",
        "used": "" if use is None else f"used by {use.run_date}, run {use.run}",
        "void": "void: another date was committed before it could be used",
    }[standing.status]
    why = f": {override.why}" if override.why else ""
    return f"{_asked(override)}, by {override.who} {override.when:%Y-%m-%d}{why} ({became})"


def _hint(hint: Hint | None) -> str:
    return "none" if hint is None else f"agrees: {_named(hint)}"


def _print_rebuilt(done: Rebuilt) -> None:
    same = done.before == done.after
    text.print_pairs(
        [
            ("state", done.key),
            ("dates", f"{done.dates:,} read"),
            (
                "before",
                "none, or none that can be read" if done.before is None else _of(done.before),
            ),
            ("now", "none: nothing is committed" if done.after is None else _of(done.after)),
            ("changed", "nothing" if same else ", ".join(_changes(done)) or "it was written"),
        ]
    )


def _changes(done: Rebuilt) -> list[str]:
    if done.before is None or done.after is None:
        return []
    pairs = zip(_fields(done.before), _fields(done.after), strict=True)
    return [f"{name} {old} -> {new}" for (name, old), (_, new) in pairs if old != new]


def _fields(hint: Hint) -> list[tuple[str, str]]:
    high = None if hint.watermark is None else hint.watermark.high
    return [
        ("date", str(hint.run_date)),
        ("generation", str(hint.generation)),
        ("epoch", str(hint.epoch)),
        ("run", hint.run),
        ("watermark", high or "none"),
    ]


def _named(hint: Hint) -> str:
    return f"{hint.run_date}, generation {hint.generation}"


def _of(hint: Hint) -> str:
    high = None if hint.watermark is None else hint.watermark.high
    return f"{_named(hint)}, run {hint.run}" + (f", up to {high}" if high else "")
