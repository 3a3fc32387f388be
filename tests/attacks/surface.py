"""Every door of the service, taken from the declarations that make it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from sallyport.edge.endpoint import Endpoint, Who
from tests.world import Person, TurnedClock, World, client_of, service_in

BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/users"): {"name": "another"},
    ("PUT", "/users/{id}"): {"version": 0, "firstName": "X"},
    ("POST", "/users/{id}/secrets"): {"type": "mfa"},
    ("PUT", "/users/{id}/secrets/{sid}"): {"version": 1, "description": "X"},
    ("PUT", "/users/{id}/secrets/{sid}/enroll"): {"token": "123456"},
    ("POST", "/users/recover"): {"identifier": "victim"},
    ("POST", "/users/{id}/recover"): {"token": "spx_" + "A" * 43, "password": "a horse that nobody has seen"},
    ("POST", "/users/{id}/verify"): {"token": "spv_" + "A" * 43},
    ("POST", "/users/{id}/not-me"): {"token": "spu_" + "A" * 43},
    ("POST", "/users/{id}/undo"): {"token": "spu_" + "A" * 43, "password": "x"},
    ("POST", "/auth/introspect"): {"token": "x"},
    ("DELETE", "/users/{id}/mfa"): {"reason": "lost"},
    ("POST", "/users/{id}/recover/mfa"): {"password": "x", "token": "spm_" + "A" * 43, "code": "x"},
    ("POST", "/users/{id}/recover/mfa/cancel"): {"token": "spu_" + "A" * 43},
    ("POST", "/auth/elevate"): {"password": "x", "token": "123456"},
    ("POST", "/roles"): {"name": "another"},
    ("PUT", "/roles/{id}"): {"version": 0, "description": "X"},
}
"""A body that each route would take from the right caller."""


def routes(world: World) -> list[Endpoint[Any]]:
    """Return every declared route."""
    return world.service.endpoints()


def guarded(world: World) -> list[Endpoint[Any]]:
    """Return the routes that want an access token, or refuse a wrong one."""
    return [route for route in routes(world) if route.who not in {Who.ANYONE, Who.LOCAL}]


async def knock(
    world: World, route: Endpoint[Any], about: Person, headers: dict[str, str], prefix: str = ""
) -> httpx2.Response:
    """Call a route about a person, with whatever credential."""
    path = prefix + route.path.replace("{id}", about.uid).replace("{sid}", about.totp)
    return await world.call(route.method, path, BODIES.get((route.method, route.path)), headers=headers)


def opens_nothing(answer: httpx2.Response) -> None:
    """Assert that an answer carries no token of a session and no cookie."""
    assert "set-cookie" not in answer.headers
    assert "spr_" not in answer.text
    assert '"ACCESS"' not in answer.text


@asynccontextmanager
async def running(folder: Path, clock: TurnedClock, environ: Mapping[str, str] | None = None) -> AsyncIterator[World]:
    """Run the service in a folder and stop it again: a restart is doing this twice."""
    service = service_in(folder, clock, environ)
    await service.first_start()
    async with client_of(service) as client:
        yield World(service, client, clock)
    service.close()
