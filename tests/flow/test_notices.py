"""What happens to an account is mailed to its owner, with a link that says "this was not me"."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sallyport.audit.rules import Event, Factor, Outcome, Record
from sallyport.notices.news import notice
from tests.attacks.surface import opens_nothing
from tests.conftest import MakeWorld
from tests.expect import refused
from tests.mail import Mail
from tests.surgery import count, give_roles, operate, verify_email
from tests.world import PASSWORD, Person, World, basic, bearer

NEW = "a horse that nobody has seen"
Deed = Callable[[Person], Awaitable[object]]


async def known(world: World, *, enroll: bool = False) -> Person:
    """Register one with a verified address, and throw away the mail of that."""
    person = await world.register("alice", email="alice@example.org")
    await verify_email(person)
    if enroll:
        await person.enroll()
    await world.mails()
    return person


async def told(person: Person) -> dict[str, Mail]:
    """Return the new notices by their subjects, all of them to the verified address and with a link."""
    mails = await person.world.mails()
    for mail in mails:
        assert mail.to == "alice@example.org"
        *ways_back, link = mail.links
        is_removal = (
            mail.subject == "Sallyport: the authenticator app was removed" and "looks after" not in mail.raw.decode()
        )
        assert [way.page for way in ways_back] == ["http://127.0.0.1:8080/ui/undo"] * is_removal
        assert (link.page, link.id, link.token[:4]) == ("http://127.0.0.1:8080/ui/not-me", person.uid, "spu_")
        assert mail.part("plain").startswith("Hello alice,")
        assert "{" not in mail.part("plain") + mail.part("html")
    return {mail.subject.removeprefix("Sallyport: "): mail for mail in mails}


async def enrolls(person: Person) -> None:
    await person.enroll()


async def removes_the_app(person: Person) -> None:
    assert (await person.call("DELETE", f"/users/me/secrets/{person.totp}")).status_code == 204


async def makes_codes(person: Person) -> None:
    assert (await person.call("POST", "/users/me/secrets", {"type": "mfabackup"})).status_code == 200


async def makes_a_key(person: Person) -> None:
    assert (await person.call("POST", "/users/me/secrets", {"type": "apikey"})).status_code == 200


async def changes_the_password(person: Person) -> None:
    held = next(one for one in (await person.call("GET", "/users/me/secrets")).json() if one["type"] == "password")
    change = {"version": held["version"], "current": PASSWORD, "secret": NEW}
    assert (await person.call("PUT", f"/users/me/secrets/{held['uid']}", change)).status_code == 200


async def changes_the_address(person: Person) -> None:
    answer = await person.call("PUT", "/users/me", {"version": 0, "email": "new@example.org", "firstName": "A"})
    assert answer.status_code == 200


async def logs_in_elsewhere(person: Person) -> None:
    await person.login()


async def loses_a_refresh_token(person: Person) -> None:
    first = person.refresh
    answer = await person.world.call("POST", "/auth/refresh", {"refresh": first})
    await person.world.call("POST", "/auth/refresh", {"refresh": answer.json()["refresh"]})
    person.world.clock.advance(11)
    refused(await person.world.call("POST", "/auth/refresh", {"refresh": first}), 401, "invalid_token")


@pytest.mark.parametrize(
    ("deed", "enrolled", "subjects"),
    [
        (enrolls, False, {"a new authenticator app"}),
        (removes_the_app, True, {"the authenticator app was removed"}),
        (makes_codes, True, {"new backup codes"}),
        (makes_a_key, True, {"a new API key"}),
        (changes_the_password, True, {"your password was changed"}),
        (changes_the_address, True, {"your account was changed"}),
        (logs_in_elsewhere, True, {"your authenticator app was used for the first time"}),
        (logs_in_elsewhere, False, {"a login from a new browser or program"}),
        (loses_a_refresh_token, False, {"a session was used by two"}),
    ],
)
async def test_each_change_is_told_once(world: World, deed: Deed, enrolled: bool, subjects: set[str]) -> None:  # noqa: FBT001  # a parameter of the table
    alice = await known(world, enroll=enrolled)
    await deed(alice)
    found = await told(alice)
    assert set(found) == subjects
    (mail,) = found.values()
    assert "from the network address 127.0.0.1" in mail.part("plain")


async def test_a_new_address_is_told_to_the_old_one(world: World) -> None:
    alice = await known(world)
    await changes_the_address(alice)
    (mail,) = (await told(alice)).values()
    assert "mail address first name" in " ".join(mail.part("plain").split())
    await world.call("POST", f"/users/{alice.uid}/verify/send", headers=bearer(alice.token))
    (link,) = await world.mails()
    answer = await world.call("POST", f"/users/{alice.uid}/verify", {"token": link.token})
    assert answer.status_code == 204
    left, new = sorted(await world.mails(), key=lambda mail: mail.subject, reverse=True)
    assert [(left.to, new.to)] == [("alice@example.org", "new@example.org")]
    assert (left.subject, new.subject) == (
        "Sallyport: your account has a new address",
        "Sallyport: mail about your account comes here now",
    )
    for mail in (left, new):
        (disowns,) = mail.links
        assert disowns.page.endswith("/ui/not-me")
    answer = await world.call("POST", f"/users/{alice.uid}/not-me", {"token": left.token})
    assert answer.status_code == 204


async def test_a_new_name_is_told(world: World) -> None:
    alice = await known(world)
    assert (await alice.call("PUT", "/users/me", {"version": 0, "name": "alicia"})).status_code == 200
    (mail,) = await world.mails()
    assert (mail.to, mail.subject) == ("alice@example.org", "Sallyport: your account was changed")
    assert "Hello alicia," in mail.part("plain")
    assert "in your account: name." in mail.part("plain")


async def test_only_the_first_login_with_an_app_is_told_as_that(world: World) -> None:
    alice = await known(world, enroll=True)
    first = (await _login(alice))["client"]
    assert "that was not known" in (await only(alice, "your authenticator app was used for the first time"))
    world.clock.advance(30)
    await _login(alice, {"x-sallyport-client": first})
    assert await told(alice) == {}
    rows = (await alice.call("GET", "/users/me/logins")).json()
    codes = [row["uid"] for row in rows if row["factor"] == "totp"]
    said = [(await alice.call("GET", f"/users/me/logins/{uid}/explain")).json()["explanation"] for uid in codes[:2]]
    assert ["No login had used this app before." in one for one in said] == [False, True]


async def test_the_first_use_of_an_app_may_be_a_new_proof(world: World) -> None:
    alice = await known(world, enroll=True)
    assert alice.phone
    for told_once in (True, False):
        world.clock.advance(30)
        answer = await alice.call("POST", "/auth/elevate", {"password": PASSWORD, "token": alice.phone.code()})
        assert answer.status_code == 200
        alice.token = answer.json()["token"]
        assert ("your authenticator app was used for the first time" in await told(alice)) is told_once


async def test_used_codes_are_told_with_what_is_left(world: World) -> None:
    alice = await known(world, enroll=True)
    subjects = []
    for code in alice.codes:
        answer = await world.answer(await alice.challenge(), code)
        assert answer.status_code == 200
        subjects += list(await told(alice))
    used = "a backup code was used"
    low = [f"{used}: {left} left" for left in (3, 2, 1)]
    assert subjects == [used] * 6 + low + [f"{used}, and it was the last"]


async def test_a_client_that_is_known_and_a_refresh_are_no_news(world: World) -> None:
    alice = await known(world)
    client = (await world.password("alice", PASSWORD)).json()["client"]
    await world.mails()
    headers = basic("alice", PASSWORD) | {"x-sallyport-client": client}
    answer = await world.call("GET", "/auth/password", headers=headers)
    assert (await world.call("POST", "/auth/refresh", {"refresh": answer.json()["refresh"]})).status_code == 200
    await alice.call("PUT", "/users/me", {"version": 0, "phone": "1"})
    await alice.begin_enrollment()
    await world.password("alice", "wrong")
    assert await told(alice) == {}


async def test_what_the_desk_does_is_told_with_its_reason_and_not_with_its_address(world: World) -> None:
    alice, admin = await known(world, enroll=True), await world.admin()
    path = f"/users/{alice.uid}/secrets/{alice.totp}"
    reason = "lost phone, seen with passport " + "x" * 300
    assert (await admin.call("DELETE", path, {"reason": reason})).status_code == 204
    (mail,) = (await told(alice)).values()
    text = mail.part("plain")
    assert "The reason given: lost phone, seen with passport" in text
    assert "somebody who looks after accounts" in text
    assert "127.0.0.1," not in text
    assert max(map(len, mail.raw.splitlines())) < 998


async def test_who_comes_into_a_role_or_leaves_it_is_told_and_nobody_else_is(world: World) -> None:
    alice, admin = await known(world), await world.admin()
    body = {"name": "payroll.clerks", "members": [alice.uid]}
    made = (await admin.call("POST", "/roles", body)).json()
    found = await told(alice)
    assert set(found) == {"you are in a role"}
    text = found["you are in a role"].part("plain")
    assert 'a member of the role "payroll.clerks".' in text
    assert "somebody who looks after accounts" in text
    people: list[tuple[dict[str, Any], str]] = [
        ({"owners": [alice.uid]}, "you own a role"),
        ({"owners": []}, "you own a role no more"),
    ]
    for version, (change, subject) in enumerate(people):
        answer = await admin.call("PUT", f"/roles/{made['uid']}", {"version": version, "members": []} | change)
        assert answer.status_code == 200
        assert subject in await told(alice)
    await admin.call("PUT", f"/roles/{made['uid']}", {"version": 2, "members": [alice.uid]})
    await told(alice)
    assert (await admin.call("DELETE", f"/roles/{made['uid']}")).status_code == 204
    assert set(await told(alice)) == {"you are no member of a role any more"}


async def test_an_app_that_was_only_begun_is_not_told_to_be_removed(world: World) -> None:
    alice = await known(world)
    begun = (await alice.call("POST", "/users/me/secrets", {"type": "mfa"})).json()
    assert (await alice.call("DELETE", f"/users/me/secrets/{begun['uid']}")).status_code == 204
    assert await told(alice) == {}
    assert await count(world, "totp") == 0


async def test_who_has_no_verified_address_costs_no_row_and_gets_no_mail(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    await alice.enroll()
    await alice.login()
    await makes_codes(alice)
    assert await count(world, "outbox") == await count(world, "mailed_tokens") == 0


async def test_a_login_of_who_gets_no_mail_runs_no_statement_more(world: World) -> None:
    alice = await world.register("alice", email="alice@example.org")
    seen: list[str] = []
    writer = world.service.work
    writer._writer.set_trace_callback(seen.append)  # type: ignore[attr-defined]  # SQLite's, in this test
    await alice.login()
    assert len(seen) > 5
    assert not [sql for sql in seen if "outbox" in sql]


async def test_this_was_not_me_ends_sessions_suspends_keys_and_does_nothing_else(world: World) -> None:
    alice = await known(world, enroll=True)
    key = (await alice.call("POST", "/users/me/secrets", {"type": "apikey"})).json()["secret"]
    challenge = await alice.challenge()
    (mail,) = (await told(alice)).values()
    path, body = f"/users/{alice.uid}/not-me", {"token": mail.token}
    answer = await world.call("POST", path, body)
    assert (answer.status_code, answer.content) == (204, b"")
    opens_nothing(answer)
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")
    refused(await world.call("POST", "/auth/refresh", {"refresh": alice.refresh}), 401, "invalid_token")
    refused(await world.answer(challenge, alice.codes[0]), 401, "challenge_invalid")
    answer = await world.call("GET", "/users/me", headers={"authorization": f"Bearer {key}"})
    refused(answer, 401, "invalid_token")
    # The password, the app and the codes are what they were; and the link is good once.
    refused(await world.call("POST", path, body), 400, "token_invalid")
    assert await count(world, "backup_codes") == 10
    await alice.login()


async def test_this_was_not_me_forgets_the_devices_of_a_thief_too(world: World) -> None:
    alice, value = await known(world), "what the thief's program has made up"
    made = await alice.call("POST", "/users/me/secrets", {"type": "device", "secret": value})
    assert made.status_code == 200
    (mail,) = (await told(alice)).values()
    assert (await world.call("POST", f"/users/{alice.uid}/not-me", {"token": mail.token})).status_code == 204
    refused(await world.password("alice", value), 401, "invalid_credentials")
    assert await count(world, "devices") == 0


async def test_a_notice_is_disowned_for_a_week_by_its_user_alone(world: World) -> None:
    alice, bob = await known(world), await world.register("bob")
    await alice.login()
    await alice.login()
    first, second = await world.mails()
    assert first.token != second.token
    body = {"token": first.token}
    refused(await world.call("POST", f"/users/{bob.uid}/not-me", body), 400, "token_invalid")
    world.clock.advance(7 * 24 * 3600)
    refused(await world.call("POST", f"/users/{alice.uid}/not-me", body), 400, "token_invalid")


async def test_a_notice_that_is_tried_again_has_the_same_link(world: World) -> None:
    alice = await known(world)
    await alice.login()
    taken = await world.service.postman._claimed()
    assert taken
    first = await world.service.work(lambda rows: world.service.mailed.for_letter(rows, alice.uid, taken.uid))
    world.clock.advance(121)
    (mail,) = await world.mails()
    assert mail.token == first.reveal()
    assert await count(world, "mailed_tokens") == 1


async def test_who_is_disabled_and_enabled_again_is_told_why(world: World) -> None:
    alice, admin = await known(world), await world.admin()
    for disabled, subject in ((True, "your account was disabled"), (False, "your account is enabled again")):
        version = (await admin.call("GET", f"/users/{alice.uid}")).json()["version"]
        body = {"version": version, "disabled": disabled, "reason": "left the company"}
        assert (await admin.call("PUT", f"/users/{alice.uid}", body)).status_code == 200
        text = await only(alice, subject)
        assert "The reason given: left the company." in text
        assert "somebody who looks after accounts" in text
        assert ("set a new password" in text) is not disabled


@pytest.mark.parametrize("which", ["one", "all"])
async def test_whose_sessions_the_desk_ends_is_told_why(world: World, which: str) -> None:
    alice, admin = await known(world), await world.admin()
    path = f"/users/{alice.uid}/sessions"
    if which == "one":
        path += "/" + (await admin.call("GET", path)).json()[0]["uid"]
    assert (await admin.call("DELETE", path, {"reason": "a stolen laptop"})).status_code == 204
    text = await only(alice, "you were signed out")
    assert "The reason given: a stolen laptop." in text
    assert "somebody who looks after accounts" in text
    # Whoever signs themselves out knows it.
    await alice.login()
    await told(alice)
    await alice.call("DELETE", "/users/me/sessions")
    await alice.call("POST", "/auth/logout")
    assert await told(alice) == {}


def test_what_is_done_on_the_host_is_told_as_done_by_the_desk() -> None:
    letter = notice(record(Event.SESSIONS_ENDED, "u", actor=None, detail="2 a stolen laptop (host)", ip="::1"))
    assert letter
    assert (letter.template, letter.facts["reason"]) == ("sessions_ended", "a stolen laptop")
    assert (letter.facts["desk"], letter.facts["ip"]) == ("yes", "")


async def test_whose_second_factor_two_persons_take_away_is_told_twice_and_the_first_of_them_once(
    make_world: MakeWorld,
) -> None:
    world = await make_world({"SALLYPORT_DESK_APPROVAL": "two"})
    alice, admin, second = await known(world, enroll=True), await world.admin(), await world.enrolled("second")
    await operate(
        world,
        """UPDATE users SET verified_at = created_at, verified_email_key = 'desk@example.org',
                  verified_email = 'desk@example.org' WHERE id = :uid""",
        uid=admin.uid,
    )
    await give_roles(second, "admin")
    await second.login()
    body = {"reason": "lost phone"}
    asked = await admin.call("DELETE", f"/users/{alice.uid}/secrets/{alice.totp}", body)
    assert asked.status_code == 202
    await world.service.postman.carry()
    text = await only(alice, "your second factor is about to be taken away")
    assert "The reason given: lost phone." in text
    assert (await second.call("POST", f"/approvals/{asked.json()['uid']}")).status_code == 204
    to_first, to_alice = sorted(await world.mails(), key=lambda mail: mail.to, reverse=True)
    assert (to_first.to, to_first.subject) == ("desk@example.org", "Sallyport: what you asked for was confirmed")
    assert f"from the user {alice.uid}" in to_first.part("plain")
    assert to_alice.subject == "Sallyport: the authenticator app was removed"


@pytest.mark.parametrize(("grace", "said"), [("14d", "Set up an authenticator app by 2027-01-29"), ("0", "app: ")])
async def test_whom_the_rule_about_second_factors_meets_is_told_until_when(
    make_world: MakeWorld, grace: str, said: str
) -> None:
    world = await make_world({"SALLYPORT_REQUIRE_MFA": "roles:payroll", "SALLYPORT_MFA_GRACE": grace})
    alice = await known(world)
    await give_roles(alice, "payroll")
    client = (await _login(alice))["client"]
    found = await told(alice)
    assert said in found["your account needs a second factor"].part("plain")
    await _login(alice, {"x-sallyport-client": client})
    assert await told(alice) == {}


async def test_whoever_asks_for_a_new_password_may_say_that_it_was_not_them(world: World) -> None:
    alice = await known(world)
    await world.call("POST", "/users/recover", {"identifier": "alice"})
    (mail,) = await world.mails()
    recovers, disowns = mail.links
    assert (recovers.page[-11:], disowns.page[-10:]) == ("/ui/recover", "/ui/not-me")
    assert (recovers.token[:4], disowns.token[:4]) == ("spx_", "spu_")
    assert (await world.call("POST", f"/users/{alice.uid}/not-me", {"token": disowns.token})).status_code == 204
    refused(await alice.call("GET", "/users/me"), 401, "invalid_token")


async def test_a_hundred_wrong_codes_are_told(world: World) -> None:
    alice = await known(world, enroll=True)
    await operate(world, "UPDATE totp SET switched_off_at = NULL WHERE user_id = :u", u=alice.uid)
    letter = notice(record(Event.SECRET_SWITCHED_OFF, alice.uid, Factor.TOTP))
    assert letter
    await world.service.work(lambda rows: world.service.outbox.post(rows, alice.uid, letter))
    assert set(await told(alice)) == {"your authenticator app was switched off"}


async def only(person: Person, subject: str) -> str:
    """Return the text of the one notice that came."""
    found = await told(person)
    assert set(found) == {subject}
    return found[subject].part("plain")


async def _login(person: Person, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """Log in as somebody whose client is not known, or is; returns the tokens."""
    world = person.world
    answer = await world.call("GET", "/auth/password", headers=basic(person.name, PASSWORD) | (headers or {}))
    if person.phone and answer.json()["type"] == "CHALLENGE":
        world.clock.advance(30)
        body = {"challenge": answer.json()["token"], "token": person.phone.code()}
        answer = await world.call("POST", "/auth/totp", body, headers=headers or {})
    assert answer.status_code == 200
    person.token = answer.json()["token"]
    return dict(answer.json())


def record(event: Event, user: str, factor: Factor | None = None, **more: object) -> Record:
    given = {"outcome": "success", "actor": user, "session": None, "ip": None, "detail": None} | more
    return Record(uid="0", created_at=0, event=event, factor=factor, user=user, ip_digest=None, request_id="", **given)  # type: ignore[arg-type]  # as the table says


def test_what_was_refused_or_is_about_nobody_is_no_news() -> None:
    good = record(Event.SECRET_ENROLLED, "u", Factor.TOTP)
    assert notice(good)
    for outcome in (Outcome.FAILURE, Outcome.THROTTLED):
        assert notice(record(Event.SECRET_ENROLLED, "u", Factor.TOTP, outcome=outcome)) is None
    assert notice(record(Event.LOGIN_ELEVATE, "u", Factor.PASSWORD)) is None
    assert notice(record(Event.LOGIN_ELEVATE, "u", Factor.BACKUP_CODE)) is not None
    assert notice(record(Event.SESSION_ENDED, "u")) is None
    described = record(Event.SECRET_CHANGED, "u", Factor.PASSWORD, detail="uid description")
    assert notice(described) is None
