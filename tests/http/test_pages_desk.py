"""The desk's pages: for whom they are there, and what the desk sees and does on them."""

import re

import httpx2
import pytest

from sallyport.pages.visit import DESK
from sallyport.store.work import Rows, Sql
from sallyport.users.flow import Found
from sallyport.users.rules import UserFilter
from tests.attacks.test_m_pages import pages
from tests.conftest import MakeWorld
from tests.dump import dump
from tests.guest import SAME_ORIGIN, Guest, signed_in
from tests.surgery import everything, fetch, give_roles
from tests.world import Person, World, basic

NOBODY = "01912345-0000-7000-8000-000000000000"
LOST = "called back at the number on file"
TWO = {"SALLYPORT_DESK_APPROVAL": "two", "SALLYPORT_THROTTLE": "off"}
STRICT = {"SALLYPORT_DESK_REASON": "required", "SALLYPORT_DESK_CALLER_CODE": "required", "SALLYPORT_THROTTLE": "off"}
ARRIVE = Sql(
    """INSERT INTO users (id, name, name_key, roles, created_at, modified_at, version)
       VALUES (:uid, :name, :name, '[]', 0, 0, 0)"""
)
LOOKS = ("/ui/admin", "/ui/admin/users", "/ui/admin/approvals")


async def desk_of(world: World) -> Guest:
    """Return the first admin, in front of a browser."""
    return await signed_in(world, await world.admin())


async def caller_code(world: World, person: Person) -> str:
    answer = await world.call("POST", f"/users/{person.uid}/recover/mfa", {"password": person.password})
    return str(answer.json()["callerCode"])


def page_of(person: Person) -> str:
    return f"/ui/admin/users/{person.uid}"


def acts_on(person: Person, session: str) -> list[str]:
    """Return the path of every form about a user."""
    return [
        f"{page_of(person)}/{act}"
        for act in (
            "disable",
            "enable",
            "end-sessions",
            "cancel-reset",
            f"sessions/{session}/end",
            "remove-mfa",
            "erase",
            f"authenticators/{person.totp}/remove",
        )
    ]


async def session_of(person: Person) -> str:
    return str((await person.call("GET", "/users/me/sessions")).json()[0]["uid"])


async def done(answer: httpx2.Response, desk: Guest) -> str:
    """Follow the way back to the page of the user, and return what it says."""
    assert answer.status_code == 303, answer.text
    page = (await desk.get(answer.headers["location"])).text
    return str(re.findall(r'role="status">([^<]*)<', page)[0])


async def test_who_holds_no_trusted_role_finds_no_desk(world: World) -> None:
    mira, bob = await world.enrolled("mira"), await world.enrolled("bob")
    guest, session = await signed_in(world, mira), await session_of(bob)
    assert "/ui/admin" not in (await guest.get("/ui/account")).text
    for path in LOOKS:
        assert (await guest.get(path)).status_code == 403
    for path in (page_of(bob), f"/ui/admin/users/{NOBODY}"):
        answer = await guest.get(path)
        assert (answer.status_code, "bob" in answer.text) == (404, False)
    before = await everything(world)
    for about, expected in ((bob, {403, 404}), (mira, {403})):
        for path in [*acts_on(about, session), f"/ui/admin/approvals/{NOBODY}"]:
            await guest.get("/ui/account")
            answer = await guest.post(path, reason=LOST, version="0")
            assert answer.status_code in expected, path
    # Only that the pages were looked at is written: `last_used_at` is, once a minute.
    assert await everything(world) == before


async def test_nobody_is_the_desk_of_themselves(world: World) -> None:
    admin = await world.admin()
    desk = await desk_of(world)
    page = (await desk.get("/ui/admin/users?q=admin")).text
    assert f"/ui/admin/users/{admin.uid}" not in page
    for path in (page_of(admin), "/ui/admin/users/me"):
        assert (await desk.get(path)).status_code == 403
    for path in acts_on(admin, await session_of(admin)):
        await desk.get("/ui/account")
        assert (await desk.post(path, reason=LOST, version="0")).status_code in {403, 404}


