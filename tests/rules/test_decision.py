"""What decided a login, written into one line and read back, and told in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sallyport.audit import decision as decisions
from sallyport.audit.decision import Decision, by_client, read, second_factor, together, written
from sallyport.audit.rules import Event, Factor, Outcome, Record

TEXTS = st.none() | st.text(min_size=1)


@given(st.builds(Decision, why=TEXTS, client=TEXTS, wait=st.none() | st.integers(0, 10**6), rule=TEXTS, by=TEXTS))
def test_what_is_written_is_read_back(decision: Decision) -> None:
    line = written(decision)
    assert read(line) == decision
    assert line is None or line.isascii()


@pytest.mark.parametrize(
    ("detail", "decision"),
    [
        (None, Decision()),
        ("", Decision(why="")),
        ("no such user", Decision(why="no such user")),
        ("client=known strange=1", Decision(client="known")),
        ("wait=soon", Decision()),
        (by_client(known=True), Decision(client="known")),
        (by_client(known=False, why="changed"), Decision(client="stranger", why="changed")),
        (together("client=known", None, "rule=all"), Decision(client="known", rule="all")),
    ],
)
def test_a_line_of_any_release_is_read(detail: str | None, decision: Decision) -> None:
    assert read(detail) == decision


def test_nothing_to_say_is_no_line() -> None:
    assert written(Decision()) is None
    assert together(None, None) is None


def record(
    event: Event, outcome: Outcome, factor: str | None, detail: str | None = None, session: str | None = None
) -> Record:
    return Record(
        uid="u",
        created_at=0,
        event=event,
        outcome=outcome,
        factor=factor,
        user="a",
        actor=None,
        session=session,
        ip=None,
        ip_digest=None,
        request_id="",
        detail=detail,
    )


def explained(one: Record) -> list[str]:
    return list(map(str, decisions.explained(one)))


def test_a_login_that_came_too_late_is_no_wrong_code() -> None:
    late = record(Event.LOGIN_CODE, Outcome.FAILURE, Factor.TOTP, by_client(known=True, why="changed"))
    assert explained(late)[0] == (
        "The code of the app was right, but the login had been used or ended, or the account had changed meanwhile."
    )


def test_a_throttled_one_of_an_older_release_has_no_wait() -> None:
    throttled = record(Event.LOGIN_PASSWORD, Outcome.THROTTLED, Factor.PASSWORD)
    assert explained(throttled) == [
        "Too many tries came before this one: it was not judged, and the client was told to wait."
    ]


def test_a_factor_of_another_release_has_its_own_name() -> None:
    other = record(Event.LOGIN_PASSWORD, Outcome.SUCCESS, "passkey", session="s")
    assert explained(other)[0] == "The passkey was right."
    assert second_factor(other) == "not asked"


def test_what_stands_in_the_place_of_a_password_says_so() -> None:
    for factor, said in ((Factor.DEVICE, "The value of the device"), (Factor.API_KEY, "The API key")):
        told = by_client(known=False, secret="a-uid")
        good = record(Event.LOGIN_PASSWORD, Outcome.SUCCESS, factor, session="s", detail=told)
        assert read(told).secret == "a-uid"
        assert explained(good)[:2] == [
            f"{said} was right.",
            "It stood in the place of the password, and passed by the second factor where there is one.",
        ]
        assert second_factor(good) == "not asked"
