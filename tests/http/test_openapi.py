"""The service against its own description: schemathesis asks what openapi.json allows and what it does not."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import Receive, Scope, Send

from sallyport.app import Application
from sallyport.store.work import Sql
from tests.world import Person, TurnedClock, World, bearer, client_of, service_in


def refuses_what_is_not_allowed(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """Leave out 413, which the check of schemathesis does not know as a refusal of a text that is too long."""
    return None if response.status_code == 413 else negative_data_rejection(ctx, response, case)


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
    refuses_what_is_not_allowed,
]
EXAMPLES = 8
SET_ROLES = Sql("UPDATE users SET roles = '[\"admin\"]' WHERE id = :uid")
NOBODY = "00000000-0000-7000-8000-000000000000"


class Requests:
    """The service without what runs beside it: schemathesis has an event loop of its own, and a service has one."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
            return
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})


class Stage:
    """A service and one of the four callers, who is replaced whenever a request has ended them."""

    def __init__(self, folder: Path, caller: str) -> None:
        self.caller = caller
        self._runner = asyncio.Runner()
        clock = TurnedClock()
        service = service_in(folder, clock)
        self._runner.run(service.first_start())
        self.app = Requests(Application(service))
        self.world = World(service, client_of(service), clock)
        self.made = 0
        self.person: Person | None = None
        self.secret = self.session = self.role = NOBODY

    def headers(self) -> dict[str, str]:
        """Return the headers of the caller."""
        return self._runner.run(self._headers())

    async def _headers(self) -> dict[str, str]:
        if self.caller == "nobody":
            return {}
        if self.person is None or (await self.person.call("GET", "/users/me")).status_code != 200:
            self.person = await self._newcomer()
        if self.caller == "a challenge":
            return {"authorization": f"jwt {await self.person.challenge()}"}
        secrets = (await self.person.call("GET", "/users/me/secrets")).json()
        sessions = (await self.person.call("GET", "/users/me/sessions")).json()
        self.secret = secrets[-1]["uid"] if secrets else NOBODY
        self.session = sessions[0]["uid"]
        if self.caller == "the admin" and (await self.person.call("GET", f"/roles/{self.role}")).status_code == 404:
            self.made += 1
            made = await self.person.call("POST", "/roles", {"name": f"r{self.made}x"})
            self.role = made.json()["uid"]
        return bearer(self.person.token)

    async def _newcomer(self) -> Person:
        self.made += 1
        if self.caller == "a challenge":
            return await self.world.enrolled(f"p{self.made}x")
        person = await self.world.register(f"p{self.made}x")
        if self.caller == "the admin":
            await self.world.service.work(lambda rows: rows.change(SET_ROLES, uid=person.uid))
        return person

    def close(self) -> None:
        """Close the service."""
        self._runner.run(self.world.client.aclose())
        self._runner.close()
        self.world.service.close()


BOUNDED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[Any]:
    made: list[Stage] = []

    def make(caller: str) -> Stage:
        made.append(Stage(tmp_path, caller))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


@pytest.mark.parametrize("caller", ["nobody", "a challenge", "a user", "the admin"])
def test_the_service_answers_as_it_says(make_stage: Any, caller: str) -> None:
    stage: Stage = make_stage(caller)
    schema = schemathesis.openapi.from_asgi("/openapi.json", stage.app)
    asked = 0

    def ask(case: Case[Any], uid: str | None, sid: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        nonlocal asked
        headers = stage.headers()
        if uid and "id" in case.path_parameters:
            case.path_parameters["id"] = stage.role if case.path.startswith("/roles/") and uid == "me" else uid
        if sid and "sid" in case.path_parameters:
            case.path_parameters["sid"] = stage.session if "sessions" in case.path else stage.secret
        case.call_and_validate(headers=headers, checks=CHECKS)
        asked += 1

    for found in schema.get_all_operations():
        assert not isinstance(found, Err), found
        operation = found.ok()
        modes = [GenerationMode.POSITIVE]
        if operation.body or operation.query:
            modes.append(GenerationMode.NEGATIVE)
        for mode in modes:
            drawn = given(
                case=operation.as_strategy(mode), uid=st.sampled_from(["me", NOBODY, None]), sid=st.booleans()
            )
            BOUNDED(drawn(ask))()
    assert asked > 100


def test_the_description_is_a_valid_openapi_document(make_stage: Any) -> None:
    stage: Stage = make_stage("nobody")
    document = schemathesis.openapi.from_asgi("/openapi.json", stage.app).raw_schema
    assert document["openapi"].startswith("3.1.")
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    # A reference that leads nowhere, or a schema that is none, is refused here. JSON Schema 2020-12, as 3.1 says.
    for schema in _schemas(document):
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema)
    for reference in _references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found
    known = set(document["components"]["securitySchemes"])
    assert {scheme for one in operations for choice in one["security"] for scheme in choice} <= known
    for path, methods in document["paths"].items():
        for operation in methods.values():
            declared = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert declared == {part.strip("{}") for part in path.split("/") if part.startswith("{")}
            assert all("description" in answer for answer in operation["responses"].values())


def _schemas(document: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema of the document."""
    yield from document["components"]["schemas"].values()
    for methods in document["paths"].values():
        for operation in methods.values():
            yield from (parameter["schema"] for parameter in operation["parameters"])
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                yield from (media["schema"] for media in part.get("content", {}).values())


def _references(part: Any) -> Iterator[str]:
    """Yield every reference of the document."""
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name == "$ref")
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


async def test_every_route_answers_at_the_root_and_at_v1_alike(world: World) -> None:
    document = (await world.call("GET", "/openapi.json")).json()
    assert (await world.call("GET", "/v1/openapi.json")).json() == document
    # The numbers of two scrapes differ: the second has the first in it.
    for path, methods in ((path, methods) for path, methods in document["paths"].items() if path != "/metrics"):
        for method in methods:
            full = path.replace("{id}", NOBODY).replace("{sid}", NOBODY)
            answers = [await world.call(method, prefix + full, headers={"x-request-id": "1"}) for prefix in ("", "/v1")]
            assert answers[0].status_code == answers[1].status_code < 500
            assert answers[0].content == answers[1].content
            assert answers[0].headers.multi_items() == answers[1].headers.multi_items()
            wrong = [await world.call("PATCH", prefix + full, headers={"x-request-id": "1"}) for prefix in ("", "/v1")]
            assert wrong[0].status_code == wrong[1].status_code == 405
            assert wrong[0].headers.multi_items() == wrong[1].headers.multi_items()
    for path in ("/v1", "/v1/v1/healthz", "/v2/healthz", "/v1//healthz", "//healthz", "/healthz/"):
        assert (await world.call("GET", path)).status_code == 404, path
