"""Every route of openapi.json against every kind of credential, and every route about somebody against everybody."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from sallyport.kernel.scopes import Scope
from sallyport.store.work import Sql
from tests.dump import dump
from tests.surgery import everything, operate, verify_email
from tests.world import PASSWORD, Person, World, basic, bearer

SET_ROLES = Sql("UPDATE users SET roles = :roles WHERE id = :uid")

Route = tuple[str, str]

# Routes for anybody, whatever is shown with them.
PUBLIC: set[Route] = {
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("POST", "/auth/refresh"),  # its credential stands in the body: see below
}
# Routes for anybody, too: their credential, where they have one, is a mailed token in the body.
MAILED: set[Route] = {
    ("GET", "/users/{id}/recover"),
    ("POST", "/users/recover"),
    ("POST", "/users/{id}/recover"),
    ("POST", "/users/{id}/verify"),
    ("POST", "/users/{id}/not-me"),
    ("POST", "/users/{id}/undo"),
    ("POST", "/users/{id}/recover/mfa/cancel"),
}
# A door whose password stands in the body, whatever is shown beside it.
LOST_DOOR: set[Route] = {("POST", "/users/{id}/recover/mfa")}
# Routes with a credential of their own: only that one opens them.
PASSWORD_DOOR: set[Route] = {("GET", "/auth/password"), ("POST", "/auth/password")}
CODE_DOOR: set[Route] = {("POST", "/auth/totp")}
REGISTRATION: set[Route] = {("POST", "/users")}
# Routes for any signed-in user.
SHARED: set[Route] = {
    ("GET", "/users"),
    ("GET", "/users/count"),
    ("GET", "/users/{id}"),
    ("GET", "/roles"),
    ("GET", "/roles/count"),
    ("GET", "/roles/{id}"),
    ("POST", "/auth/elevate"),
    ("POST", "/auth/logout"),
}
# Routes that strangers are forbidden, and routes that are hidden from them.
FORBIDDEN: set[Route] = {
    ("PUT", "/users/{id}"),
    ("DELETE", "/users/{id}"),
    ("PUT", "/roles/{id}"),
    ("DELETE", "/roles/{id}"),
}
HIDDEN: set[Route] = {
    ("GET", "/users/{id}/secrets"),
    ("POST", "/users/{id}/secrets"),
    ("GET", "/users/{id}/secrets/count"),
    ("GET", "/users/{id}/secrets/{sid}"),
    ("PUT", "/users/{id}/secrets/{sid}"),
    ("DELETE", "/users/{id}/secrets/{sid}"),
    ("PUT", "/users/{id}/secrets/{sid}/enroll"),
    ("GET", "/users/{id}/audit"),
    ("GET", "/users/{id}/audit/count"),
    ("GET", "/users/{id}/logins"),
    ("GET", "/users/{id}/logins/{sid}/explain"),
    ("POST", "/users/{id}/verify/send"),
    ("GET", "/users/{id}/recover/mfa"),
    ("DELETE", "/users/{id}/recover/mfa"),
    ("GET", "/users/{id}/sessions"),
    ("GET", "/users/{id}/sessions/count"),
    ("DELETE", "/users/{id}/sessions"),
    ("DELETE", "/users/{id}/sessions/{sid}"),
}
PRIVATE = SHARED | FORBIDDEN | HIDDEN
# Routes for trusted roles alone.
TRUSTED: set[Route] = {
    *(("POST", "/auth/introspect"), ("GET", "/audit"), ("GET", "/audit/count"), ("POST", "/roles")),
    *(("GET", "/approvals"), ("POST", "/approvals/{sid}"), ("GET", "/mfa-resets")),
}
# Routes for trusted roles about others: hidden from strangers, forbidden to whom they are about.
DESK: set[Route] = {("DELETE", "/users/{id}/mfa")}
# For this machine alone, whatever is shown.
LOCAL: set[Route] = {("GET", "/metrics")}
EVERY = LOCAL | PUBLIC | MAILED | PASSWORD_DOOR | CODE_DOOR | LOST_DOOR | REGISTRATION | PRIVATE | TRUSTED | DESK

# Of those, the routes that want a proof no older than ten minutes at the account's level from the user themself.
FRESH: set[Route] = {
    ("DELETE", "/users/{id}"),
    ("PUT", "/roles/{id}"),
    ("DELETE", "/roles/{id}"),
    ("POST", "/users/{id}/secrets"),
    ("PUT", "/users/{id}/secrets/{sid}"),
    ("PUT", "/users/{id}/secrets/{sid}/enroll"),
    ("DELETE", "/users/{id}/secrets/{sid}"),
}

INVALID = (401, "invalid_token")
UNAUTHENTICATED = (401, "unauthenticated")
STEP_UP = (401, "step_up_required")


@dataclass
class Shown:
    """How a credential is shown: headers (a list, since one may stand twice) and a query."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    query: dict[str, str] = field(default_factory=dict)


