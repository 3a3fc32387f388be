"""Whom a rule about second factors meets, when, and who would be stuck."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sallyport.kernel.policy import Demand, Policy
from sallyport.policy.rules import Hindrance, Subject, judged

GRACE = 100


def policy(rule: str, *, report: bool = False) -> Policy:
    return Policy(
        trusted_roles=frozenset({"admin"}),
        mfa_for_all=rule == "all",
        mfa_for_roles=frozenset({"clerk", "nurse"}) if rule == "roles" else frozenset(),
        mfa_grace=GRACE,
        report_only=report,
    )


@pytest.mark.parametrize(
    ("rule", "roles", "mfa", "met_at", "expected"),
    [
        ("none", ("clerk",), False, 0, Demand.NOTHING),
        ("roles", ("cook",), False, 0, Demand.NOTHING),
        ("roles", ("clerk",), True, 0, Demand.NOTHING),
        ("all", (), True, None, Demand.NOTHING),
        ("all", (), False, None, Demand.LATER),
        ("roles", ("cook", "nurse"), False, None, Demand.LATER),
        ("all", (), False, 901, Demand.LATER),
        ("all", (), False, 900, Demand.NOW),
        ("roles", ("clerk",), False, 0, Demand.NOW),
    ],
)
def test_what_a_rule_asks_of_a_user(
    rule: str,
    roles: tuple[str, ...],
    mfa: bool,  # noqa: FBT001  # a column of the table
    met_at: int | None,
    expected: Demand,
) -> None:
    assert policy(rule).demand(roles, mfa=mfa, reset=False, met_at=met_at, now=1_000) is expected
    reported = policy(rule, report=True)
    asks = Demand.NOTHING if expected is Demand.NOTHING else Demand.REPORTED
    assert reported.demand(roles, mfa=mfa, reset=False, met_at=met_at, now=1_000) is asks
    # What recovery took away is set up again, whatever the rule.
    assert reported.demand(roles, mfa=mfa, reset=True, met_at=met_at, now=1_000) is (
        Demand.NOTHING if mfa else Demand.NOW
    )
    assert not reported.demands_mfa(roles)


def test_a_rule_that_reports_demands_nothing_of_all() -> None:
    assert policy("all").demands_all
    assert not policy("all", report=True).demands_all
    assert not policy("roles").demands_all


def test_the_part_of_a_rule_that_meets_somebody_has_a_name() -> None:
    assert policy("all").names(("nurse",)) == "all"
    assert policy("roles").names(("nurse", "clerk")) == "roles:clerk"
    assert policy("roles").names(("cook",)) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_grace_is_over_once_and_for_good(met_at: int, later: int) -> None:
    rule = policy("all")
    assert rule.demand((), mfa=False, reset=False, met_at=met_at, now=met_at + GRACE - 1) is Demand.LATER
    assert rule.demand((), mfa=False, reset=False, met_at=met_at, now=met_at + GRACE + later) is Demand.NOW


def subject(*, disabled: bool = False, password: bool = True, verified: bool = True, mfa: bool = False) -> Subject:
    return Subject(
        uid="u",
        name="n",
        roles=("nurse",),
        mfa=mfa,
        met_at=None,
        disabled=disabled,
        password=password,
        verified=verified,
    )


@pytest.mark.parametrize("disabled", [True, False])
@pytest.mark.parametrize("password", [True, False])
@pytest.mark.parametrize("verified", [True, False])
def test_stuck_is_who_can_not_log_in_whatever_they_do(disabled: bool, password: bool, verified: bool) -> None:  # noqa: FBT001  # columns
    found = judged(policy("roles"), subject(disabled=disabled, password=password, verified=verified), 1_000)
    assert found
    assert (found.rule, found.enroll_by) == ("roles:nurse", 1_100)
    assert found.stuck is (disabled or not (password or verified))
    expected = {Hindrance.DISABLED: disabled, Hindrance.NO_PASSWORD: not password}
    expected[Hindrance.NO_VERIFIED_ADDRESS] = not verified
    assert found.hindrances == tuple(one for one, is_there in expected.items() if is_there)


def test_whom_a_rule_leaves_alone_is_not_met() -> None:
    assert judged(policy("all"), subject(mfa=True), 0) is None
    assert judged(policy("none"), subject(), 0) is None
