"""Every auth by the command line: what it tells, what it never tells, and whom it shares with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from tests.integration.auth.token_server import TokenServer
from tests.integration.cli.command import DATE, PIPELINE, Bronze, Ran, in_background, shop, start
from tests.integration.cli.command import url_of as base_url
from tests.integration.cli.test_secrets import silent
from tests.integration.http_server import Handler, Seen, Server, answer
from tests.integration.moto import Moto
from tests.issuer import CLIENT, Issuer

pytestmark = pytest.mark.integration

RUN = ("run", PIPELINE, "--date", DATE)
TOKENS = "../tokens-of-{folder}.json"
PEM = "-----BEGIN PRIVATE KEY-----"

AUTHS = {
    "client credentials": '{type="oauth2_client_credentials", token_url="{url}/token", '
    'client_id="client", client_secret="canary-client", params={x="canary-field"}}',
    "in the header": '{type="oauth2_client_credentials", token_url="{url}/token", '
    'client_id="client", client_secret="canary/client 2", credentials_in="header"}',
    "refresh token": '{type="oauth2_refresh_token", token_url="{url}/token", client_id="client", '
    'client_secret="canary-client", refresh_token="canary-seed", token_store="{tokens}"}',
    "jwt": '{type="jwt_bearer", token_url="{url}/token", algorithm="HS256", '
    'private_key="canary-jwt-key-of-at-least-32-bytes", issuer="me"}',
    "login": '{type="login", path="/login", token_path="access_token", '
    'json={user="canary-user", deep=[{pin="canary-pin"}]}}',
    "hmac": '{type="hmac", key="canary-public", secret="canary-hmac", sign="{body}", '
    'headers={X-Key="{key}", X-Sign="{signature}"}, params={k="{key}"}}',
    "sigv4": '{type="sigv4", service="es", region="eu-west-1", access_key_id="AKID", '
    'secret_access_key="canary-aws", session_token="canary-session"}',
}
BY_TOKEN = ("client credentials", "in the header", "refresh token", "jwt", "login")


def option(server: Server, bronze: Bronze, auth: str) -> list[str]:
    text = AUTHS[auth].replace("{url}", server.url).replace("{tokens}", tokens(bronze))
    return [*base_url(server), "--set", f"apis.shop.auth={text}"]


def tokens(bronze: Bronze) -> str:
    return TOKENS.format(folder=bronze.folder.name)


@pytest.fixture(autouse=True)
def no_tokens_left(bronze: Bronze) -> Iterator[None]:
    yield
    for each in bronze.folder.parent.glob(f"tokens-of-{bronze.folder.name}.json*"):
        each.unlink()


def giving(pages: int = 2, *, status: int = 200, says: bool = True) -> Handler:
    """An API that gives out canaries for tokens, and repeats what it is sent where it refuses."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        said = {"error": f"you sent {seen.raw.decode()}", "error_description": seen.raw.decode()}
        if seen.path in ("/token", "/login"):
            if not says:
                return answer(said, status=400)
            fresh = {"access_token": "canary-access", "refresh_token": "canary-refresh"}
            return answer({**fresh, "expires_in": 3600})
        if status != 200:
            return answer({"message": said["error"]}, status=status)
        page = int(seen.query.get("page", "1"))
        return answer([{"id": page}] if page <= pages else [])

    return handle


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize(("status", "code"), [(200, 0), (401, 3), (403, 3), (400, 4), (500, 9)])
def test_no_secret_and_no_token_in_what_a_run_leaves(
    status: int, code: int, auth: str, bronze: Bronze
) -> None:
    shop(bronze.folder)
    with in_background(giving(status=status)) as server:
        ran = bronze(*RUN, "-v", *option(server, bronze, auth))
        as_json = bronze(*RUN, "-v", "--json-log", "--json", *option(server, bronze, auth))
        sent = b"".join(seen.raw for seen in server.seen).decode()
    assert (ran.status, as_json.status) == (code, code), ran.err
    silent(ran, bronze.folder)
    silent(as_json, bronze.folder)
    if auth in BY_TOKEN:
        assert "Bearer canary-access" in sent