@dataclass
class Cast:
    """A victim with MFA who owns a role, everything that was ever handed to them, and a stranger."""

    world: World
    victim: Person
    before_mfa: str
    stranger: Person
    strangers_challenge: str
    challenge: str
    code: str
    ended: str
    expired: str
    session: str
    other_session: str
    secrets: dict[str, str]
    login: str
    device: str
    api_key: str
    dead_key: str
    key_session: str
    """An access token of a session that the API key has opened."""
    role: str

    def as_bearer(self) -> dict[str, str]:
        """Return every value that is no access token, and the access tokens that are no good."""
        return {
            "access token, expired": self.expired,
            "access token of an ended session": self.ended,
            "access token with its signature cut off": self.victim.token.rpartition(".")[0] + ".",
            "challenge": self.challenge,
            "refresh token": self.victim.refresh,
            "backup code": self.victim.codes[0],
            "TOTP code": self.code,
            "password": PASSWORD,
            "name and password": f"victim:{PASSWORD}",
            "uid of the session": self.session,
            "uid of the user": self.victim.uid,
            "uid of a secret": self.secrets["password"],
            "like a reset token": "spx_" + "A" * 43,
            "like an API key": "spk_" + "A" * 43,
            "like a verify token": "spv_" + "A" * 43,
            "like a client token": "spd_" + "A" * 43,
            "like the cookie of a page": "spw_" + "A" * 43,
            "like a refresh token": "spr_" + "A" * 43,
            "like a challenge": "spc_" + "A" * 43,
            "value of a device": self.device,
            "API key, deleted": self.dead_key,
            "API key with a letter more": self.api_key + "A",
            "nothing": "",
            "garbage": "f902e78f90827f2.f20978f23v9807039q.2vf9287vf93q879038q27f029q87vf90q2",
        }


async def cast(world: World) -> Cast:
    stranger = await world.enrolled("stranger")
    victim = await world.register("victim", email="victim@example.org")
    role = {"name": "staff", "owners": [victim.uid]}
    staff = (await (await world.admin()).call("POST", "/roles", role)).json()["uid"]
    expired = victim.token
    world.clock.advance(601)
    await victim.login()
    before_mfa = victim.token
    await victim.enroll()
    device = "a device of the victim, long enough"
    assert (await victim.call("POST", "/users/me/secrets", {"type": "device", "secret": device})).status_code == 200
    keys = [await victim.call("POST", "/users/me/secrets", {"type": "apikey", "scopes": list(Scope)}) for _ in "ab"]
    (api_key, dead_key), dead = [made.json()["secret"] for made in keys], keys[1].json()["uid"]
    assert (await victim.call("DELETE", f"/users/me/secrets/{dead}")).status_code == 204
    assert (await world.call("GET", "/users/me", headers=bearer(api_key))).status_code == 200
    key_session = (await world.password("victim", api_key)).json()["token"]
    ended = Person(world, "victim", victim.uid, "", "", phone=victim.phone)
    await ended.login()
    await ended.call("POST", "/auth/logout")
    other = Person(world, "victim", victim.uid, "", "", phone=victim.phone)
    await other.login()
    world.clock.advance(30)
    strangers_challenge, challenge = await stranger.challenge(), await victim.challenge()
    phone = victim.phone
    assert phone
    # The pending authenticator has a seed of its own; the phone stays with the enrolled one.
    pending = await Person(world, "victim", victim.uid, victim.token, "").begin_enrollment()
    found = (await victim.call("GET", "/users/me/sessions")).json()
    listed = (await victim.call("GET", "/users/me/secrets")).json()
    secrets = {secret["type"]: secret["uid"] for secret in listed if secret["uid"] != pending}
    return Cast(
        world,
        victim,
        before_mfa,
        await again(stranger),
        strangers_challenge,
        challenge,
        phone.code(),
        ended.token,
        expired,
        next(one["uid"] for one in found if one["current"]),
        next(one["uid"] for one in found if not one["current"]),
        secrets | {"pending": pending},
        (await victim.call("GET", "/users/me/logins")).json()[0]["uid"],
        device,
        api_key,
        dead_key,
        key_session,
        staff,
    )


