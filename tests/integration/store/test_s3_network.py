"""Where requests to S3 go, through what, and whom they trust: each setting on the wire."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from botocore.exceptions import ProxyConnectionError

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import CircuitBreaker, Retry, Timeout
from bronze_engine.config.units import Duration, Secret
from bronze_engine.errors import ConfigError, RetryError, StoreError
from bronze_engine.workers import Workers
from tests.integration.connect_proxy import connect_proxy
from tests.integration.http_server import Seen, Server, answer, serve
from tests.integration.store.aws_server import Signed, aws_server, client_of, home
from tests.integration.store.s3_opened import config_of, opened

__all__ = ["home"]

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("home")]

KEYS: dict[str, Any] = {"access_key_id": "OWN", "secret_access_key": Secret("own-secret")}
LAKE = "s3://lake/bronze"


@asynccontextmanager
async def recording(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Has every object, also when it is asked as a proxy."""

    async def handle(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return answer(body=b"", headers={"ETag": '"e"'})

    async with serve(handle, tls) as server:
        yield server


async def get(url: str | None, **fields: Any) -> None:
    async with client_of(url, **{**KEYS, **fields}) as client:
        await client.get_object(Bucket="lake", Key="a b/ü")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("style", "target"),
    [
        ("path", "http://s3.example.test/lake/a%20b/%C3%BC"),
        ("virtual", "http://lake.s3.example.test/a%20b/%C3%BC"),
        ("auto", "http://s3.example.test/lake/a%20b/%C3%BC"),  # `virtual` only at Amazon
    ],
)
async def test_addressing_styles(style: str, target: str) -> None:
    async with recording() as proxy:
        await get("http://s3.example.test", addressing_style=style, proxy=proxy.url)
    assert [seen.target for seen in proxy.seen] == [target]


@pytest.mark.asyncio
async def test_an_address_has_no_bucket_in_front_whatever_the_style() -> None:
    async with recording() as server:
        await get(server.url)
    assert [seen.target for seen in server.seen] == ["/lake/a%20b/%C3%BC"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("region", "netloc"),
    [(None, "lake.s3.amazonaws.com:443"), ("eu-west-3", "lake.s3.eu-west-3.amazonaws.com:443")],
)
async def test_without_an_endpoint_the_region_says_where(region: str | None, netloc: str) -> None:
    async with recording() as proxy:
        proxy.handler = _refuse
        with pytest.raises(ProxyConnectionError):
            await get(None, region=region, proxy=proxy.url)
    assert [seen.target for seen in proxy.seen] == [netloc]


async def _refuse(_: Seen, __: asyncio.StreamWriter) -> bytes:
    return answer(body=b"", status=403)


@pytest.mark.asyncio
async def test_a_bucket_is_followed_to_its_region_once(authority: trustme.CA, ca_file: str) -> None:
    async def elsewhere(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if Signed(seen).region == "eu-west-3":
            return answer(body=seen.body, headers={"ETag": '"e"'})
        body = b"<Error><Code>PermanentRedirect</Code></Error>"
        return answer(body=body, status=301, headers={"x-amz-bucket-region": "eu-west-3"})

    hosts = "lake.s3.amazonaws.com", "lake.s3.eu-west-3.amazonaws.com"
    async with (
        serve(elsewhere, server_tls(authority, *hosts)) as server,
        connect_proxy(to=server.port) as proxy,
        client_of(None, **KEYS, ca_file=ca_file, proxy=f"http://{proxy.netloc}") as client,
    ):
        for _ in range(2):
            found = await client.get_object(Bucket="lake", Key="a")
            await found["Body"].read()
        assert [seen.headers["host"] for seen in server.seen] == [hosts[0], hosts[1], hosts[1]]


@pytest.mark.asyncio
async def test_the_region_signs() -> None:
    async with recording() as server:
        await get(server.url)
        await get(server.url, region="eu-central-1")
    assert [Signed(seen).region for seen in server.seen] == ["us-east-1", "eu-central-1"]


@pytest.mark.asyncio
async def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with recording() as server, connect_proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.netloc)
        await get(server.url, proxy="env")
        assert len(proxy.asked) == 1
        await get(server.url, proxy="none")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        await get(server.url, proxy="env")
        assert len(proxy.asked) == 1
    assert len(server.seen) == 3


@pytest.mark.asyncio
async def test_a_proxy_with_a_password_carries_tls(authority: trustme.CA, ca_file: str) -> None:
    async with (
        recording(server_tls(authority)) as server,
        connect_proxy("me:pass%word") as proxy,
    ):
        url = f"http://me:pass%25word@{proxy.netloc}"
        await get(server.url, proxy=url, ca_file=ca_file)
        assert proxy.asked == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]
        assert "proxy-authorization" not in server.seen[0].headers


