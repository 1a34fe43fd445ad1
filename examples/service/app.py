"""Runs pipelines over HTTP, tells how far they are, and hands out their rows.

PIPELINES=pipelines.toml uvicorn --factory examples.service.app:from_environment \\
    --timeout-graceful-shutdown 10
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Final

import anyio
from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse

from bronze_engine import BronzeError, Config, Engine, load_config, open_engine
from bronze_engine.telemetry.redact import Redactor
from examples.service.rows import ARROW, NDJSON, RowsResponse, first_of
from examples.service.runs import Run, Runs

__all__ = ["from_environment", "service"]

_STATUS: Final = {
    "CFG001": HTTPStatus.INTERNAL_SERVER_ERROR,  # ours: nothing that a caller could mend
    "AUTH001": HTTPStatus.BAD_GATEWAY,
    "EXT001": HTTPStatus.BAD_GATEWAY,
    "PAGE001": HTTPStatus.BAD_GATEWAY,
    "STG001": HTTPStatus.SERVICE_UNAVAILABLE,
    "STATE001": HTTPStatus.CONFLICT,
    "QUAL001": HTTPStatus.UNPROCESSABLE_ENTITY,
    "RETRY001": HTTPStatus.SERVICE_UNAVAILABLE,
}


class Problem(Exception):
    """Becomes an answer of application/problem+json (RFC 9457)."""

    def __init__(self, status: HTTPStatus, detail: str, code: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code


def from_environment() -> FastAPI:
    """For uvicorn."""
    return service(load_config(os.environ["PIPELINES"]))


def service(config: Config, **options: Any) -> FastAPI:
    """The service of one configuration; `options` are those of `open_engine`."""
    runs = Runs()
    clean = Redactor(lambda: config.secrets)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_engine(config, hooks=[runs.hook], **options) as engine,
            anyio.create_task_group() as tasks,
        ):
            app.state.engine, app.state.tasks = engine, tasks
            yield
            tasks.cancel_scope.cancel()  # runs end as if they had never been, or whole

    app = FastAPI(title="bronze-engine", lifespan=lifespan)

    def engine_of(request: Request) -> Engine:
        engine: Engine = request.app.state.engine
        return engine

    def known(pipeline: str) -> str:
        if pipeline not in config.names:
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no pipeline {pipeline!r}")
        return pipeline

    def found(run_id: str) -> Run:
        try:
            return runs[run_id]
        except KeyError:
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no run {run_id!r}") from None

    def problem_of(error: BronzeError) -> dict[str, Any]:
        status = _STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
        return problem(Problem(status, error.message, error.code))

    def problem(error: Problem) -> dict[str, Any]:
        told: dict[str, Any] = {
            "type": "about:blank",
            "title": error.status.phrase,
            "status": int(error.status),
            "detail": clean(error.detail),
        }
        return told if error.code is None else {**told, "code": error.code}

    def answer_of(body: dict[str, Any]) -> Response:
        return JSONResponse(body, status_code=body["status"], media_type="application/problem+json")

    @app.exception_handler(Problem)
    async def refused(_request: Request, error: Problem) -> Response:
        return answer_of(problem(error))

    @app.exception_handler(BronzeError)
    async def failed(_request: Request, error: BronzeError) -> Response:
        return answer_of(problem_of(error))

    def told(run: Run) -> dict[str, Any]:
        error = {} if run.error is None else {"problem": problem_of(run.error)}
        return {**run.told(), **error}

    @app.post("/runs", status_code=HTTPStatus.ACCEPTED)
    async def start(
        request: Request, response: Response, pipeline: str, run_date: date
    ) -> dict[str, Any]:
        run = Run(known(pipeline), run_date)
        await runs.start(engine_of(request), request.app.state.tasks, run)
        if run.error is not None and run.error.code == "STATE001":
            raise run.error
        response.headers["Location"] = f"/runs/{run.id}"
        return told(run)

    @app.get("/runs/{run_id}")
    async def show(run_id: str) -> dict[str, Any]:
        return told(found(run_id))

    @app.delete("/runs/{run_id}")
    async def cancel(run_id: str) -> dict[str, Any]:
        run = found(run_id)
        run.scope.cancel()
        await run.is_over.wait()
        return told(run)

    @app.get("/pipelines/{name}/rows", response_class=Response)
    async def rows(
        request: Request, name: str, run_date: date, accept: Annotated[str, Header()] = NDJSON
    ) -> Response:
        stream = engine_of(request).batches(known(name), run_date=run_date)
        await stream.__aenter__()
        try:
            # What fails before the first batch still has a status of its own.
            first = await first_of(stream, request.receive)
        except BaseException:
            await stream.aclose()
            raise
        return RowsResponse(stream, first, ARROW if accept == ARROW else NDJSON)

    @app.get("/health")
    async def health(request: Request) -> dict[str, Any]:
        statistics = engine_of(request).statistics()
        return {
            "running": statistics.running,
            "waiting": statistics.waiting,
            "reserved_bytes": statistics.reserved_bytes,
            "open_breakers": [
                group.group for group in statistics.limit_groups if group.breaker != "closed"
            ],
        }

    return app