async def again(person: Person) -> Person:
    """Log in anew without spending a code of the next step: with a backup code."""
    answer = await person.world.answer(await person.challenge(), person.codes.pop())
    person.hold(answer.json())
    return person


def requested(people: Cast, route: Route) -> tuple[str, Any]:
    """Return path and body of a request that the victim's good credential opens."""
    method, path = route
    secret = {"PUT": "password", "GET": "password", "DELETE": "pending"}
    sid = people.other_session if "/sessions" in path else people.secrets[secret.get(method, "password")]
    sid = people.secrets["pending"] if path.endswith("/enroll") else sid
    sid = people.login if path.endswith("/explain") else sid
    bodies: dict[Route, Any] = {
        ("POST", "/users"): {"name": f"new{uuid4().hex}"},
        ("POST", "/auth/password"): {},
        ("POST", "/auth/totp"): {"token": people.code},
        ("POST", "/auth/elevate"): {"password": PASSWORD, "token": people.code},
        ("POST", "/auth/refresh"): {"refresh": people.stranger.refresh},
        ("POST", "/users/recover"): {"identifier": "victim"},
        ("POST", "/users/{id}/recover"): {"token": people.code, "password": PASSWORD},
        ("POST", "/users/{id}/verify"): {"token": people.code},
        ("POST", "/users/{id}/not-me"): {"token": people.code},
        ("POST", "/users/{id}/undo"): {"token": people.code, "password": PASSWORD},
        ("POST", "/users/{id}/recover/mfa/cancel"): {"token": people.code},
        ("POST", "/auth/introspect"): {"token": people.victim.token},
        ("PUT", "/users/{id}"): {"version": 0, "firstName": "Vic"},
        ("POST", "/users/{id}/secrets"): {"type": "mfabackup"},
        ("PUT", "/users/{id}/secrets/{sid}"): {"version": 0, "description": "mine"},
        ("PUT", "/users/{id}/secrets/{sid}/enroll"): {"token": "000000"},
        ("POST", "/roles"): {"name": f"new{uuid4().hex}"},
        ("PUT", "/roles/{id}"): {"version": 0, "description": "ours"},
    }
    if path.startswith("/roles/"):
        return path.replace("{id}", people.role), bodies.get(route)
    return path.replace("{id}", people.victim.uid).replace("{sid}", sid), bodies.get(route)


async def send(people: Cast, route: Route, shown: Shown) -> tuple[int, str]:
    """Send the request of a route; returns its status, and the code of a refusal."""
    path, body = requested(people, route)
    request = people.world.client.build_request(route[0], path, json=body, params=shown.query)
    request.headers = httpx2.Headers([*request.headers.multi_items(), *shown.headers])
    answer = await people.world.client.send(request)
    refused = answer.status_code >= 300
    return answer.status_code, answer.json()["code"] if refused else ""


async def routes(world: World) -> set[Route]:
    document = (await world.call("GET", "/openapi.json")).json()
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


def with_token(scheme: str, token: str) -> Shown:
    return Shown([("authorization", f"{scheme} {token}")])


def elsewhere(token: str) -> dict[str, Shown]:
    """Return all the places where a token is not looked for."""
    cookies = "; ".join(f"{name}={token}" for name in ("token", "access_token", "jwt", "session", "authorization"))
    names = ("x-access-token", "x-auth-token", "proxy-authorization", "x-api-key", "x-sallyport-client")
    return {
        "in the query": Shown(query={"access_token": token}),
        "in the query, with scheme": Shown(query={"authorization": f"Bearer {token}"}),
        "in a cookie": Shown([("cookie", cookies)]),
        "in other headers": Shown([(name, f"Bearer {token}") for name in names]),
        "without a scheme": Shown([("authorization", token)]),
        "behind another scheme": Shown([("authorization", f"Token {token}")]),
    }


async def test_this_table_names_every_route(world: World) -> None:
    assert await routes(world) == EVERY