async def test_a_session_below_the_level_of_its_account_is_no_desk(world: World) -> None:
    admin, mira = await world.admin(), await world.register("mira")
    await admin.enroll()
    world.clock.advance(30)
    desk = await signed_in(world, admin)
    assert (await desk.get("/ui/admin/users")).status_code == 200
    below = Sql("UPDATE sessions SET proven = 'pwd' WHERE user_id = :uid")
    await world.service.work(lambda rows: rows.change(below, uid=admin.uid))
    assert "/ui/admin" not in (await desk.get("/ui/account")).text
    assert (await desk.get("/ui/admin/users")).status_code == 403
    assert (await desk.get(page_of(mira))).status_code == 404
    await desk.get("/ui/account")
    assert (await desk.post(f"{page_of(mira)}/disable", version="0")).status_code == 403


async def test_who_must_enroll_enrolls_before_the_desk_opens(make_world: MakeWorld) -> None:
    world = await make_world({"SALLYPORT_REQUIRE_MFA": "roles:admin"})
    desk = await desk_of(world)
    assert "/ui/admin" not in (await desk.get("/ui/account")).text
    assert (await desk.get("/ui/admin/users")).headers["location"] == "/ui/authenticators/new"
    await desk.enroll()
    assert 'href="/ui/admin"' in (await desk.get("/ui/account")).text
    assert (await desk.get("/ui/admin")).status_code == 200


async def test_users_are_found_by_the_beginning_of_a_name_by_address_and_by_uid(world: World) -> None:
    mira = await world.register("Mira", email="m@example.org")
    await world.register("mirabelle")
    await world.register("miso")
    desk = await desk_of(world)

    async def found(query: str) -> list[str]:
        page = (await desk.get(f"/ui/admin/users{query}")).text
        return re.findall(r'<a href="/ui/(?:admin/users/[^"]+|account)"><strong>([^<]+)</strong>', page)

    assert await found("") == ["admin", "Mira", "mirabelle", "miso"]
    assert await found("?q=MIRA") == ["Mira", "mirabelle"]
    assert await found("?q=mirab") == ["mirabelle"]
    assert await found("?q=M@Example.org") == ["Mira"]
    assert await found(f"?q={mira.uid}") == ["Mira"]
    assert await found("?q=mira&only=unverified") == ["Mira", "mirabelle"]
    assert await found("?only=disabled") == []
    assert await found("?only=no-mfa&q=mis") == ["miso"]
    for nobody in ("zz", "a%20b", "%00", "x" * 300, "%F0%9F%98%80", "nobody@example.org", NOBODY):
        assert await found(f"?q={nobody}") == [], nobody
    assert (await desk.get(f"/ui/admin/users?q={'x' * 5000}")).status_code == 400


async def test_many_users_are_paged_through_in_the_order_of_their_names(world: World) -> None:
    await crowd(world, 60)
    desk = await desk_of(world)
    seen, path = [], "/ui/admin/users?q=user"
    for _ in range(4):
        page = await desk.get(path)
        assert len(page.content) < 60_000
        seen += re.findall(r"<strong>(user\d+)</strong>", page.text)
        onward = re.findall(r'href="(/ui/admin/users\?[^"]+)"', page.text)
        if not onward:
            break
        path = onward[0].replace("&amp;", "&")
    assert seen == [f"user{number:04d}" for number in range(60)]
    assert (await desk.get(f"/ui/admin/users?after={NOBODY}")).headers["location"] == "/ui/admin/users"
    assert (await desk.get("/ui/admin/users?after=x")).status_code == 200


async def test_a_search_looks_at_so_many_and_says_where_it_stopped(world: World) -> None:
    await crowd(world, 600)
    search = world.service.flows.read_users.search
    wanted = UserFilter(disabled=True)
    first = await search("user", wanted, after=None, limit=25, parts=1)
    assert isinstance(first, Found)
    ((stopped,),) = await fetch(world, "SELECT id FROM users WHERE name = 'user0249'")
    assert first == Found(users=[], onward=stopped)
    assert await search("user", wanted, after=first.onward, limit=25, parts=9) == Found(users=[], onward=None)


async def crowd(world: World, number: int) -> None:
    """Make users at once, without what a registration does."""

    def unit(rows: Rows) -> None:
        for at in range(number):
            rows.post(ARRIVE, uid=f"01900000-0000-7000-8000-{at:012d}", name=f"user{at:04d}")

    await world.service.work(unit)


async def test_one_user_is_shown_with_all_that_the_desk_may_see(world: World) -> None:
    mira = await world.enrolled("mira")
    desk = await desk_of(world)
    page = (await desk.get(page_of(mira))).text
    for said in ("Authenticator app", "10 backup codes left", "Backup codes", "Account created", "Unknown program"):
        assert said in page, said
    for path in acts_on(mira, await session_of(mira)):
        assert (f'action="{path}"' in page) == (not path.endswith(("enable", "reset"))), path
    assert (await desk.get(f"/ui/admin/users/{NOBODY}")).status_code == 404