@pytest.mark.parametrize("auth", BY_TOKEN)
def test_a_token_that_a_run_has_met_is_masked_wherever_it_turns_up(
    auth: str, bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("it was sent with Bearer canary-access")

    monkeypatch.setattr("bronze_engine.run.steps.compose_manifest", broken)
    shop(bronze.folder)
    with in_background(giving()) as server:
        ran = bronze(*RUN, "-v", *option(server, bronze, auth))
    assert ran.status == 70
    assert "it was sent with Bearer ***" in ran.err
    silent(ran, bronze.folder)


@pytest.mark.parametrize("auth", BY_TOKEN)
@pytest.mark.parametrize("command", [RUN, ("check",), ("test-connection", "shop")])
def test_a_refused_token_is_auth001_and_repeats_nothing(
    command: tuple[str, ...], auth: str, bronze: Bronze
) -> None:
    shop(bronze.folder)
    with in_background(giving(says=False)) as server:
        ran = bronze(*command, *option(server, bronze, auth))
        assert [seen.path for seen in server.seen] in (["/token"], ["/login"])
    assert ran.status == 3
    assert "AUTH001" in ran.out + ran.err
    assert "[apis.shop.auth]" in ran.out + ran.err
    assert "refused with 400" in ran.out + ran.err
    silent(ran, bronze.folder)


@pytest.mark.parametrize("auth", AUTHS)
def test_a_connection_is_tried_out_with_each_auth(auth: str, bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(giving()) as server:
        ran = bronze.well("test-connection", "shop", "--json", *option(server, bronze, auth))
    (found,) = ran.json
    details = {each["subject"]: each["detail"] for each in found["results"]}
    assert details["auth"].endswith(": let in")
    if auth in BY_TOKEN:
        assert details["token"].partition(":")[2].startswith(" found, ")
    silent(ran, bronze.folder)


def test_a_connection_tells_when_a_token_expires(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(giving()) as server:
        ran = bronze.well("test-connection", "shop", *option(server, bronze, "client credentials"))
    assert "oauth2_client_credentials: found, expires at 20" in ran.out


@pytest.mark.parametrize("command", ["plan", "list", "run --dry-run"])
def test_what_only_looks_asks_for_no_token(command: str, bronze: Bronze) -> None:
    shop(bronze.folder)
    name, *more = command.split()
    what = () if name == "list" else (PIPELINE,)
    with in_background(giving()) as server:
        ran = bronze.well(name, *what, *more, *option(server, bronze, "refresh token"))
        assert server.seen == []
    assert not (bronze.folder / tokens(bronze)).exists()
    silent(ran, bronze.folder)


def test_the_tokens_of_a_run_lie_in_their_file_alone(bronze: Bronze) -> None:
    shop(bronze.folder)
    with in_background(giving()) as server:
        bronze.well(*RUN, *option(server, bronze, "refresh token"))
    path = bronze.folder / tokens(bronze)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    record = json.loads(path.read_text())
    assert (record["refresh_token"], record["access_token"]) == ("canary-refresh", "canary-access")


def test_a_token_file_that_others_read_is_refused(bronze: Bronze) -> None:
    shop(bronze.folder)
    path = bronze.folder / tokens(bronze)
    path.write_text("{}")
    path.chmod(0o644)
    with in_background(giving()) as server:
        ran = bronze(*RUN, *option(server, bronze, "refresh token"))
        assert server.seen == []
    assert ran.status == 2
    assert "run: chmod 600" in ran.err


# Processes that share a rotating token


CONFIG = """
[apis.shop.auth]
type = "oauth2_refresh_token"
token_url = "{url}/token"
client_id = "{client}"
client_secret = "{secret}"
refresh_token = "seed"
token_store = "{tokens}"
"""


def shared(bronze: Bronze, server: Server, token_store: str, more: str = "") -> None:
    text = CONFIG.format(url=server.url, client=CLIENT[0], secret=CLIENT[1], tokens=token_store)
    for name in ("a", "b", "c"):
        text += f'\n[pipelines.team.{name}]\nextends = "team.orders"\nentity = "{name}"\n'
    shop(bronze.folder, text + more)


def process(server: Server, name: str) -> tuple[str, ...]:
    return ("-m", "bronze_engine", "run", f"team.{name}", "--date", DATE, *base_url(server))


def test_processes_that_share_a_token_store_use_no_refresh_token_twice(bronze: Bronze) -> None:
    issuer = Issuer(SYSTEM_CLOCK)
    handler = TokenServer(issuer, pages=3)
    asked: list[int] = []

    def revoke(page: int) -> None:  # under all of them, once: a request is not refused twice
        if page == 2 and not asked:
            asked.append(page)
            issuer.revoke_access()

    handler.on_page = revoke
    with in_background(handler) as server:
        shared(bronze, server, tokens(bronze))
        running = [start(process(server, name), bronze.folder) for name in "abc"]
        ended = [each.communicate(timeout=60) for each in running]
    assert [each.returncode for each in running] == [0, 0, 0], ended
    assert not issuer.is_revoked
    assert len(issuer.forms) == len(issuer.granted) <= 3
    assert all("access-" not in err + out and "refresh-" not in err + out for out, err in ended)


def test_a_process_killed_in_the_middle_of_an_exchange_does_not_stop_the_next(
    bronze: Bronze,
) -> None:
    """Its claim is void, for it is gone; the server had not answered, so its token is good."""
    issuer = Issuer(SYSTEM_CLOCK)
    handler = TokenServer(issuer)
    is_hanging = True

    async def hang(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        if seen.path == "/token" and is_hanging:
            await asyncio.Event().wait()
        return await handler(seen, writer)

    with in_background(hang) as server:
        shared(bronze, server, tokens(bronze))
        kill(bronze, server, lambda: bool(server.seen))
        assert json.loads((bronze.folder / tokens(bronze)).read_text())["claim"] is not None
        is_hanging = False
        began = time.monotonic()
        bronze.well("run", "team.b", "--date", DATE, *base_url(server))
        assert time.monotonic() - began < 60
    assert issuer.granted == ["access-1"]


def test_a_process_killed_at_the_first_use_leaves_its_tokens_to_the_next(bronze: Bronze) -> None:
    issuer = Issuer(SYSTEM_CLOCK)
    handler = TokenServer(issuer)
    is_hanging = True

    async def hang(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        if seen.path == "/x" and is_hanging:
            await asyncio.Event().wait()
        return await handler(seen, writer)

    with in_background(hang) as server:
        shared(bronze, server, tokens(bronze))
        kill(bronze, server, lambda: any(seen.path == "/x" for seen in server.seen))
        is_hanging = False
        bronze.well("run", "team.b", "--date", DATE, *base_url(server))
    assert issuer.granted == ["access-1"]
    assert not issuer.is_revoked


def kill(bronze: Bronze, server: Server, is_there: Callable[[], bool]) -> None:
    """Run a pipeline in a process of its own, and kill it when it is there."""
    running = start(process(server, "a"), bronze.folder)
    try:
        deadline = time.monotonic() + 60
        while not is_there():
            assert time.monotonic() < deadline
            time.sleep(0.05)  # noqa: TID251  # another process is on its way
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()


def test_tokens_may_lie_in_a_store_of_their_own(bronze: Bronze) -> None:
    issuer = Issuer(SYSTEM_CLOCK)
    with in_background(TokenServer(issuer)) as server:
        shared(bronze, server, "safe", '[stores.safe]\npath = "safe"\n[stores.lake]\npath="lake"\n')
        for name in "ab":
            bronze.well("run", f"team.{name}", "--date", DATE, *base_url(server))
    record = json.loads((bronze.folder / "safe/shop.json").read_text())
    assert record["access_token"] == "access-1"
    assert stat.S_IMODE((bronze.folder / "safe/shop.json").stat().st_mode) == 0o600


def test_tokens_may_lie_in_an_object_store_of_their_own(bronze: Bronze, moto: Moto) -> None:
    issuer = Issuer(SYSTEM_CLOCK)
    safe = (
        f'[stores.safe]\ntype = "s3"\nurl = "s3://{moto.bucket()}/tokens"\nsingle_writer = true\n'
        f'endpoint_url = "{moto.url}"\naddressing_style = "path"\n'
        'access_key_id = "me"\nsecret_access_key = "canary-of-the-store"\n'
        '[stores.lake]\npath = "lake"\n'
    )
    with in_background(TokenServer(issuer)) as server:
        shared(bronze, server, "safe", safe)
        bronze.well("test-connection", "shop", *base_url(server))
        for name in "ab":
            ran = bronze.well("run", f"team.{name}", "--date", DATE, *base_url(server))
            silent(ran, bronze.folder)
        assert issuer.granted == ["access-1"]
        issuer.revoke_access()
        bronze.well("run", "team.c", "--date", DATE, *base_url(server))
    assert issuer.granted == ["access-1", "access-2"]
    assert issuer.forms[1]["refresh_token"] == "refresh-1"


# Third parties

PACKAGE = '''
from urllib.parse import quote

from bronze_engine.config.auths.auth import CustomAuth
from bronze_engine.config.units import Secret
from bronze_engine.plugins import AuthResources, Credential, Exchange, TokenRequest
from bronze_engine.errors import AuthError, Conflict
from bronze_engine.model.part import Absent, StoredObject


class VaultAuth(CustomAuth, frozen=True, kw_only=True, tag="vault"):
    """A token of the vault."""

    role: str
    key: Secret


class Vault:
    config = VaultAuth

    def __init__(self, config: VaultAuth, resources: AuthResources) -> None:
        self._config = config
        self._url = f"{resources.api.base_url}/vault"

    async def credential(self, refused: Credential | None, exchange: Exchange) -> Credential:
        body = f"role={quote(self._config.role)}&key={self._config.key.reveal()}".encode()
        answer = await exchange.ask(TokenRequest(url=self._url, body=body))
        if answer.status != 200:
            raise AuthError(f"vault refused the role {self._config.role}; ask its owner")
        token = answer.body.decode()
        return Credential(headers={"X-Vault": token}, secrets=(token,))


class Keychain:
    """A token store that counts."""

    kept = {}

    async def get(self, key):
        return self.kept.get(key)

    async def put(self, key, body, *, expect):
        there = self.kept.get(key)
        if expect != (Absent() if there is None else there.version):
            raise Conflict(key)
        version = str(int(there.version) + 1) if there else "1"
        self.kept[key] = StoredObject(key=key, body=body, version=version)
        return version
'''


@pytest.fixture
def vaulted(bronze: Bronze, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution with entry points, as `pip install` would leave it."""
    site = bronze.folder.parent / f"tokens-of-{bronze.folder.name}.json.site"
    folder = site / "vaulted-1.0.dist-info"
    folder.mkdir(parents=True)
    (site / "vaulted.py").write_text(PACKAGE)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: vaulted\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[bronze_engine.auths]\nvault = vaulted:Vault\n"
        "[bronze_engine.token_stores]\nkeychain = vaulted:Keychain\n"
    )
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("vaulted", None)
    for each in sorted(site.rglob("*"), reverse=True):
        each.rmdir() if each.is_dir() else each.unlink()
    site.rmdir()


def vault(bronze: Bronze, server: Server, key: str) -> Ran:
    table = f'{{type="vault", role="reader", key="{key}"}}'
    return bronze(*RUN, "-v", "--set", f"apis.shop.auth={table}", *base_url(server))


@pytest.mark.usefixtures("vaulted")
def test_an_auth_of_a_third_party_runs_as_every_other(bronze: Bronze) -> None:
    shop(bronze.folder)
    count = 0

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        nonlocal count
        if seen.path == "/vault":
            form = dict(parse_qsl(seen.body.decode()))
            assert form["role"] == "reader"
            if form["key"] != "canary-key":
                return answer(body=b"no", status=403)
            count += 1
            return answer(body=f"canary-vault-{count}".encode())
        if seen.headers.get("x-vault") != "canary-vault-2":  # the first is refused
            return answer({"message": seen.raw.decode()}, status=401)
        page = int(seen.query.get("page", "1"))
        return answer([{"id": page}] if page <= 2 else [])

    with in_background(handle) as server:
        ran = vault(bronze, server, "canary-key")
        assert ran.status == 0, ran.err
        assert count == 2
        silent(ran, bronze.folder)
        refused = vault(bronze, server, "canary-other")
    assert refused.status == 3
    assert "AUTH001" in refused.err
    assert "vault refused the role reader; ask its owner" in refused.err
    silent(refused, bronze.folder)


def test_a_token_store_of_a_third_party_keeps_the_tokens(bronze: Bronze, vaulted: Path) -> None:
    issuer = Issuer(SYSTEM_CLOCK)
    assert vaulted.exists()
    with in_background(TokenServer(issuer)) as server:
        shared(bronze, server, "keychain")
        for name in "ab":
            bronze.well("run", f"team.{name}", "--date", DATE, *base_url(server))
    assert issuer.granted == ["access-1"]
    assert list(sys.modules["vaulted"].Keychain.kept) == ["shop.json"]