async def test_only_an_access_token_opens_a_private_route(world: World) -> None:
    people = await cast(world)
    before = dump(world)
    for route in sorted(PRIVATE | TRUSTED | DESK):
        assert await send(people, route, Shown()) == UNAUTHENTICATED, route
        assert await send(people, route, Shown(list(basic("victim", PASSWORD).items()))) == UNAUTHENTICATED, route
        for scheme in ("Bearer", "jwt"):
            for kind, value in people.as_bearer().items():
                assert await send(people, route, with_token(scheme, value)) == INVALID, (route, scheme, kind)
        for place, shown in elsewhere(people.victim.token).items():
            # A query that a list does not know is refused only behind the gate.
            assert await send(people, route, shown) == UNAUTHENTICATED, (route, place)
        twice = [*bearer(people.victim.token).items()] * 2
        assert await send(people, route, Shown(twice)) == (400, "invalid_request"), route
    assert dump(world) == before


@pytest.mark.parametrize("scheme", ["jwt", "JWT", "Bearer", "bearer", "bEaReR"])
async def test_an_access_token_opens_every_private_route(world: World, scheme: str) -> None:
    people = await cast(world)
    # What ends or replaces something that another request needs comes later.
    last = {
        ("DELETE", "/users/{id}/secrets/{sid}"): 1,
        ("DELETE", "/roles/{id}"): 1,
        ("DELETE", "/users/{id}/sessions"): 1,
        ("POST", "/auth/elevate"): 2,
        ("POST", "/auth/logout"): 3,
    }
    for route in sorted(PRIVATE - {("DELETE", "/users/{id}")}, key=lambda route: (last.get(route, 0), route)):
        status, code = await send(people, route, with_token(scheme, people.victim.token))
        if route == ("PUT", "/users/{id}/secrets/{sid}/enroll"):
            # The wrong code of this request is judged only behind the gate.
            assert (status, code) == (400, "code_invalid")
        elif route[1].endswith("/recover/mfa"):
            assert (status, code) == (404, "not_found")  # nothing waits for the victim
        else:
            assert status in {200, 202, 204}, (route, code)


KEYS_OPEN: set[Route] = {
    ("GET", "/users"),
    ("GET", "/users/count"),
    ("GET", "/users/{id}"),
    ("GET", "/users/{id}/audit"),
    ("GET", "/users/{id}/audit/count"),
    ("GET", "/roles"),
    ("GET", "/roles/count"),
    ("GET", "/roles/{id}"),
}
"""What a key with every scope opens about its owner, who holds no trusted role."""


async def test_an_api_key_opens_what_its_scopes_open_and_nothing_else(world: World) -> None:
    people = await cast(world)
    assert (await world.call("GET", "/users/me", headers=bearer(people.api_key))).status_code == 200
    before = dump(world)
    for route in sorted(PRIVATE | TRUSTED | REGISTRATION):
        for kind, value in {"key": people.api_key, "its session": people.key_session}.items():
            for scheme in ("Bearer", "jwt"):
                status, code = await send(people, route, with_token(scheme, value))
                if route in KEYS_OPEN:
                    assert (status, code) == (200, ""), (route, kind)
                else:
                    assert (status, code) == (403, "forbidden"), (route, kind)
    for route in sorted(HIDDEN):
        about = people.stranger.uid
        path = requested(people, route)[0].replace(people.victim.uid, about)
        answer = await world.call(route[0], path, requested(people, route)[1], headers=bearer(people.api_key))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), route
    assert dump(world) == before


async def test_a_stranger_reaches_what_all_share_and_nothing_else(world: World) -> None:
    people = await cast(world)
    before = dump(world)
    stranger = with_token("Bearer", people.stranger.token)
    for route in sorted(FORBIDDEN | TRUSTED):
        assert await send(people, route, stranger) == (403, "forbidden"), route
    for route in sorted(HIDDEN | DESK):
        assert await send(people, route, stranger) == (404, "not_found"), route
    for route in sorted(DESK):
        assert await send(people, route, with_token("Bearer", people.victim.token)) == (403, "forbidden"), route
    for route in sorted(SHARED - {("POST", "/auth/logout"), ("POST", "/auth/elevate")}):
        assert (await send(people, route, stranger))[0] == 200, route
    # The stranger's own session, but the victim's code.
    assert await send(people, ("POST", "/auth/elevate"), stranger) == (401, "code_invalid")
    assert dump(world) == before