async def test_a_user_is_disabled_and_enabled(world: World) -> None:
    mira = await world.enrolled("mira")
    desk = await desk_of(world)
    await desk.get(page_of(mira))
    answer = await desk.post(f"{page_of(mira)}/disable", reason=LOST, version="0")
    assert await done(answer, desk) == "The account is disabled, and all its sessions are over."
    assert (await mira.call("GET", "/users/me")).status_code == 401
    assert (await desk.post(f"{page_of(mira)}/enable", version="0")).status_code == 409
    answer = await desk.post(f"{page_of(mira)}/enable", version="1")
    assert await done(answer, desk) == "The account is enabled again."
    told = await fetch(world, "SELECT event, detail FROM audit_log WHERE event IN ('user.disabled', 'user.enabled')")
    assert told == [("user.disabled", LOST), ("user.enabled", None)]


async def test_a_user_is_erased_with_a_reason(make_world: MakeWorld) -> None:
    world: World = await make_world(STRICT)
    mira = await world.enrolled("mira")
    desk = await desk_of(world)
    await desk.get(page_of(mira))
    assert (await desk.post(f"{page_of(mira)}/erase")).status_code == 400
    answer = await desk.post(f"{page_of(mira)}/erase", reason=LOST)
    assert answer.headers["location"] == "/ui/admin/users"
    assert await done(answer, desk) == "The account is erased."
    assert (await desk.get(page_of(mira))).status_code == 404
    assert (await mira.call("GET", "/users/me")).status_code == 401
    told = await fetch(world, "SELECT user_id, detail FROM audit_log WHERE event = 'user.deleted'")
    assert told == [(mira.uid, LOST)]


async def test_no_link_makes_the_desk_believe_that_something_was_done(world: World) -> None:
    mira = await world.enrolled("mira")
    desk = await desk_of(world)
    for link in (f"{page_of(mira)}?done=mfa", "/ui/admin/approvals?done"):
        assert 'role="status"' not in (await desk.get(link)).text


async def test_what_was_done_is_said_once(world: World) -> None:
    mira = await world.enrolled("mira")
    desk = await desk_of(world)
    await desk.get(page_of(mira))
    answer = await desk.post(f"{page_of(mira)}/disable", reason=LOST, version="0")
    (line,) = [line for line in answer.headers.get_list("set-cookie") if "disabled" in line]
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=60"} <= set(line.split("; "))
    assert answer.headers["location"] == page_of(mira)
    assert (await desk.post(f"{page_of(mira)}/disable", version="0")).status_code == 409
    assert 'role="status"' not in desk.page  # beside a refusal it would be misread
    assert "The account is disabled" in (await desk.get(page_of(mira))).text
    assert 'role="status"' not in (await desk.get(page_of(mira))).text
    desk.cookies["sallyport-said"] = "<b>nothing of ours</b>"
    assert 'role="status"' not in (await desk.get(page_of(mira))).text


async def test_sessions_are_ended_one_and_all(world: World) -> None:
    mira = await world.register("mira")
    first = await session_of(mira)
    for _ in range(24):
        world.clock.advance(1)
        await mira.login()
    desk = await desk_of(world)
    page = (await desk.get(page_of(mira))).text
    assert page.count("End the session</button>") == 20
    assert "And 5 older ones." in page
    assert len(page) < 60_000
    answer = await desk.post(f"{page_of(mira)}/sessions/{first}/end")
    assert await done(answer, desk) == "The session is over."
    assert (await desk.post(f"{page_of(mira)}/sessions/{first}/end")).status_code == 404
    answer = await desk.post(f"{page_of(mira)}/end-sessions", reason=LOST)
    assert await done(answer, desk) == "All sessions are over."
    assert (await mira.call("GET", "/users/me")).status_code == 401


async def test_an_authenticator_is_removed(world: World) -> None:
    mira = await world.enrolled("mira")
    desk = await desk_of(world)
    await desk.get(page_of(mira))
    wrong = await desk.post(f"{page_of(mira)}/authenticators/{mira.totp}/remove", caller_code="12345")
    assert (wrong.status_code, "A caller code has six digits." in wrong.text) == (400, True)
    answer = await desk.post(f"{page_of(mira)}/authenticators/{mira.totp}/remove", reason=LOST)
    assert await done(answer, desk) == "It is removed."
    password = (await fetch(world, "SELECT id FROM passwords WHERE user_id = :uid", uid=mira.uid))[0][0]
    answer = await desk.post(f"{page_of(mira)}/authenticators/{password}/remove", reason=LOST)
    assert answer.status_code == 303


