"""Why was I asked? Each step of a login tells its owner, and the desk, what decided it."""

from typing import Any

from tests.conftest import MakeWorld
from tests.expect import refused
from tests.surgery import give_roles, operate
from tests.world import PASSWORD, Person, World, basic

RIGHT = "The password was right."
WRONG = "The password was wrong. The answer did not say so: it is the same for everything that is wrong."
STRANGER = "The client was not known from an earlier login, so it shared its tries with all strangers."
KNOWN = "The client had logged in before, so it had tries of its own."


async def newest(reader: Person, owner: str = "me") -> dict[str, Any]:
    """Return the newest step, explained."""
    reader.world.clock.advance(0.01)  # uids of one millisecond have no order
    listed = await reader.call("GET", f"/users/{owner}/logins?limit=1")
    assert listed.status_code == 200, listed.text
    (step,) = listed.json()
    told = await reader.call("GET", f"/users/{owner}/logins/{step['uid']}/explain")
    assert told.status_code == 200, told.text
    body: dict[str, Any] = told.json()
    assert {name: body[name] for name in step} == step
    assert set(body) - set(step) == {"explanation"}
    return body


async def test_without_a_second_factor_none_was_asked_for(world: World) -> None:
    alice = await world.register("alice")
    granted = (await world.password("alice", PASSWORD)).json()
    told = await newest(alice)
    assert told["explanation"] == [RIGHT, "The account had no second factor, so none was asked for.", STRANGER]
    assert (told["event"], told["outcome"], told["factor"]) == ("login.password", "success", "password")
    assert (told["secondFactor"], told["knownClient"], told["rule"], told["demand"]) == ("not asked", False, None, None)
    known = basic("alice", PASSWORD) | {"x-sallyport-client": granted["client"]}
    await world.call("GET", "/auth/password", headers=known)
    told = await newest(alice)
    assert (told["explanation"][-1], told["knownClient"]) == (KNOWN, True)


async def test_with_one_it_was_asked_for_and_given(world: World) -> None:
    alice = await world.enrolled("alice")
    world.clock.advance(30)
    challenge = await alice.challenge()
    told = await newest(alice)
    asked = "The account has a second factor, so that was asked for; without it nothing was opened."
    assert (told["explanation"], told["secondFactor"]) == ([RIGHT, asked, STRANGER], "asked")
    assert told["sessionId"] is None
    assert alice.phone
    await world.answer(challenge, alice.phone.wrong())
    told = await newest(alice)
    wrong = "The code of the app was wrong, or had been used before."
    assert told["explanation"][0].startswith(wrong)
    assert told["secondFactor"] == "asked"
    session = (await world.answer(challenge, alice.phone.code())).json()
    told = await newest(alice)
    given = "It was given as the second factor that the account has."
    assert told["explanation"][:2] == ["The code of the app was right.", given]
    assert (told["secondFactor"], told["sessionId"] is not None) == ("given", True)
    assert session["type"] == "ACCESS"
    challenge = await alice.challenge()
    world.clock.advance(0.01)
    await world.answer(challenge, alice.codes[0])
    assert (await newest(alice))["explanation"][:2] == ["The backup code was right.", given]


async def test_a_new_proof_is_told_apart(world: World) -> None:
    alice = await world.register("alice")
    await alice.call("POST", "/auth/elevate", {"password": PASSWORD})
    assert (await newest(alice))["explanation"] == [RIGHT, "It was a new proof for a session that was open already."]
    await alice.call("POST", "/auth/elevate", {"password": "wrong"})
    assert (await newest(alice))["explanation"] == [WRONG]


async def test_what_the_answer_never_says_is_told_to_owner_and_desk(world: World) -> None:
    alice, bare, desk = await world.register("alice"), await world.register("bare", None), await world.admin()
    answers = [await world.password(name, "wrong") for name in ("alice", "bare")]
    assert (await newest(alice))["explanation"] == [WRONG, STRANGER]
    nothing = "The account has no password: whatever was typed could not be right."
    assert (await newest(bare))["explanation"] == [nothing]
    await operate(world, "UPDATE users SET disabled_at = 1 WHERE id = :uid", uid=alice.uid)
    answers.append(await world.password("alice", PASSWORD))
    disabled = "The account is disabled: whatever was typed could not be right."
    assert (await newest(desk, alice.uid))["explanation"] == [disabled]
    assert {refused(answer, 401, "invalid_credentials")["detail"] for answer in answers} == {
        "Name or password is not right."
    }