async def test_a_token_from_before_mfa_or_without_fresh_proof_opens_no_route_that_wants_one(world: World) -> None:
    people = await cast(world)
    world.clock.advance(500)
    renewed = await world.call("POST", "/auth/refresh", {"refresh": people.victim.refresh})
    world.clock.advance(101)
    await operate(world, _WAITS, user=people.victim.uid, uid=str(uuid4()), now=world.clock.now())
    before = dump(world)
    tokens = {"stale": renewed.json()["token"]}
    for route in sorted(FRESH):
        for kind, token in tokens.items():
            assert await send(people, route, with_token("Bearer", token)) == STEP_UP, (route, kind)
    for route in sorted(HIDDEN - FRESH - {("DELETE", "/users/{id}/sessions")}):
        if route[0] == "GET":
            assert (await send(people, route, with_token("Bearer", tokens["stale"])))[0] == 200, route
    assert dump(world) == before


async def test_a_token_of_the_same_session_from_before_mfa_opens_no_route_that_wants_a_fresh_proof(
    world: World,
) -> None:
    people = await cast(world)
    # It is of the session that enrolled, a minute old: the session goes on, the level of this token does not rise.
    early = with_token("Bearer", people.before_mfa)
    before = dump(world)
    assert (await send(people, ("GET", "/users/{id}"), early))[0] == 200
    for route in sorted(FRESH):
        assert await send(people, route, early) == STEP_UP, route
    assert dump(world) == before


async def test_only_a_basic_header_opens_the_first_door(world: World) -> None:
    people = await cast(world)
    before = dump(world)
    wrong = (401, "invalid_credentials")
    kinds = people.as_bearer() | {"access token": people.victim.token, "API key": people.api_key}
    for route in sorted(PASSWORD_DOOR):
        assert await send(people, route, Shown()) == UNAUTHENTICATED
        for scheme in ("Bearer", "jwt", "Basic"):
            for kind, value in kinds.items():
                assert await send(people, route, with_token(scheme, value)) == wrong, (route, scheme, kind)
        for kind, value in kinds.items():
            if kind not in {"password", "value of a device", "API key"}:
                assert await send(people, route, Shown([*basic("victim", value).items()])) == wrong, (route, kind)
        for shown in elsewhere(people.victim.token).values():
            if shown.headers[:1] and shown.headers[0][0] == "authorization":
                assert await send(people, route, shown) == wrong
            else:
                assert await send(people, route, shown) == UNAUTHENTICATED
        twice = [*basic("victim", PASSWORD).items()] * 2
        assert await send(people, route, Shown(twice)) == (400, "invalid_request")
    assert dump(world) == before
    for route in sorted(PASSWORD_DOOR):
        assert (await send(people, route, Shown([*basic("victim", PASSWORD).items()])))[0] == 200


async def test_a_device_and_an_api_key_open_the_first_door_to_their_user_alone(world: World) -> None:
    people = await cast(world)
    for route in sorted(PASSWORD_DOOR):
        for value in (people.device, people.api_key):
            assert (await send(people, route, Shown([*basic("victim", value).items()])))[0] == 200
            stranger = Shown([*basic("stranger", value).items()])
            assert await send(people, route, stranger) == (401, "invalid_credentials")


async def test_only_the_challenge_opens_the_second_door(world: World) -> None:
    people = await cast(world)
    before = dump(world)
    (route,) = CODE_DOOR
    dead = (401, "challenge_invalid")
    kinds = people.as_bearer() | {"access token": people.victim.token, "before MFA": people.before_mfa}
    kinds["API key"] = people.api_key
    del kinds["challenge"]
    for scheme in ("Bearer", "jwt"):
        for kind, value in kinds.items():
            assert await send(people, route, with_token(scheme, value)) == dead, (scheme, kind)
    assert await send(people, route, Shown()) == dead
    assert await send(people, route, Shown([*basic("victim", PASSWORD).items()])) == dead
    for place, shown in elsewhere(people.challenge).items():
        assert await send(people, route, shown) == dead, place
    assert await send(people, route, Shown([*bearer(people.challenge).items()] * 2)) == (400, "invalid_request")
    for value in kinds.values():
        answer = await world.call("POST", "/auth/totp", {"token": people.code, "challenge": value})
        assert (answer.status_code, answer.json()["code"]) == dead
    assert dump(world) == before
    # The victim's code at a stranger's challenge is a try of the stranger.
    stranger = with_token("jwt", people.strangers_challenge)
    assert await send(people, route, stranger) == (401, "code_invalid")
    assert (await send(people, route, with_token("jwt", people.challenge)))[0] == 200


