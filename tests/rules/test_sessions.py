"""Levels, lifetimes, the turn of a refresh token, and identifiers in order."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sallyport.kernel.clock import DAY, HOUR, SECOND, rfc3339
from sallyport.kernel.ids import Ids, is_uid, system_randomness
from sallyport.kernel.opaque import CHALLENGE, REFRESH, digest_of, new_token
from sallyport.kernel.policy import Policy
from sallyport.sessions.rules import Limits, Session, Turn, acr, amr, ends_at, turn
from tests.world import TurnedClock

# NIST SP 800-63B-4 3.1.1, 3.1.4: what each method proves. Written down here a second time, on purpose.
KINDS = {"pwd": "knowledge", "otp": "possession"}


@pytest.mark.parametrize(
    "proven", [(), ("pwd",), ("otp",), ("pwd", "otp"), ("otp", "pwd"), ("pwd", "pwd"), ("otp", "otp"), ("otp",) * 3]
)
def test_no_set_of_methods_reaches_aal2_without_two_kinds(proven: tuple[str, ...]) -> None:
    kinds = {KINDS[method] for method in proven}
    assert acr(proven) == ("aal0", "aal1", "aal2")[len(kinds)]
    assert ("mfa" in amr(proven)) == (len(kinds) == 2)
    assert tuple(method for method in amr(proven) if method != "mfa") == proven


def test_a_method_of_no_known_kind_proves_nothing() -> None:
    with pytest.raises(KeyError):
        acr(("pwd", "mfa"))


moments = st.integers(min_value=0, max_value=10**16)
spans = st.integers(min_value=SECOND, max_value=400 * DAY)


@given(moments, spans, spans, st.integers(0, 400 * DAY))
def test_a_session_ends_idle_or_at_its_most_whatever_comes_first(
    created: int, idle: int, absolute: int, used_after: int
) -> None:
    session = Session(
        uid="s",
        user="u",
        proven=(),
        auth_time=created,
        created_at=created,
        last_used_at=created + used_after,
        ip="",
        user_agent="",
    )
    end = ends_at(session, Limits(idle=idle, absolute=absolute))
    assert end <= created + absolute
    assert end <= created + used_after + idle
    assert end in {created + absolute, created + used_after + idle}


TURNS = [
    # spent so many seconds ago (None: never), retired, its successor, what follows (api.md section 5)
    (None, False, "live", Turn.DEAD),
    (None, True, "live", Turn.DEAD),
    (0, True, "spent", Turn.DEAD),
    (0, False, "live", Turn.AGAIN),
    (10, False, "live", Turn.AGAIN),
    (10.000001, False, "live", Turn.STOLEN),
    (10, False, "spent", Turn.STOLEN),
    (0, False, "spent", Turn.STOLEN),
    (0, False, "retired", Turn.DEAD),
    (10, False, "retired", Turn.DEAD),
    (11, False, "retired", Turn.STOLEN),
    (11, False, "spent", Turn.STOLEN),
    (86_400, False, "live", Turn.STOLEN),
    # in our future: by a clock that is ahead, or by ours before it was set back
    (-10, False, "live", Turn.AGAIN),
    (-10.000001, False, "live", Turn.DEAD),
    (-86_400, False, "live", Turn.DEAD),
    (-86_400, False, "spent", Turn.STOLEN),
]


@pytest.mark.parametrize(("seconds", "retired", "successor", "expected"), TURNS)
def test_the_turn_of_a_refresh_token(seconds: float | None, retired: bool, successor: str, expected: Turn) -> None:  # noqa: FBT001  # a column of the table
    now = 2 * DAY
    spent_at = None if seconds is None else now - round(seconds * SECOND)
    assert turn(spent_at=spent_at, retired=retired, successor=successor, now=now) is expected


@given(st.lists(st.integers(min_value=1, max_value=10_000_000), min_size=2, max_size=50))
def test_identifiers_sort_by_the_microsecond_in_which_they_were_made(pauses: list[int]) -> None:
    clock = TurnedClock()
    ids = Ids(clock, system_randomness)
    made = []
    for pause in pauses:
        made.append(ids.new())
        clock.micros += pause
    assert made == sorted(made)


@given(moments)
def test_an_identifier_is_a_uuid_of_version_seven(moment: int) -> None:
    clock = TurnedClock()
    clock.micros = moment
    text = Ids(clock, system_randomness).new()
    read = uuid.UUID(text)
    assert (str(read), read.version, read.variant) == (text, 7, uuid.RFC_4122)
    assert read.int >> 80 == moment // 1_000
    assert is_uid(text)


def test_identifiers_of_one_moment_differ() -> None:
    ids = Ids(TurnedClock(), system_randomness)
    assert len({ids.new() for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize("text", ["", "me", "{}", "0" * 36, "0190B3C4-0000-7000-8000-000000000000", "x" * 36])
def test_anything_but_the_canonical_form_is_no_identifier(text: str) -> None:
    assert not is_uid(text)
    assert not is_uid("0190b3c4-0000-7000-8000-000000000000\n")


@pytest.mark.parametrize("prefix", [REFRESH, CHALLENGE])
def test_a_token_is_256_random_bits_behind_its_prefix(prefix: str) -> None:
    tokens = [new_token(prefix, system_randomness) for _ in range(200)]
    texts = {token.reveal() for token in tokens}
    assert len(texts) == 200
    assert all(text.startswith(prefix) and len(text) == len(prefix) + 43 for text in texts)
    assert len({digest_of(token) for token in tokens}) == 200
    assert all(len(digest_of(token)) == 32 for token in tokens)


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (1_709_164_800_000_000, "2024-02-29T00:00:00.000000Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_moments_are_written_to_the_microsecond(micros: int, text: str) -> None:
    assert rfc3339(micros) == text


def test_policy_trusts_and_demands_by_role() -> None:
    policy = Policy(trusted_roles=frozenset({"admin"}), mfa_for_all=False, mfa_for_roles=frozenset({"staff"}))
    assert policy.trusts(("staff", "admin"))
    assert not policy.trusts(("Admin", "staff"))
    assert not policy.trusts(())
    assert policy.demands_mfa(("staff",))
    assert not policy.demands_mfa(("admin",))
    everyone = Policy(trusted_roles=frozenset(), mfa_for_all=True, mfa_for_roles=frozenset())
    assert everyone.demands_mfa(())
    assert not everyone.trusts(("admin",))


def test_an_hour_is_an_hour() -> None:
    assert (HOUR, DAY) == (3_600 * 10**6, 86_400 * 10**6)
