"""Class M on the pages: forms from elsewhere, frames, redirects, and one kind of credential in another's place."""

from collections.abc import Mapping

import httpx2
import pytest

from sallyport.edge.endpoint import Who
from sallyport.pages.visit import Page
from tests.attacks.surface import guarded, knock
from tests.dump import dump
from tests.guest import SAME_ORIGIN, Guest, signed_in
from tests.world import PASSWORD, Person, World, bearer

pytestmark = pytest.mark.sqlite_only("HTTP alone: nothing here asks the database anything of its own")

NOBODY = "01890000-0000-7000-8000-000000000000"
ELSEWHERE: dict[str, Mapping[str, str]] = {
    "another origin": {"origin": "https://evil.test"},
    "another port": {"origin": "http://127.0.0.1:9090"},
    "our host over TLS": {"origin": "https://127.0.0.1:8080"},
    "a host that begins like ours": {"origin": "http://127.0.0.1:8080.evil.test"},
    "no origin that is told": {"origin": "null"},
    "another site": {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8080"},
    "a neighbor of ours": {"sec-fetch-site": "same-site"},
    "nowhere": {},
    "the address bar": {"sec-fetch-site": "none"},
    "another name of this host, in both": {"origin": "http://evil.test", "host": "evil.test"},
}


def posts(world: World) -> list[Page]:
    """Return every page that takes a form."""
    return [page for page in pages(world) if page.post]


def pages(world: World) -> list[Page]:
    return [resource._page for resource in world.service._site._pages.values()]  # type: ignore[attr-defined]  # the site


async def changed_by(world: World, guest: Guest, path: str, **more: object) -> tuple[httpx2.Response, bool]:
    before = dump(world)
    answer = await guest.post(path, **more)  # type: ignore[arg-type]  # headers and fields
    return answer, dump(world) != before


@pytest.fixture
async def guest(world: World) -> Guest:
    return await signed_in(world, await world.enrolled("victim"))


@pytest.mark.parametrize("where", ELSEWHERE)
async def test_no_form_is_taken_that_a_page_of_another_origin_has_sent(world: World, guest: Guest, where: str) -> None:
    session = (await world.service.flows.manage_sessions.all(await _uid(world)))[0].uid
    for page in posts(world):
        visitor = guest if page.signed_in else Guest(world)
        await visitor.get("/ui/account" if page.signed_in else "/ui/sign-in")
        path = page.path.replace("{id}", NOBODY).replace("{sid}", session)
        answer, changed = await changed_by(world, visitor, path, headers=ELSEWHERE[where], password=PASSWORD)
        assert (answer.status_code, changed) == (403, False), page.path


async def _uid(world: World) -> str:
    answer = await world.call("GET", "/users", headers=bearer((await world.admin()).token))
    return next(str(user["uid"]) for user in answer.json() if user["name"] == "victim")


@pytest.mark.parametrize(
    "proof", ["", "x", "A" * 56, "of another session", "of a visitor", "of this browser", "of this session, bent"]
)
async def test_no_form_is_taken_without_the_proof_that_is_bound_to_the_session(
    world: World, guest: Guest, proof: str
) -> None:
    stranger = await signed_in(world, await world.register("stranger"))
    await stranger.get("/ui/account")
    visitor = Guest(world)
    await visitor.get("/ui/sign-in")
    await guest.get("/ui/forgot")
    of_nobody = guest.form("/ui/forgot")
    await guest.get("/ui/account")
    own = guest.form()
    given = {
        "of another session": stranger.form(),
        "of a visitor": visitor.form(),
        "of this browser": of_nobody,
        "of this session, bent": own[:-3] + ("AA=" if own[-3:] != "AA=" else "BB="),
    }.get(proof, proof)
    for page in posts(world):
        if page.signed_in:
            path = page.path.replace("{id}", NOBODY).replace("{sid}", NOBODY)
            answer, changed = await changed_by(world, guest, path, form=given)
            assert (answer.status_code, changed) == (403, False), page.path


async def test_nobody_is_signed_in_from_elsewhere(world: World) -> None:
    """Login CSRF: a form with somebody's password, but without the cookie that it was made for."""
    await world.register("mallory")
    mallory, victim = Guest(world, "mallory"), Guest(world)
    await mallory.get("/ui/sign-in")
    victim.page = mallory.page
    for _ in range(2):
        answer = await victim.post("/ui/sign-in", name="mallory", password=PASSWORD)
        assert (answer.status_code, victim.session) == (403, "")
        await victim.get("/ui/sign-in")
        victim.page = mallory.page


async def test_no_page_changes_anything_by_being_looked_at(world: World, guest: Guest) -> None:
    await guest.get("/ui/account")
    before = dump(world)
    for page in pages(world):
        path = page.path.replace("{id}", NOBODY).replace("{sid}", NOBODY)
        for method in ("GET", "HEAD"):
            await world.call(method, path, headers=guest._shown({"sec-fetch-site": "cross-site"}))
    assert dump(world) == before


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.test",
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "javascript:alert(1)",
        "/ui/../admin",
        "/ui/account@evil.test",
        "/ui/account\r\nset-cookie: a=b",
        "/ui/sign-out",
        "/users/me",
        "/ui/nowhere",
        "/ui/account?x=1",
        "/ui/account/",
        " /ui/events",
        "/ui/authenticators/" + "x" * 300,
    ],
)
async def test_a_return_address_is_a_page_of_ours_or_none(world: World, wanted: str) -> None:
    person = await world.register("mira")
    guest = Guest(world, "mira", person.password)
    await guest.get("/ui/sign-in")
    assert wanted not in guest.page
    answer = await guest.post("/ui/sign-in", name="mira", password=PASSWORD, next=wanted)
    assert answer.headers["location"] == "/ui/account"
    world.clock.advance(601)
    await guest.get("/ui/confirm")
    answer = await guest.post("/ui/confirm", password=PASSWORD, next=wanted)
    assert answer.headers["location"] == "/ui/account"