async def test_only_the_password_opens_the_door_of_one_who_lost_the_second_factor(world: World) -> None:
    people = await cast(world)
    before = await everything(world)
    path = f"/users/{people.victim.uid}/recover/mfa"
    kinds = people.as_bearer() | {"access token": people.victim.token}
    for kind, value in kinds.items():
        answer = await world.call("POST", path, {"password": value}, headers=people.victim.auth)
        if kind != "password":
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials"), kind
    stranger = f"/users/{people.stranger.uid}/recover/mfa"
    answer = await world.call("POST", stranger, {"password": PASSWORD + "?"}, headers=people.stranger.auth)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    after = await everything(world)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"caller_codes"}


async def test_only_a_refresh_token_is_refreshed(world: World) -> None:
    people = await cast(world)
    before = dump(world)
    kinds = people.as_bearer() | {"access token": people.victim.token, "before MFA": people.before_mfa}
    kinds["API key"] = people.api_key
    del kinds["refresh token"]
    for kind, value in kinds.items():
        answer = await world.call("POST", "/auth/refresh", {"refresh": value})
        assert (answer.status_code, answer.json()["code"]) == INVALID, kind
    for headers in (bearer(people.victim.refresh), bearer(people.victim.token), {"cookie": people.victim.refresh}):
        answer = await world.call("POST", "/auth/refresh", {}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert dump(world) == before
    assert (await world.call("POST", "/auth/refresh", {"refresh": people.victim.refresh})).status_code == 200


async def test_registration_takes_no_credential_or_a_good_one(world: World) -> None:
    people = await cast(world)
    before = dump(world)
    (route,) = REGISTRATION
    for kind, value in people.as_bearer().items():
        assert await send(people, route, with_token("Bearer", value)) == INVALID, kind
    assert await send(people, route, Shown([*basic("victim", PASSWORD).items()])) == UNAUTHENTICATED
    assert dump(world) == before
    assert (await send(people, route, Shown()))[0] == 201
    assert (await send(people, route, with_token("Bearer", people.victim.token)))[0] == 201


async def test_public_routes_answer_whatever_is_shown(world: World) -> None:
    people = await cast(world)
    for route in sorted(PUBLIC - {("POST", "/auth/refresh")}):
        for value in ("", *people.as_bearer().values(), people.victim.token):
            assert (await send(people, route, with_token("Bearer", value)))[0] == 200, route
        assert await send(people, route, Shown([*bearer("a").items()] * 2)) == (400, "invalid_request")


async def test_a_mailed_route_knows_no_credential_but_a_mailed_token(world: World) -> None:
    people = await cast(world)
    await verify_email(people.victim)
    before = dump(world)
    for route in sorted(MAILED - {("GET", "/users/{id}/recover"), ("POST", "/users/recover")}):
        path, body = requested(people, route)
        for kind, value in (people.as_bearer() | {"access token": people.victim.token}).items():
            answer = await world.call(route[0], path, body | {"token": value}, headers=bearer(people.victim.token))
            assert (answer.status_code, answer.json()["code"]) == (400, "token_invalid"), (route, kind)
    assert dump(world) == before
    for route in (("GET", "/users/{id}/recover"), ("POST", "/users/recover")):
        for value in ("", people.victim.token, people.challenge):
            assert (await send(people, route, with_token("Bearer", value)))[0] == 202, route


# Who may do what to whom. Columns: oneself, a stranger, the desk, the desk without fresh proof, the desk with a token
# below its account's level, the desk to one who holds a trusted role too.
Row = tuple[int, int, int, int, int, int]
COLUMNS = ("self", "stranger", "desk", "stale desk", "desk below its level", "desk to desk")
MATRIX: dict[Route, Row] = {
    ("GET", "/users/{id}"): (200, 200, 200, 200, 200, 200),
    ("PUT", "/users/{id}"): (200, 403, 200, 401, 403, 403),
    ("DELETE", "/users/{id}"): (204, 403, 204, 401, 403, 403),
    ("GET", "/users/{id}/secrets"): (200, 404, 200, 401, 404, 403),
    ("POST", "/users/{id}/secrets"): (200, 404, 403, 403, 404, 403),
    ("GET", "/users/{id}/secrets/count"): (200, 404, 200, 401, 404, 403),
    ("GET", "/users/{id}/secrets/{sid}"): (200, 404, 200, 401, 404, 403),
    ("PUT", "/users/{id}/secrets/{sid}"): (200, 404, 403, 403, 404, 403),
    ("PUT", "/users/{id}/secrets/{sid}/enroll"): (200, 404, 403, 403, 404, 403),
    ("DELETE", "/users/{id}/secrets/{sid}"): (204, 404, 204, 401, 404, 403),
    ("GET", "/users/{id}/audit"): (200, 404, 200, 200, 404, 200),
    ("GET", "/users/{id}/audit/count"): (200, 404, 200, 200, 404, 200),
    ("GET", "/users/{id}/logins"): (200, 404, 200, 200, 404, 200),
    ("GET", "/users/{id}/logins/{sid}/explain"): (200, 404, 200, 200, 404, 200),
    ("GET", "/users/{id}/sessions"): (200, 404, 200, 200, 404, 403),
    ("GET", "/users/{id}/sessions/count"): (200, 404, 200, 200, 404, 403),
    ("POST", "/users/{id}/verify/send"): (202, 404, 403, 403, 404, 403),
    ("GET", "/users/{id}/recover/mfa"): (200, 404, 200, 200, 404, 200),
    ("DELETE", "/users/{id}/recover/mfa"): (204, 404, 204, 401, 404, 403),
    ("DELETE", "/users/{id}/sessions"): (204, 404, 204, 401, 404, 403),
    ("DELETE", "/users/{id}/sessions/{sid}"): (204, 404, 204, 401, 404, 403),
    # The target's authenticator is only pending.
    ("DELETE", "/users/{id}/mfa"): (403, 404, 409, 401, 404, 403),
    # The password in the body is the credential.
    ("POST", "/users/{id}/recover/mfa"): (202, 202, 202, 202, 202, 202),
}
# Nobody without a second factor has one to lose; who sees and cancels is asked all the same.
_WAITS = """INSERT INTO mfa_resets (user_id, id, created_at, ends_at, expires_at)
            VALUES (:user, :uid, :now, :now + 1, :now + 3600000000)"""
CODES = {401: "step_up_required", 403: "forbidden", 404: "not_found", 409: "mfa_not_enabled"}


@dataclass
class Office:
    """A target with MFA, and everybody who may want something of them."""

    world: World
    target: Person
    actors: dict[str, Person]
    pending: Person
    pending_uid: str

    async def ids(self) -> dict[str, str]:
        """Return uids of the target: a password, the pending authenticator, a session that is not the current one."""
        secrets = (await self.target.call("GET", "/users/me/secrets")).json()
        sessions = (await self.target.call("GET", "/users/me/sessions")).json()
        return {
            "password": next(one["uid"] for one in secrets if one["type"] == "password"),
            "session": next(one["uid"] for one in sessions if not one["current"]),
            "login": (await self.target.call("GET", "/users/me/logins")).json()[0]["uid"],
        }


async def office(world: World, column: str) -> Office:
    target = await world.register("target")
    second = Person(world, "target", target.uid, "", "")
    await second.login()
    admin = await world.admin()
    stranger = await world.register("stranger")
    below = await world.admin()
    if column == "stale desk":
        world.clock.advance(500)
        admin.hold((await world.call("POST", "/auth/refresh", {"refresh": admin.refresh})).json())
        world.clock.advance(101)
        for person in (target, second):
            await person.login()
    if column == "desk below its level":
        early = below.token
        await below.enroll()
        below.token = early
    if column == "desk to desk":
        await world.service.work(lambda rows: rows.change(SET_ROLES, uid=target.uid, roles='["admin"]'))
    pending = Person(world, "target", target.uid, target.token, "")
    uid = await pending.begin_enrollment()
    actors = {
        "self": target,
        "stranger": stranger,
        "desk": admin,
        "stale desk": admin,
        "desk below its level": below,
        "desk to desk": admin,
    }
    return Office(world, target, actors, pending, uid)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("route", sorted(MATRIX), ids=" ".join)
async def test_who_may_do_what_to_whom(world: World, route: Route, column: str) -> None:
    scene = await office(world, column)
    ids, (method, path) = await scene.ids(), route
    assert scene.pending.phone
    sid = ids["session"] if "/sessions" in path else ids["password"]
    sid = scene.pending_uid if path.endswith("/enroll") else sid
    sid = ids["login"] if path.endswith("/explain") else sid
    bodies: dict[Route, Any] = {
        ("PUT", "/users/{id}"): {"version": 0, "firstName": "Tar"},
        ("POST", "/users/{id}/secrets"): {"type": "mfa"},
        ("PUT", "/users/{id}/secrets/{sid}"): {"version": 0, "description": "changed"},
        ("PUT", "/users/{id}/secrets/{sid}/enroll"): {"token": scene.pending.phone.code()},
        ("POST", "/users/{id}/recover/mfa"): {"password": PASSWORD},
    }
    if path.endswith("/recover/mfa"):
        await operate(world, _WAITS, user=scene.target.uid, uid=scene.pending_uid, now=world.clock.now())
    before = dump(world)
    full = path.replace("{id}", scene.target.uid).replace("{sid}", sid)
    answer = await scene.actors[column].call(method, full, bodies.get(route))
    expected = MATRIX[route][COLUMNS.index(column)]
    assert answer.status_code == expected, answer.text
    if expected >= 300:
        assert answer.json()["code"] == CODES[expected]
        assert dump(world) == before
    if route == ("GET", "/users/{id}"):
        sees_all = column not in {"stranger", "desk below its level"}
        assert set(answer.json()) == {"uid", "name"} or sees_all
        assert ("roles" in answer.json()) == sees_all


async def test_this_matrix_names_every_route_about_somebody(world: World) -> None:
    assert {route for route in await routes(world) - MAILED if "/users/{id}" in route[1]} == set(MATRIX)


async def test_an_id_that_is_nobodys_or_no_id_is_not_found(world: World) -> None:
    alice, admin = await world.register("alice"), await world.admin()
    bodies: dict[str, Any] = {"PUT": {"version": 0}, "POST": {"type": "mfa"}}
    wrong = (str(uuid4()), "0", "ME", "me%20", alice.uid.upper(), f"{{{alice.uid}}}", alice.uid[:-1], "%00", "%C3%A9")
    before = dump(world)
    for method, route in sorted(set(MATRIX) - LOST_DOOR):
        body = {"token": "000000"} if route.endswith("/enroll") else bodies.get(method)
        for uid in wrong:
            path = route.replace("{id}", uid).replace("{sid}", str(uuid4()))
            for person in (alice, admin):
                answer = await person.call(method, path, body)
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, path, person.name)
    assert dump(world) == before


