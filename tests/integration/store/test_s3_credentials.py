"""Who signs: every source of credentials on the wire, and their renewal."""

from __future__ import annotations

import builtins
import hashlib
import io
import json
import socket
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from botocore.tokens import SSOTokenProvider

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.loading.expand import Expanded
from bronze_engine.config.units import Secret
from bronze_engine.errors import AuthError, ConfigError
from bronze_engine.limits.transient import Transient
from tests.integration.store.aws_server import (
    Aws,
    aws_server,
    client_of,
    home,
    sts_fault,
)
from tests.integration.store.s3_opened import config_of, opened

__all__ = ["home"]

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("home")]

KEYS: dict[str, Any] = {"access_key_id": "OWN", "secret_access_key": Secret("own-secret")}
ROLE = "arn:aws:iam::123456789012:role/lander"


async def signer(aws: Aws, **fields: Any) -> str:
    """The access key that one request is signed with."""
    async with client_of(aws.url, **fields) as client:
        await client.get_object(Bucket="lake", Key="a")
    return aws.objects[-1].key


@pytest.mark.asyncio
async def test_the_stores_own_keys_sign() -> None:
    async with aws_server() as aws:
        assert await signer(aws, **KEYS, session_token=Secret("the-token")) == "OWN"
        assert await signer(aws, **KEYS) == "OWN"
        assert [each.token for each in aws.objects] == ["the-token", None]
        assert aws.credentials == []


@pytest.mark.asyncio
async def test_a_profile_is_found_in_either_file_and_wins_over_variables(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n"
        "[other]\naws_access_key_id = OTHER\naws_secret_access_key = s\n"
    )
    (home / ".aws/config").write_text(
        "[profile third]\naws_access_key_id = THIRD\naws_secret_access_key = s\n"
        "region = eu-west-3\n"
    )
    async with aws_server() as aws:
        assert await signer(aws) == "DEFAULT"
        assert aws.objects[-1].region == "us-east-1"
        assert await signer(aws, profile="third") == "THIRD"
        assert aws.objects[-1].region == "eu-west-3"
        assert await signer(aws, profile="third", region="eu-west-1") == "THIRD"
        assert aws.objects[-1].region == "eu-west-1"
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "VARIABLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        assert await signer(aws, profile="other") == "OTHER"


@pytest.mark.asyncio
async def test_a_role_is_assumed_with_the_keys_of_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
        assert await signer(aws, **KEYS, role_arn=ROLE, external_id="partner") == "GIVEN1"
        assert aws.objects[-1].token == "token-GIVEN1"
        (asked,) = aws.credentials
        assert (asked.key, asked.service, asked.region) == ("OWN", "sts", "us-east-1")
        assert asked.form["RoleArn"] == ROLE
        assert asked.form["ExternalId"] == "partner"
        assert asked.form["RoleSessionName"] == "bronze-engine"
        await signer(aws, **KEYS, role_arn=ROLE)
        assert "ExternalId" not in aws.credentials[-1].form


@pytest.mark.asyncio
async def test_a_role_is_assumed_with_what_the_chain_finds(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".aws/credentials").write_text(
        "[base]\naws_access_key_id = BASE\naws_secret_access_key = s\n"
    )
    (home / ".aws/config").write_text(
        f"[profile chained]\nrole_arn = {ROLE}-first\nsource_profile = base\nregion = eu-west-3\n"
    )
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
        assert await signer(aws, profile="chained", role_arn=ROLE) == "GIVEN2"
        first, second = aws.credentials
        assert (first.key, first.form["RoleArn"]) == ("BASE", f"{ROLE}-first")
        assert (second.key, second.form["RoleArn"]) == ("GIVEN1", ROLE)
        assert second.region == "eu-west-3"


@pytest.mark.asyncio
async def test_a_role_is_renewed_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
        aws.lifetime = timedelta(minutes=5)  # botocore renews from ten minutes before the end
        async with client_of(aws.url, **KEYS, role_arn=ROLE) as client:
            await client.get_object(Bucket="lake", Key="a")
            aws.lifetime = timedelta(hours=1)
            for _ in range(3):
                await client.get_object(Bucket="lake", Key="a")
        assert [each.key for each in aws.objects] == ["GIVEN1", "GIVEN2", "GIVEN2", "GIVEN2"]


@pytest.mark.asyncio
async def test_web_identity(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "token").write_text("signed-by-kubernetes")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
        assert await signer(aws) == "GIVEN1"
        (asked,) = aws.credentials
        assert asked.form["WebIdentityToken"] == "signed-by-kubernetes"
        assert asked.key == ""  # not signed: the token is the proof


