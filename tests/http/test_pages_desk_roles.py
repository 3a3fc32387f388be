"""The desk's pages about roles, the audit log and the policy."""

import re

import pytest

from sallyport.pages.visit import DESK
from sallyport.policy.flow import SeeImpact, Totals
from sallyport.store.work import Rows, Sql
from tests.attacks.test_m_pages import pages
from tests.conftest import MakeWorld
from tests.guest import Guest, signed_in
from tests.surgery import everything, fetch, give_roles, verify_email
from tests.world import Person, World

NOBODY = "01912345-0000-7000-8000-000000000000"
BAD = "<script>alert(1)</script>"


@pytest.fixture
async def desk(world: World) -> Guest:
    return await signed_in(world, await world.admin())


async def role_of(world: World, name: str) -> str:
    return str((await fetch(world, "SELECT id FROM roles WHERE name = :name", name=name))[0][0])


def version(desk: Guest) -> str:
    return str(re.findall(r'name="version" value="(\d+)"', desk.page)[0])


async def made(desk: Guest, name: str) -> str:
    """Make a role, and return its page, which is shown."""
    await desk.get("/ui/admin/roles/new")
    answer = await desk.post("/ui/admin/roles/new", name=name, description="they sell")
    page = str(answer.headers["location"])
    await desk.get(page)
    return page


async def roles_of(world: World, person: Person) -> str:
    return str((await fetch(world, "SELECT roles FROM users WHERE id = :uid", uid=person.uid))[0][0])


async def test_a_role_is_made_filled_emptied_and_deleted(world: World, desk: Guest) -> None:
    mira, bob = await world.register("mira", email="m@example.org"), await world.register("bob")
    await verify_email(mira)
    page = await made(desk, "sales")
    assert "they sell" in desk.page
    assert (await desk.post(f"{page}/add", who="M@example.org", version=version(desk))).headers["location"] == page
    await desk.get(page)
    assert (await desk.post(f"{page}/add", who="bob", owner="yes", version=version(desk))).status_code == 303
    shown = (await desk.get(page)).text
    assert "2 people" in shown
    assert shown.count('<span class="tag">owner</span>') == 1
    assert (await roles_of(world, mira), await roles_of(world, bob)) == ('["sales"]', '["sales"]')
    assert (await desk.post(f"{page}/people/{mira.uid}/remove", version=version(desk))).status_code == 303
    stale = await desk.post(f"{page}/people/{bob.uid}/remove", version="0")
    assert (stale.status_code, "changed in the meantime" in stale.text) == (409, True)
    await desk.post(f"{page}/describe", name="selling", description="", version=version(desk))
    assert "<h1>selling" in (await desk.get(page)).text
    assert (await roles_of(world, mira), await roles_of(world, bob)) == ("[]", '["selling"]')
    assert (await desk.post(f"{page}/delete")).headers["location"] == "/ui/admin/roles"
    assert (await desk.get(page)).status_code == 404
    for act in ("add", "delete"):
        await desk.get("/ui/admin/roles")
        assert (await desk.post(f"{page}/{act}", who="bob", version="0")).status_code == 404


async def test_what_can_not_be_a_role_is_said_beside_the_form(world: World, desk: Guest) -> None:
    for name in ("first", "second"):
        await world.register(name, email="both@example.org")
    page = await made(desk, "sales")
    for who in ("nobody", NOBODY, "no@example.org", "both@example.org", "a b"):
        refused = await desk.post(f"{page}/add", who=who, version=version(desk))
        assert (refused.status_code, "There is no such user" in refused.text) == (400, True), who
    refused = await desk.post(f"{page}/describe", name="a b", description="", version=version(desk))
    assert (refused.status_code, "and no spaces" in refused.text) == (400, True)
    await desk.get("/ui/admin/roles/new")
    for name, status in (("SALES", 409), ("admin", 409), ("a b", 400), ("", 400)):
        refused = await desk.post("/ui/admin/roles/new", name=name, description=BAD)
        assert (refused.status_code, 'role="alert"' in refused.text) == (status, True), name
        assert BAD not in refused.text
    assert len(await fetch(world, "SELECT id FROM roles")) == 2


async def test_an_address_puts_whoever_has_verified_it_into_a_role_and_nobody_who_claims_it(
    world: World, desk: Guest
) -> None:
    thief = await world.register("aaron", email="boss@example.org")
    page = f"/ui/admin/roles/{await role_of(world, 'admin')}"
    await desk.get(page)
    refused = await desk.post(f"{page}/add", who="boss@example.org", version=version(desk))
    assert (refused.status_code, await roles_of(world, thief)) == (400, "[]")
    # Nor do claimants, however many, hide the one whose mailbox it is.
    await world.register("abel", email="boss@example.org")
    boss = await world.register("boss", email="boss@example.org")
    await verify_email(boss)
    assert (await desk.post(f"{page}/add", who="Boss@example.org", version=version(desk))).status_code == 303
    assert (await roles_of(world, boss), await roles_of(world, thief)) == ('["admin"]', "[]")