async def test_what_is_anothers_is_not_found_below_ones_own_id(world: World) -> None:
    alice, bob, admin = await world.register("alice"), await world.register("bob"), await world.admin()
    pending = await alice.begin_enrollment()
    assert alice.phone
    (session,) = (await alice.call("GET", "/users/me/sessions")).json()
    password = next(
        one["uid"] for one in (await alice.call("GET", "/users/me/secrets")).json() if one["uid"] != pending
    )
    before = dump(world)
    requests: list[tuple[str, str, Any]] = [
        ("DELETE", f"/sessions/{session['uid']}", None),
        *((method, f"/secrets/{uid}", None) for uid in (pending, password) for method in ("GET", "DELETE")),
        ("PUT", f"/secrets/{password}", {"version": 0, "description": "mine"}),
        ("PUT", f"/secrets/{password}", {"version": 0, "current": PASSWORD, "secret": "another set of plain words"}),
        ("PUT", f"/secrets/{pending}", {"token": alice.phone.code()}),
        ("PUT", f"/secrets/{pending}/enroll", {"token": alice.phone.code()}),
    ]
    owners: tuple[tuple[Person, Callable[[str], str]], ...] = (
        (bob, lambda tail: f"/users/me{tail}"),
        (bob, lambda tail: f"/users/{bob.uid}{tail}"),
        (admin, lambda tail: f"/users/me{tail}"),
    )
    for method, tail, body in requests:
        for person, path in owners:
            answer = await person.call(method, path(tail), body)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, path(tail))
    for uid in (pending, password):
        answer = await admin.call("DELETE", f"/users/{bob.uid}/secrets/{uid}")
        assert answer.status_code == 404
    assert dump(world) == before