@pytest.mark.asyncio
async def test_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{aws.url}/container")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token")
        assert await signer(aws) == "GIVEN1"
        (asked,) = aws.credentials
        assert asked.seen.path == "/container"
        assert asked.seen.headers["authorization"] == "container-token"


@pytest.mark.asyncio
async def test_an_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url)
        assert await signer(aws) == "GIVEN1"
        token, role, keys = aws.credentials
        assert token.seen.method == "PUT"
        assert role.seen.headers["x-aws-ec2-metadata-token"] == "imds-token"
        assert keys.seen.path.endswith("/the-role")


@pytest.mark.asyncio
async def test_metadata_that_never_answer_hold_nobody_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        began = SYSTEM_CLOCK.monotonic()
        async with client_of("http://127.0.0.1:1") as client:
            with pytest.raises(AuthError, match="no credentials were found"):
                await client.get_object(Bucket="lake", Key="a")
        assert SYSTEM_CLOCK.monotonic() - began < 5  # a second each for token and role


@pytest.mark.asyncio
async def test_a_process(home: Path) -> None:
    told = {"Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "s", "SessionToken": "t"}
    (home / "told.json").write_text(json.dumps(told))
    (home / ".aws/config").write_text(
        "[profile tool]\ncredential_process = "
        f"{sys.executable} -c 'print(open(\"{home}/told.json\").read())'\n"
    )
    async with aws_server() as aws:
        assert await signer(aws, profile="tool") == "PROCESS"


@pytest.mark.asyncio
async def test_single_sign_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".aws/config").write_text(
        "[profile person]\nsso_session = corp\nsso_account_id = 123456789012\n"
        "sso_role_name = lander\nregion = eu-west-1\n"
        "[sso-session corp]\nsso_start_url = https://corp.example/start\nsso_region = eu-west-1\n"
    )
    cache = home / "cache"
    cache.mkdir()
    monkeypatch.setattr(SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", str(cache))  # by HOME at import
    token = {"accessToken": "signed-in", "expiresAt": "2099-01-01T00:00:00Z"}
    name = hashlib.sha1(b"corp", usedforsecurity=False).hexdigest()
    (cache / f"{name}.json").write_text(json.dumps(token))
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", aws.url)
        assert await signer(aws, profile="person") == "GIVEN1"
        (asked,) = aws.credentials
        assert asked.seen.query == {"role_name": "lander", "account_id": "123456789012"}
        assert asked.seen.headers["x-amz-sso_bearer_token"] == "signed-in"


@pytest.mark.asyncio
async def test_without_any_the_error_says_what_was_looked_at() -> None:
    async with aws_server() as aws:
        async with client_of(aws.url, name="lake") as client:
            with pytest.raises(AuthError) as failed:
                await client.get_object(Bucket="lake", Key="a")
        assert aws.signed == []
    said = failed.value.message
    assert said.startswith("stores.lake: no credentials were found.")
    assert 'the profile "default" of ~/.aws/config and ~/.aws/credentials' in said
    for name in ("access_key_id", "AWS_ACCESS_KEY_ID", "AWS_EC2_METADATA_DISABLED", "Set AWS_"):
        assert name in said


@pytest.mark.asyncio
async def test_a_profile_that_is_not_there_is_the_configurations_fault() -> None:
    with pytest.raises(ConfigError, match=r"stores\.lake: The config profile \(absent\)"):
        async with client_of("http://127.0.0.1:1", name="lake", profile="absent"):
            pass


@pytest.mark.asyncio
async def test_half_a_key_in_a_profile_is_an_auth_error(home: Path) -> None:
    (home / ".aws/credentials").write_text("[default]\naws_access_key_id = HALF\n")
    async with aws_server() as aws, client_of(aws.url) as client:
        with pytest.raises(AuthError, match="aws_secret_access_key"):
            await client.get_object(Bucket="lake", Key="a")


@pytest.mark.asyncio
async def test_a_process_that_fails_does_not_tell_what_it_printed(home: Path) -> None:
    (home / ".aws/config").write_text(
        f"[default]\ncredential_process = {sys.executable} -c 'import sys; sys.exit(\"canary\")'\n"
    )
    async with aws_server() as aws, client_of(aws.url) as client:
        with pytest.raises(AuthError, match="custom-process failed") as failed:
            await client.get_object(Bucket="lake", Key="a")
    assert "canary" not in failed.value.message


@pytest.mark.asyncio
async def test_expired_at_the_server_a_role_is_assumed_once_for_all_who_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
        async with client_of(aws.url, **KEYS, role_arn=ROLE) as client:
            await client.get_object(Bucket="lake", Key="a")
            aws.expired = {"GIVEN1"}
            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(lambda: client.get_object(Bucket="lake", Key="a"))
            aws.expired = {"GIVEN1", "GIVEN2"}
            await client.head_object(Bucket="lake", Key="a")
        assert aws.given == 3
        assert [each.key for each in aws.objects].count("GIVEN1") == 9
        assert aws.objects[-1].key == "GIVEN3"


@pytest.mark.asyncio
async def test_a_body_is_sent_again_whole_after_a_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
        aws.expired = {"GIVEN1"}
        async with client_of(aws.url, **KEYS, role_arn=ROLE) as client:
            await client.put_object(Bucket="lake", Key="a", Body=b"x" * 700_000)
        first, second = aws.objects
        assert first.seen.body == second.seen.body == b"x" * 700_000
        assert second.key == "GIVEN2"


@pytest.mark.asyncio
async def test_keys_that_were_rotated_in_their_files_are_read_again(home: Path) -> None:
    def read(name: str) -> str:
        return (home / name).read_text()

    (home / "id").write_text("NEWER")
    (home / "secret").write_text("newer-secret")
    keys = {
        "access_key_id": Expanded("OLDER", lambda: read("id")),
        "secret_access_key": Secret("older-secret", lambda: read("secret")),
    }
    async with aws_server() as aws:
        aws.expired = {"OLDER"}
        assert await signer(aws, **keys) == "NEWER"
    (home / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = BEFORE\naws_secret_access_key = s\n"
    )
    async with aws_server() as aws, client_of(aws.url) as client:
        await client.get_object(Bucket="lake", Key="a")
        (home / ".aws/credentials").write_text(
            "[default]\naws_access_key_id = AFTER\naws_secret_access_key = s\n"
        )
        aws.expired = {"BEFORE"}
        await client.get_object(Bucket="lake", Key="a")
        assert [each.key for each in aws.objects] == ["BEFORE", "BEFORE", "AFTER"]


@pytest.mark.asyncio
async def test_keys_that_nothing_renews_are_refused_once() -> None:
    async with aws_server() as aws:
        aws.expired = {"AKIATEST"}
        async with opened(config_of(aws.url, "s3://lake/bronze")) as store:
            with pytest.raises(AuthError):
                await store.get("a")
        assert len(aws.objects) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_who_gives_out_credentials_may_recover(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
        aws.refusal = sts_fault(status, "Whatever")
        async with client_of(aws.url, **KEYS, role_arn=ROLE) as client:
            with pytest.raises(Transient) as failed:
                await client.put_object(Bucket="lake", Key="a", Body=b"x")
            assert not failed.value.is_sent
            assert len(aws.credentials) == 1
            aws.refusal = None
            await client.put_object(Bucket="lake", Key="a", Body=b"x")
        assert aws.objects[-1].key == "GIVEN1"


@pytest.mark.asyncio
async def test_nobody_who_gives_out_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    async with aws_server() as aws, client_of(aws.url, **KEYS, role_arn=ROLE) as client:
        with pytest.raises(Transient) as failed:
            await client.put_object(Bucket="lake", Key="a", Body=b"x")
        assert not failed.value.is_sent


@pytest.mark.asyncio
async def test_a_role_that_may_not_be_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with aws_server() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
        aws.refusal = sts_fault(403, "AccessDenied")
        config = config_of(aws.url, "s3://lake/bronze", name="lake", role_arn=ROLE)
        async with opened(config) as store:
            with pytest.raises(AuthError, match=r"AssumeRole: AccessDenied.*check role_arn"):
                await store.get("a")
        assert len(aws.credentials) == 1


@pytest.mark.asyncio
async def test_no_file_is_read_on_the_event_loop(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".aws/config").write_text("[default]\nregion = eu-west-1\n")
    (home / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n"
    )
    opened_by: dict[str, set[str]] = {}
    original = io.open

    def recorded(file: Any, *arguments: Any, **options: Any) -> Any:
        opened_by.setdefault(str(file), set()).add(threading.current_thread().name)
        return original(file, *arguments, **options)

    monkeypatch.setattr(io, "open", recorded)
    monkeypatch.setattr(builtins, "open", recorded)
    async with aws_server() as aws:
        assert await signer(aws) == "FILE"
    read = {name: threads for name, threads in opened_by.items() if "/.aws/" in name}
    assert sorted(read) == [str(home / ".aws/config"), str(home / ".aws/credentials")]
    assert any(name.endswith("service-2.json.gz") for name in opened_by)
    for threads in opened_by.values():
        assert all(name.startswith("bronze-worker") for name in threads), opened_by