async def test_a_trusted_role_keeps_its_name_and_its_last_holder(world: World, desk: Guest) -> None:
    page, admin = f"/ui/admin/roles/{await role_of(world, 'admin')}", await world.admin()
    shown = (await desk.get(page)).text
    assert " readonly" in shown
    assert f'action="{page}/delete"' not in shown
    for act, fields, status in (
        ("delete", {}, 403),
        ("describe", {"name": "root", "description": ""}, 403),
        (f"people/{admin.uid}/remove", {}, 409),
    ):
        await desk.get(page)
        assert (await desk.post(f"{page}/{act}", version=version(desk), **fields)).status_code == status, act
    assert "Nobody would be left" in desk.page


async def test_many_roles_and_many_people_are_paged_through(world: World, desk: Guest) -> None:
    def unit(rows: Rows) -> None:
        for at in range(30):
            uid = f"01900000-0000-7000-8000-{at:012d}"
            rows.post(_ROLE, uid=uid, name=f"role{at:02d}")
            rows.post(_USER, uid=uid, name=f"user{at:02d}")
            rows.post(_IN, uid=uid)

    await world.service.work(unit)
    page = (await desk.get("/ui/admin/roles")).text
    assert page.count("role") > 25
    assert "trusted" in page
    (onward,) = re.findall(r'href="(/ui/admin/roles\?after=[^"]+)"', page)
    assert "role29" in (await desk.get(onward)).text
    assert (await desk.get(f"/ui/admin/roles?after={NOBODY}")).headers["location"] == "/ui/admin/roles"
    assert (await desk.get("/ui/admin/roles?after=x")).status_code == 200
    role = "/ui/admin/roles/01900000-0000-7000-8000-000000000000"
    page = (await desk.get(role)).text
    assert "30 people" in page
    assert page.count("Take out</button>") == 25
    (onward,) = re.findall(r'href="(/ui/admin/roles/[^"]+\?after=[^"]+)"', page)
    assert (await desk.get(onward)).text.count("Take out</button>") == 5


_ROLE = Sql(
    "INSERT INTO roles (id, name, name_key, created_at, modified_at, version) VALUES (:uid, :name, :name, 0, 0, 0)"
)
_USER = Sql(
    """INSERT INTO users (id, name, name_key, roles, created_at, modified_at, version)
       VALUES (:uid, :name, :name, '["role00"]', 0, 0, 0)"""
)
_IN = Sql(
    """INSERT INTO role_members (role_id, user_id, is_member, is_owner)
       VALUES ('01900000-0000-7000-8000-000000000000', :uid, true, false)"""
)


async def test_an_owner_of_a_role_is_no_desk(world: World, desk: Guest) -> None:
    await world.register("bob")
    page = await made(desk, "sales")
    await desk.post(f"{page}/add", who="bob", owner="yes", version=version(desk))
    bob = Guest(world, "bob")
    await bob.sign_in()
    before = await everything(world)
    posts = [one.path for one in pages(world) if one.post and one.path.startswith(f"{DESK}/roles")]
    assert len(posts) == 5
    for path in ("/ui/admin/roles", "/ui/admin/roles/new", page, "/ui/admin/audit", "/ui/admin/policy"):
        assert (await bob.get(path)).status_code == 403
    for path in posts:
        await bob.get("/ui/account")
        sent = path.replace("/ui/admin/roles/{id}", page).replace("{sid}", NOBODY)
        assert (await bob.post(sent, name="x", who="bob", version="1")).status_code == 403
    assert await everything(world) == before


async def test_the_audit_log_is_filtered_and_paged_through(world: World, desk: Guest) -> None:
    mira = await world.register("mira", email="m@example.org")
    for _ in range(26):
        world.clock.advance(1)
        await world.password("mira", "wrong")

    async def rows(query: str) -> int:
        return (await desk.get(f"/ui/admin/audit{query}")).text.count("<li>")

    for who in ("mira", "M@example.org", mira.uid):
        assert await rows(f"?user={who}") == 25
    (older,) = re.findall(r'href="(/ui/admin/audit\?[^"]*after=[^"]+)"', desk.page)
    assert await rows(older.replace("&amp;", "&").removeprefix("/ui/admin/audit")) == 3
    assert f'href="/ui/admin/users/{mira.uid}">mira</a>' in desk.page
    assert await rows("?user=mira&event=user.created") == 1
    assert "Account created" in desk.page
    assert await rows("?user=mira&event=user.created&since=2027-01-16") == 1
    assert "Nothing yet." in desk.page
    assert await rows("?user=mira&event=user.created&since=2027-01-15") == 1
    assert "Nothing yet." not in desk.page
    assert await rows(f"?user={NOBODY}") == 1
    nobody = await desk.get("/ui/admin/audit?user=nobody")
    assert (nobody.status_code, "There is no such user." in nobody.text) == (400, True)
    assert await rows("?event=moon.eaten&since=yesterday&after=x") == 25
    assert (await desk.get(f"/ui/admin/audit?user={'x' * 5000}")).status_code == 400
    page = await desk.get(f"/ui/admin/audit?user={BAD}&event={BAD}&since={BAD}&after={BAD}")
    assert BAD not in page.text