@pytest.mark.asyncio
async def test_a_proxys_password_that_is_wrong_is_refused_once_and_not_told() -> None:
    async with connect_proxy("me:right") as proxy:
        config = config_of(
            "https://127.0.0.1:1", LAKE, proxy=f"http://me:canary-wrong@{proxy.netloc}"
        )
        async with opened(config) as store:
            with pytest.raises(StoreError, match="407") as failed:
                await store.get("a")
        assert proxy.asked == []
        assert len(proxy.refused) == 1
    exc: BaseException | None = failed.value
    while exc is not None:
        assert "canary" not in f"{exc} {exc!r}"
        exc = exc.__cause__ or exc.__context__


@pytest.mark.asyncio
async def test_netrc_is_no_credential_of_ours(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".netrc").write_text("machine 127.0.0.1 login canary password canary\n")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(home / ".netrc"))
    async with recording() as server:
        await get(server.url, proxy="env")
    assert server.seen[0].headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=OWN/")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


def server_tls(
    authority: trustme.CA, *hosts: str, clients: trustme.CA | None = None
) -> ssl.SSLContext:
    """`clients` is the authority that must have signed the client's certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*(hosts or ("127.0.0.1",))).configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["127.0.0.1", "elsewhere.example"])
async def test_a_certificate_that_is_not_trusted_is_refused_at_once(
    authority: trustme.CA, ca_file: str, host: str
) -> None:
    fields = {} if host == "127.0.0.1" else {"ca_file": ca_file}
    async with (
        recording(server_tls(authority, host)) as server,
        opened(config_of(server.url, LAKE, **fields)) as store,
    ):
        with pytest.raises(StoreError, match="ca_file"):
            await store.get("a")
    assert server.seen == []
    assert server.connections <= 1


@pytest.mark.asyncio
async def test_an_authority_of_ones_own_is_trusted(authority: trustme.CA, ca_file: str) -> None:
    async with recording(server_tls(authority)) as server:
        await get(server.url, ca_file=ca_file)
    assert len(server.seen) == 1


@pytest.mark.asyncio
async def test_insecure_trusts_whoever_is_there(authority: trustme.CA) -> None:
    async with recording(server_tls(authority, "elsewhere.example")) as server:
        await get(server.url, insecure=True)
    assert len(server.seen) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("is_one_file", [True, False])
async def test_a_client_certificate_is_shown_to_the_store(
    authority: trustme.CA, ca_file: str, tmp_path: Path, is_one_file: bool
) -> None:
    fields = client_certificate(authority, tmp_path, is_one_file=is_one_file)
    async with recording(server_tls(authority, clients=authority)) as server:
        await get(server.url, ca_file=ca_file, **fields)
    assert len(server.seen) == 1


@pytest.mark.asyncio
async def test_a_client_certificate_that_is_missed_is_named(
    authority: trustme.CA, ca_file: str
) -> None:
    # asyncio's own servers drop the connection without the alert that says why.
    context = server_tls(authority, clients=authority)

    def refuse(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        secured = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with suppress(ssl.SSLError):
            secured.do_handshake()
        with socket.socket(fileno=secured.detach()) as plain:
            plain.shutdown(socket.SHUT_WR)
            while plain.recv(1 << 16):  # else a reset would overtake the alert
                pass

    with Workers(1) as workers, socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(workers.run, refuse, listening)
            async with opened(config_of(url, LAKE, ca_file=ca_file)) as store:
                with pytest.raises(StoreError, match="client_cert"):
                    await store.get("a")


@pytest.mark.asyncio
async def test_a_client_certificate_is_not_shown_to_who_gives_out_credentials(
    authority: trustme.CA, ca_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[object] = []
    context = server_tls(authority, clients=authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    async with aws_server(context) as aws:
        original = aws.server.handler

        async def look(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
            shown.append(writer.get_extra_info("peercert"))
            return await original(seen, writer)

        aws.server.handler = look
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
        fields = client_certificate(authority, tmp_path, is_one_file=True)
        await get(aws.url, ca_file=ca_file, role_arn="arn:aws:iam::123456789012:role/r", **fields)
    of_sts, of_s3 = shown
    assert not of_sts
    assert of_s3


def client_certificate(authority: trustme.CA, folder: Path, *, is_one_file: bool) -> dict[str, str]:
    issued = authority.issue_cert("me@example.com")
    both, cert, key = (str(folder / name) for name in ("both.pem", "cert.pem", "key.pem"))
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    return {"client_cert": both} if is_one_file else {"client_cert": cert, "client_key": key}


@pytest.mark.asyncio
@pytest.mark.parametrize("field", ["ca_file", "client_cert"])
async def test_a_certificate_file_that_is_none(tmp_path: Path, field: str) -> None:
    with pytest.raises(ConfigError, match=rf"stores\.lake\.{field} can't be loaded"):
        await get("https://127.0.0.1:1", name="lake", **{field: str(tmp_path / "absent.pem")})


@pytest.mark.asyncio
async def test_a_body_is_signed_unless_nobody_could_change_it(
    authority: trustme.CA, ca_file: str
) -> None:
    signed: list[str] = []

    async def put(url: str, **fields: Any) -> None:
        async with client_of(url, **{**KEYS, **fields}) as client:
            await client.put_object(Bucket="lake", Key="a", Body=b"body")

    async with recording() as plain, recording(server_tls(authority)) as secure:
        await put("http://minio.internal:9000", proxy=plain.url)
        await put(plain.url)
        await put(secure.url, ca_file=ca_file)
        signed = [seen.headers["x-amz-content-sha256"] for seen in [*plain.seen, *secure.seen]]
    unsigned = "UNSIGNED-PAYLOAD"
    assert signed == [hashlib.sha256(b"body").hexdigest(), unsigned, unsigned]


@pytest.mark.asyncio
async def test_no_more_requests_at_once_than_concurrency_allows() -> None:
    at_once = highest = 0
    arrived = asyncio.Event()
    go_on = asyncio.Event()

    async def hold(_: Seen, __: asyncio.StreamWriter) -> bytes:
        nonlocal at_once, highest
        at_once += 1
        highest = max(highest, at_once)
        if at_once == 3:
            arrived.set()
        await go_on.wait()
        at_once -= 1
        return answer(body=b"", headers={"ETag": '"e"'})

    async with serve(hold) as server:
        async with (
            opened(config_of(server.url, LAKE, concurrency=3)) as store,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(9):
                tasks.start_soon(store.get, "a")
            await arrived.wait()
            go_on.set()
        assert len(server.seen) == 9
    assert highest == 3


@pytest.mark.asyncio
async def test_as_many_attempts_as_retry_says_and_none_by_the_client() -> None:
    async with recording() as server:
        server.handler = _fail
        for attempts in (1, 4):
            server.seen.clear()
            retry = Retry(attempts=attempts, backoff=Duration(0.001))
            breaker = CircuitBreaker(failures=100)
            config = config_of(server.url, LAKE, retry=retry, circuit_breaker=breaker)
            async with opened(config) as store:
                with pytest.raises(RetryError):
                    await store.get("a")
            assert len(server.seen) == attempts


async def _fail(_: Seen, __: asyncio.StreamWriter) -> bytes:
    return answer(body=b"", status=500)


@pytest.mark.asyncio
async def test_the_breaker_opens_after_as_many_failures_as_it_is_told() -> None:
    arrived: list[float] = []

    async def fail(_: Seen, __: asyncio.StreamWriter) -> bytes:
        arrived.append(SYSTEM_CLOCK.monotonic())
        return answer(body=b"", status=500)

    async with serve(fail) as server:
        config = config_of(
            server.url,
            LAKE,
            retry=Retry(attempts=4, backoff=Duration(0.11)),  # failures count once in 100 ms
            circuit_breaker=CircuitBreaker(failures=2, cooldown=Duration(1.5)),
        )
        async with opened(config) as store:
            with pytest.raises(RetryError):
                await store.get("a")
    waits = [later - earlier for earlier, later in itertools.pairwise(arrived)]
    assert [wait > 1.4 for wait in waits] == [False, True, True]


@pytest.mark.asyncio
async def test_a_handshake_that_never_ends_is_a_connection_that_was_not_made() -> None:
    timeout = Timeout(connect=Duration(0.05))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # the kernel accepts; nobody reads
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        config = config_of(url, LAKE, timeout=timeout, retry=Retry(attempts=1))
        async with opened(config) as store:
            with pytest.raises(RetryError) as failed:
                await store.get("a")
    assert not _is_sent(failed.value)


@pytest.mark.asyncio
async def test_silence_ends_with_timeout_read() -> None:
    async def silent(_: Seen, writer: asyncio.StreamWriter) -> bytes:
        await writer.wait_closed()
        return b""

    async with serve(silent) as server:
        timeout = Timeout(read=Duration(0.05))
        config = config_of(server.url, LAKE, timeout=timeout, retry=Retry(attempts=1))
        async with opened(config) as store:
            with pytest.raises(RetryError) as failed:
                await store.get("a")
    assert _is_sent(failed.value)


@pytest.mark.asyncio
async def test_a_trickle_ends_with_timeout_total() -> None:
    async def trickle(_: Seen, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await anyio.lowlevel.checkpoint()
        return b""

    async with serve(trickle) as server:
        timeout = Timeout(read=Duration(5), total=Duration(0.2))
        config = config_of(server.url, LAKE, timeout=timeout, retry=Retry(attempts=1))
        async with opened(config) as store:
            with pytest.raises(RetryError) as failed:
                await store.get("a")
    assert _is_sent(failed.value)


def _is_sent(exc: RetryError) -> bool:
    return bool(getattr(exc.__cause__, "is_sent", None))