async def test_a_known_return_address_is_kept_through_both_doors(world: World) -> None:
    person = await world.enrolled("mira")
    guest = Guest(world, "mira", person.password)
    led = await guest.get("/ui/events")
    assert led.headers["location"] == "/ui/sign-in?next=/ui/events"
    await guest.get(led.headers["location"])
    led = await guest.post("/ui/sign-in", name="mira", password=PASSWORD, next="/ui/events")
    assert led.headers["location"] == "/ui/code?next=/ui/events"
    await guest.get(led.headers["location"])
    assert person.phone
    world.clock.advance(30)
    led = await guest.post("/ui/code", code=person.phone.code(), next="/ui/events")
    assert led.headers["location"] == "/ui/events"


async def test_the_cookie_of_a_page_opens_no_route_of_the_api(world: World, guest: Guest) -> None:
    about = Person(world, "victim", await _uid(world), "", "", totp="01890000-0000-7000-8000-000000000000")
    for route in guarded(world):
        if route.who is Who.VISITOR:
            continue  # whoever shows nothing registers
        by_cookie = await knock(world, route, about, guest._shown({}) | SAME_ORIGIN)
        as_token = await knock(world, route, about, bearer(guest.session))
        assert by_cookie.status_code in {400, 401}, route.path
        assert (as_token.status_code, as_token.json()["code"]) == (401, "invalid_token"), route.path
    refreshed = await world.call("POST", "/auth/refresh", {"refresh": guest.session})
    assert refreshed.status_code == 401


async def test_no_credential_of_the_api_opens_a_page(world: World) -> None:
    victim = await world.enrolled("victim")
    challenge = await victim.challenge()
    for value in (victim.token, victim.refresh, challenge, victim.codes[0], victim.uid, "spw_" + "A" * 43, ""):
        for headers in (
            bearer(value),
            {"cookie": f"sallyport-session={value}"},
            {"cookie": f"__Host-sallyport-session={value}"},
            {"cookie": f"sallyport-challenge={value}"},
        ):
            for page in pages(world):
                if page.signed_in and page.get:
                    path = page.path.replace("{id}", victim.uid).replace("{sid}", victim.totp)
                    answer = await world.call("GET", path, headers=headers)
                    assert answer.status_code == 303, (page.path, value[:4])
                    assert answer.headers["location"].startswith("/ui/sign-in")


async def test_a_page_is_nobodys_frame_and_in_nobodys_cache(world: World, guest: Guest) -> None:
    for page in pages(world):
        if page.get:
            answer = await guest.get(page.path.replace("{id}", NOBODY).replace("{sid}", NOBODY))
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-frame-options"] == "DENY"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_signing_out_takes_along_what_the_browser_has_kept(guest: Guest) -> None:
    await guest.get("/ui/account")
    answer = await guest.post("/ui/sign-out")
    assert answer.headers["clear-site-data"] == '"cache"'
    assert "sallyport-session" not in guest.cookies