async def test_a_lost_phone_leads_to_the_desk_and_to_a_new_phone(make_world: MakeWorld) -> None:
    world: World = await make_world(STRICT)
    mira = await world.enrolled("mira")
    desk = await desk_of(world)
    here, form = page_of(mira), f"{page_of(mira)}/remove-mfa"
    await desk.get(here)
    assert (await desk.post(f"{here}/disable", version="0")).status_code == 400
    for act in ("end-sessions", "cancel-reset"):
        assert (await desk.post(f"{here}/{act}", reason=" ")).status_code == 400
    without = await desk.post(form, caller_code="123456")
    assert (without.status_code, "Say why" in without.text) == (400, True)
    without = await desk.post(form, reason=LOST)
    assert (without.status_code, "Ask the caller for the six digits" in without.text) == (400, True)
    code = await caller_code(world, mira)
    wrong = await desk.post(form, reason=LOST, caller_code=f"{(int(code) + 1) % 10**6:06d}")
    assert (wrong.status_code, "The caller code is not right" in wrong.text) == (400, True)
    answer = await desk.post(form, reason=LOST, caller_code=f"{code[:3]} {code[3:]}")
    assert "All second factors are removed." in await done(answer, desk)
    assert 'action="' + form not in desk.page
    again = await signed_in(world, Person(world, "mira", mira.uid, "", ""))
    await again.enroll()


async def test_of_two_persons_the_second_confirms(make_world: MakeWorld) -> None:
    world: World = await make_world(TWO)
    mira, second = await world.enrolled("mira"), await world.register("second")
    await give_roles(second, "admin")
    desk, other = await desk_of(world), await signed_in(world, second)
    await desk.get(page_of(mira))
    answer = await desk.post(f"{page_of(mira)}/remove-mfa", reason="<b>lost</b>")
    assert "Nothing is removed yet" in await done(answer, desk)
    page = (await desk.get("/ui/admin/approvals")).text
    assert "for somebody else to confirm" in page
    assert "<b>lost</b>" not in page
    ((uid,),) = await fetch(world, "SELECT id FROM approvals")
    refused = await desk.post(f"/ui/admin/approvals/{uid}")
    assert (refused.status_code, "Another trusted person than those involved" in refused.text) == (403, True)
    page = (await other.get("/ui/admin/approvals")).text
    assert all(name in page for name in ("mira", "admin", "Remove all second factors"))
    answer = await other.post(f"/ui/admin/approvals/{uid}")
    assert "It is confirmed and done." in (await other.get(answer.headers["location"])).text
    assert (await other.post(f"/ui/admin/approvals/{uid}")).status_code == 404
    assert await fetch(world, "SELECT mfa_since FROM users WHERE id = :uid", uid=mira.uid) == [(None,)]


async def test_many_approvals_are_paged_through(make_world: MakeWorld) -> None:
    world: World = await make_world(TWO)
    mira = await world.enrolled("mira")
    desk = await desk_of(world)
    await desk.get(page_of(mira))
    for _ in range(26):
        await desk.post(f"{page_of(mira)}/authenticators/{mira.totp}/remove", reason="r" * 1000)
    page = await desk.get("/ui/admin/approvals")
    assert page.text.count("Remove one authenticator app") == 25
    assert len(page.content) < 60_000
    (onward,) = re.findall(r'href="(/ui/admin/approvals\?after=[^"]+)"', page.text)
    assert (await desk.get(onward)).text.count("Remove one authenticator app") == 1
    assert (await desk.get("/ui/admin/approvals?after=x")).status_code == 200


@pytest.mark.parametrize("environ", [{}, TWO])
async def test_an_equal_is_seen_and_left_alone(make_world: MakeWorld, environ: dict[str, str]) -> None:
    world: World = await make_world(environ)
    peer = await world.enrolled("peer")
    await give_roles(peer, "admin")
    desk, session = await desk_of(world), await session_of(peer)
    page = (await desk.get(page_of(peer))).text
    assert "nobody acts on an equal" in page
    with_second = [f"{page_of(peer)}/remove-mfa"] if environ else []
    assert re.findall(r'action="(/ui/admin/[^"]+)"', page) == with_second
    before = await everything(world)
    for path in acts_on(peer, session):
        await desk.get("/ui/account")
        if path not in with_second:
            assert (await desk.post(path, reason=LOST, version="0")).status_code == 403, path
    assert await everything(world) == before