async def test_the_desk_sees_why_a_sign_in_went_as_it_did(world: World, desk: Guest) -> None:
    mira = await world.register("mira")
    await world.password("mira", "wrong")
    of_user, of_log = [
        re.findall(r'href="(/ui/admin/users/[^"]+/logins/[^"]+)"', (await desk.get(path)).text)[0]
        for path in (f"/ui/admin/users/{mira.uid}", "/ui/admin/audit?user=mira")
    ]
    assert of_user == of_log
    assert f'href="/ui/admin/users/{mira.uid}"' in (await desk.get(of_user)).text
    assert "The password was wrong." in desk.page
    assert (await (await signed_in(world, await world.register("bob"))).get(of_user)).status_code == 404
    own = re.findall(r'href="(/ui/events/[^"]+)"', (await desk.get("/ui/admin/audit?user=admin")).text)
    assert "The password was right." in (await desk.get(own[0])).text


async def test_an_erased_user_is_told_of_by_uid_alone(world: World, desk: Guest) -> None:
    mira = await world.register("mira")
    await mira.login()
    assert (await mira.call("DELETE", "/users/me")).status_code == 204
    page = (await desk.get(f"/ui/admin/audit?user={mira.uid}")).text
    assert f"<code>{mira.uid}</code>" in page
    assert "Account erased" in page
    assert "Sign-in with password" in page
    assert f"/ui/admin/users/{mira.uid}" not in page


async def test_the_policy_is_shown_and_another_one_is_tried(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_MFA_GRACE": "2d", "SALLYPORT_DESK_REASON": "required"})
    mira, bob = await world.enrolled("mira"), await world.register("bob", password=None)
    await give_roles(bob, "sales")
    await give_roles(mira, "sales")
    desk = await signed_in(world, await world.admin())
    page = (await desk.get("/ui/admin/policy")).text
    for told in ("SALLYPORT_REQUIRE_MFA", ">none<", ">48h<", ">admin<", ">required<"):
        assert told in page
    assert "Users looked at" not in page
    page = (await desk.get("/ui/admin/policy?rule=roles:sales")).text
    assert re.findall(r"<dd>(\d+)", page) == ["3", "1", "1", "1"]
    assert f'href="/ui/admin/users/{bob.uid}">bob</a> <span class="tag bad">stuck</span>' in page
    assert "no password, no verified address" in page
    refused = await desk.get(f"/ui/admin/policy?rule={BAD}")
    assert (refused.status_code, "roles:a,b is wanted" in refused.text, BAD in refused.text) == (400, True, False)


async def test_the_policy_tells_who_comes_back_by_waiting(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_MFA_RESET": "not-roles:clerk", "SALLYPORT_MFA_RESET_DELAY": "4d"})
    page = (await (await signed_in(world, await world.admin())).get("/ui/admin/policy")).text
    assert "<code>not-roles:clerk</code>" in page
    assert "<code>96h</code>" in page


async def test_an_impact_looks_at_so_many_users_and_says_so(world: World, desk: Guest) -> None:
    def unit(rows: Rows) -> None:
        for at in range(520):
            rows.post(_USER, uid=f"01900000-0000-7000-8000-{at:012d}", name=f"user{at:03d}")

    await world.service.work(unit)
    see, all_of_them = SeeImpact(work=world.service.work, clock=world.clock), world.service.settings.policy
    part = await see.among(all_of_them, 500, 25)
    assert (part.totals, part.met, part.whole) == (Totals(users=500), (), False)
    whole = await see.among(all_of_them, 10_000, 25)
    assert (whole.totals, whole.whole) == (Totals(users=521), True)
    page = (await desk.get("/ui/admin/policy?rule=all")).text
    assert page.count("<li>") == 25
    assert "The first ones alone" not in page


async def test_the_desk_speaks_german(world: World, desk: Guest) -> None:
    mira = await world.enrolled("mira")
    page = await made(desk, "sales")
    desk.cookies["sallyport-language"] = "de"
    for path, said in (
        ("/ui/admin/users", "Niemand gefunden"),
        (f"/ui/admin/users/{mira.uid}", "Alle zweiten Faktoren entfernen"),
        ("/ui/admin/approvals", "Nichts wartet."),
        ("/ui/admin/roles", "Vertrauensrolle"),
        (page, "Rolle löschen"),
        ("/ui/admin/audit", "Konto angelegt"),
        ("/ui/admin/policy?rule=all", "Müssten einen einrichten"),
    ):
        shown = await desk.get(f"{path}?q=zz" if path.endswith("users") else path)
        assert said in shown.text, path
        assert len(shown.content) < 60_000