async def test_the_wait_of_a_throttled_one_is_told(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_THROTTLE": "on"})
    alice = await world.register("alice")
    for _ in range(6):
        world.clock.advance(0.1)
        await world.password("alice", "wrong")
    told = await newest(alice)
    assert told["outcome"] == "throttled"
    assert told["explanation"] == [
        "Too many tries came before this one: it was not judged, and the client was told to wait for 30 seconds."
    ]


async def test_a_rule_that_meets_a_user_is_named(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "roles:night clerk", "SALLYPORT_MFA_GRACE": "1d"})
    alice, desk = await world.register("alice"), await world.admin()
    await give_roles(alice, "night clerk")
    await world.password("alice", PASSWORD)
    told = await newest(alice)
    rule = "The rule `roles:night clerk` demands a second factor that the account did not have"
    assert told["explanation"][-1] == f"{rule}: until 2027-01-16T08:00:00.000000Z it may do without."
    assert (told["rule"], told["demand"]) == ("roles:night clerk", "later")
    world.clock.advance(86_400)
    await world.password("alice", PASSWORD)
    desk = await world.admin()
    told = await newest(desk, alice.uid)
    assert told["explanation"][-1] == f"{rule}: the session could do nothing but set one up."
    assert told["demand"] == "now"


async def test_a_rule_that_only_reports_is_named_too(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_REQUIRE_MFA": "report:all"})
    alice = await world.register("alice")
    await world.password("alice", PASSWORD)
    told = await newest(alice)
    rule = "The rule `all` demands a second factor that the account did not have"
    assert told["explanation"][-1] == f"{rule}; it only reports, so nothing was held back."


async def test_a_backup_code_in_place_of_a_password_is_named(make_world: MakeWorld) -> None:
    world: World = await make_world({"SALLYPORT_BACKUP_CODE_LOGIN": "true"})
    alice = await world.enrolled("alice")
    await world.password("alice", alice.codes[0])
    assert (await newest(alice))["explanation"] == [
        "The backup code was right.",
        "It stood for password and code, as the operator allows: the session has one factor.",
        STRANGER,
    ]


async def test_logins_come_newest_first_and_page_by_page(world: World) -> None:
    alice, bob = await world.register("alice"), await world.register("bob")
    for number in range(5):
        world.clock.advance(1)
        await world.password("alice", PASSWORD if number % 2 else "wrong")
    await world.password("bob", PASSWORD)
    await alice.call("PUT", "/users/me", {"version": 0, "firstName": "Alice"})
    whole = (await alice.call("GET", "/users/me/logins")).json()
    assert [one["outcome"] for one in whole] == ["failure", "success", "failure", "success", "failure"]
    first = await alice.call("GET", "/users/me/logins?limit=3")
    assert first.json() == whole[:3]
    assert first.headers["link"].startswith(f"</users/me/logins?limit=3&after={whole[2]['uid']}>")
    rest = await alice.call("GET", f"/users/me/logins?after={whole[2]['uid']}&skip=1&sort=-dateCreated")
    assert rest.json() == whole[4:]
    refused(await alice.call("GET", "/users/me/logins?sort=name"), 400, "invalid_request")
    refused(await alice.call("GET", "/users/me/logins?event=login.code"), 400, "invalid_request")
    path = f"/logins/{whole[0]['uid']}/explain"
    refused(await bob.call("GET", f"/users/me{path}"), 404, "not_found")
    refused(await bob.call("GET", f"/users/{alice.uid}{path}"), 404, "not_found")
    other = (await alice.call("GET", "/users/me/audit?event=user.changed")).json()[0]["uid"]
    refused(await alice.call("GET", f"/users/me/logins/{other}/explain"), 404, "not_found")