async def test_a_stale_proof_leads_to_a_new_one_and_back(world: World) -> None:
    mira = await world.enrolled("mira")
    desk = await desk_of(world)
    await desk.get(page_of(mira))
    form, session = desk.form(), await session_of(mira)
    world.clock.advance(601)
    assert all(page.fresh for page in pages(world) if page.post and page.path.startswith(DESK))
    before = re.sub(r"1[78]\d{14}", "", str(dump(world)))
    assert (await desk.get(page_of(mira))).headers["location"] == f"/ui/confirm?next={page_of(mira)}"
    for path in acts_on(mira, session):
        led = await desk.post(path, form=form, reason=LOST, version="0")
        assert led.headers["location"] == f"/ui/confirm?next={page_of(mira)}", path
    led = await desk.post(f"/ui/admin/approvals/{NOBODY}", form=form)
    assert led.headers["location"] == "/ui/confirm?next=/ui/admin/approvals"
    assert re.sub(r"1[78]\d{14}", "", str(dump(world))) == before
    assert "other people" in (await desk.get(f"/ui/confirm?next={page_of(mira)}")).text
    led = await desk.post("/ui/confirm", password=desk.password, next=page_of(mira))
    assert led.headers["location"] == page_of(mira)


async def test_what_others_have_typed_is_shown_and_never_run(world: World) -> None:
    bad = "<script>alert(1)</script>"
    mira = await world.register("mira<b>", firstName=bad, lastName='"onload="x', phone=bad)
    desk = await desk_of(world)
    await desk.get(page_of(mira))
    await desk.post(f"{page_of(mira)}/end-sessions", reason=f"'{bad}")
    for path in (page_of(mira), "/ui/admin/users?q=mira%3Cb", f"/ui/admin/users?q={bad}&only={bad}&after={bad}"):
        page = (await desk.get(path)).text
        assert "alert(1)" in page or "mira&lt;b&gt;" in page
        assert bad not in page
        assert "<b>" not in page


async def test_a_page_is_small_whatever_others_have_filled_in(world: World) -> None:
    long = "\u00fc" * 2_000
    mira = await world.register("mira", firstName=long, lastName=long, phone=long)
    await mira.enroll()
    for at in range(30):
        key = {"type": "apikey", "scopes": ["self:read"], "description": f"{at:02d} {long}"}
        assert (await mira.call("POST", "/users/me/secrets", key)).status_code == 200
        await world.call("GET", "/auth/password", headers={"user-agent": "x" * 2_000} | basic("mira", mira.password))
    await give_roles(mira, *(f"{at:02d}{'r' * 62}" for at in range(40)))
    desk = await desk_of(world)
    await desk.get(page_of(mira))
    for at in range(12):
        assert (await desk.post(f"{page_of(mira)}/end-sessions", reason=f"{at}{long}")).status_code == 303
        await mira.login()
    seen = []
    for path in (page_of(mira), f"{page_of(mira)}?from=20", "/ui/admin/audit?event=sessions.ended", "/ui/admin/users"):
        page = await desk.get(path)
        assert len(page.content) < 60_000, path
        seen += re.findall(r"<strong>(\d\d) \u00fc", page.text)
    assert sorted(seen) == [f"{at:02d}" for at in range(30)]
    assert "Authenticator app" in (await desk.get(f"{page_of(mira)}?from=1000000")).text


async def test_the_desk_costs_no_hash(world: World) -> None:
    mira = await world.enrolled("mira")
    desk = await desk_of(world)
    world.service.pool.run = None  # type: ignore[method-assign,assignment]  # whoever hashes falls over
    for path in (*LOOKS, page_of(mira)):
        answer = await desk.get(path)
        assert answer.status_code in {200, 303}
        assert len(answer.content) < 60_000


async def test_who_was_signed_out_comes_back_to_the_user(world: World) -> None:
    mira = await world.register("mira")
    visitor = Guest(world)
    for method in ("get", "post"):
        path = page_of(mira) if method == "get" else f"{page_of(mira)}/disable"
        led = await (visitor.get(path) if method == "get" else visitor.post(path, headers=SAME_ORIGIN))
        assert led.headers["location"] == f"/ui/sign-in?next={page_of(mira)}"
