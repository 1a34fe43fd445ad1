"""What drivers report has its code, by status and SQLSTATE, and shows no credential."""

from __future__ import annotations

import adbc_driver_manager as adbc
import pyarrow as pa
import pytest

from bronze_engine.config.connection import AdbcConnection
from bronze_engine.config.units import Secret
from bronze_engine.errors import AuthError, ConfigError, ExtractError, SliceLost
from bronze_engine.limits.transient import Transient
from bronze_engine.sources.adbc.faults import Faults

pytestmark = pytest.mark.unit

URI = "grpc://reader:a-real-password@db.example:1234"
OPTION = "an-option-that-is-secret"
FAULTS = Faults(
    AdbcConnection(
        name="db", driver="flightsql", uri=Secret(URI), options={"token": Secret(OPTION)}
    )
)
Status = adbc.AdbcStatusCode


def error(status: adbc.AdbcStatusCode, state: str | None = None) -> adbc.Error:
    return adbc.OperationalError(
        f"can't use {URI} with {OPTION}\nin the query: SELECT 1", status_code=status, sqlstate=state
    )


OPENING = {
    Status.UNAUTHENTICATED: AuthError,
    Status.UNAUTHORIZED: AuthError,
    Status.IO: Transient,
    Status.TIMEOUT: Transient,
    Status.INVALID_ARGUMENT: ConfigError,
    Status.NOT_IMPLEMENTED: ConfigError,
    Status.NOT_FOUND: ConfigError,
    Status.INVALID_STATE: ConfigError,
}
ASKING = {status: ExtractError if kind is ConfigError else kind for status, kind in OPENING.items()}


@pytest.mark.parametrize("status", [each for each in Status if each != Status.OK])
def test_every_status_has_its_code(status: adbc.AdbcStatusCode) -> None:
    assert type(FAULTS.of_opening(error(status))) is OPENING.get(status, ExtractError)
    assert type(FAULTS.of_asking(error(status))) is ASKING.get(status, ExtractError)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("28P01", AuthError),
        ("28000", AuthError),
        ("42501", AuthError),
        ("08006", Transient),
        ("57P01", Transient),
        ("42P01", ExtractError),
        ("\0\0\0\0\0", ExtractError),
    ],
)
def test_a_sqlstate_says_more_than_a_status(state: str, kind: type[Exception]) -> None:
    assert type(FAULTS.of_asking(error(Status.INTERNAL, state))) is kind
    assert type(FAULTS.of_opening(error(Status.INTERNAL, state))) is kind


@pytest.mark.parametrize(
    ("broken", "is_file", "kind"),
    [
        (OSError("reset"), False, SliceLost),
        (OSError("mismatch"), True, ExtractError),
        (pa.ArrowInvalid("no UTF-8"), False, ExtractError),
    ],
)
def test_a_broken_result_is_read_again_where_it_came_over_a_network(
    broken: pa.ArrowException | OSError, is_file: bool, kind: type[Exception]
) -> None:
    assert type(FAULTS.of_reading(broken, is_file=is_file)) is kind


def test_no_message_shows_a_credential_or_the_query() -> None:
    for status in (Status.IO, Status.INTERNAL, Status.INVALID_ARGUMENT, Status.UNAUTHORIZED):
        for found in (FAULTS.of_opening(error(status)), FAULTS.of_asking(error(status))):
            told = str(found)
            assert "can't use *** with ***" in told
            assert "connections.db" in told
            assert "SELECT" not in told
