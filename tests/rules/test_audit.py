"""What an audit row is bound to, and what is found where one was changed."""

import hmac
import json

import pytest
from msgspec.structs import replace

from sallyport.audit.chain import CHAIN, IP, ROW, START, Mark, altered, bound_ip, canonical, link, mark_of, misplaced
from sallyport.audit.http import moment
from sallyport.audit.keys import AuditKeys
from sallyport.audit.rules import Event, Factor, Outcome, Record, oldest_uid
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.text import UnfitError
from sallyport.kernel.vault import Ring

OLD, NEW = "aa" * 8, "bb" * 8
OLD_KEY, NEW_KEY = b"o" * 32, b"n" * 32
BOTH = {OLD: Hidden(OLD_KEY), NEW: Hidden(NEW_KEY)}
UID = "01a206db-9b32-77d2-9010-41e593f84fa4"
OTHER = "01a206db-9b32-77d2-9010-41e593f84fa5"


def keys(active: str = OLD) -> AuditKeys:
    return AuditKeys(Ring(name="audit", active=active, keys=BOTH))


def record(made_with: AuditKeys | None = None) -> Record:
    made = made_with or keys()
    bare = Record(
        uid=UID,
        created_at=1_800_000_000_000_000,
        event=Event.LOGIN_PASSWORD,
        outcome=Outcome.FAILURE,
        factor=Factor.PASSWORD,
        user=UID,
        actor=None,
        session=None,
        ip="192.0.2.7",
        ip_digest=made.digest(IP, bound_ip(UID, "192.0.2.7")),
        request_id="r-1",
        detail="",
    )
    return replace(bare, row_digest=made.digest(ROW, canonical(bare)))


def placed(before: Mark, one: Record, made_with: AuditKeys | None = None) -> Record:
    digest = (made_with or keys()).digest(CHAIN, link(before, one.row_digest))
    return replace(one, position=before.position + 1, chain_digest=digest)


def test_a_row_is_bound_as_documented() -> None:
    one = record()
    assert one.ip_digest
    written = (
        b"1,s36:01a206db-9b32-77d2-9010-41e593f84fa4,i16:1800000000000000,s14:login.password,s7:failure,s8:password"
        b",s36:01a206db-9b32-77d2-9010-41e593f84fa4,-,-,b40:" + one.ip_digest + b",s3:r-1,s0:"
    )
    assert canonical(one) == written
    assert one.row_digest == bytes.fromhex(OLD) + hmac.digest(OLD_KEY, b"audit row\x1f" + written, "sha256")
    address = b"audit ip\x1f" + UID.encode() + b"\x1f192.0.2.7"
    assert one.ip_digest == bytes.fromhex(OLD) + hmac.digest(OLD_KEY, address, "sha256")


def test_the_chain_is_bound_as_documented() -> None:
    first = placed(START, record())
    value = b"audit chain\x1f1\x1f\x1f" + first.row_digest
    assert first.chain_digest == bytes.fromhex(OLD) + hmac.digest(OLD_KEY, value, "sha256")
    second = placed(mark_of(first, START), record())
    value = b"audit chain\x1f2\x1f" + first.chain_digest + b"\x1f" + second.row_digest
    assert second.chain_digest == bytes.fromhex(OLD) + hmac.digest(OLD_KEY, value, "sha256")


def test_a_genuine_row_has_no_fault() -> None:
    assert altered(record(), keys().fits) is None
    assert altered(replace(record(), ip=None), keys().fits) is None


@pytest.mark.parametrize(
    "change",
    [
        {"uid": OTHER},
        {"created_at": 1_800_000_000_000_001},
        {"created_at": "1800000000000000"},
        {"created_at": 1.5},
        {"event": "login.code"},
        {"outcome": "success"},
        {"factor": None},
        {"user": None},
        {"user": OTHER},
        {"actor": UID},
        {"session": UID},
        {"ip": "192.0.2.8"},
        {"ip": ""},
        {"ip_digest": None},
        {"ip_digest": b"x" * 40},
        {"request_id": "r-2"},
        {"detail": None},
        {"detail": b""},
        {"detail": ",s0:"},
        {"row_digest": b""},
        {"row_digest": None},
        {"row_digest": "x" * 40},
        {"row_digest": b"\xaa" * 8 + b"x" * 32},
    ],
    ids=str,
)
def test_whatever_is_changed_in_a_row_is_found(change: dict[str, object]) -> None:
    assert altered(replace(record(), **change), keys().fits)


def test_a_value_that_moves_to_the_next_column_is_found() -> None:
    one = record()
    assert canonical(replace(one, actor=UID)) != canonical(replace(one, session=UID))
    assert canonical(replace(one, request_id="a", detail="b")) != canonical(
        replace(one, request_id="a,s1:b", detail=None)
    )


def test_a_row_of_before_a_rotation_stays_genuine_and_a_strange_key_does_not() -> None:
    assert altered(record(keys(OLD)), keys(NEW).fits) is None
    without = AuditKeys(Ring(name="audit", active=NEW, keys={NEW: Hidden(NEW_KEY)}))
    assert altered(record(keys(OLD)), without.fits)


def test_the_chain_goes_on_over_a_rotation() -> None:
    first = placed(START, record(keys(OLD)), keys(OLD))
    second = placed(mark_of(first, START), record(keys(NEW)), keys(NEW))
    assert second.chain_digest
    assert second.chain_digest[:8].hex() == NEW
    assert misplaced(START, first, keys(NEW).fits) is None
    assert misplaced(mark_of(first, START), second, keys(NEW).fits) is None


def test_a_row_that_does_not_follow_is_found() -> None:
    first = placed(START, record())
    end = mark_of(first, START)
    second = placed(end, record())
    fits = keys().fits
    assert "position 1 was to follow" in str(misplaced(START, second, fits))
    assert "position 2 was to follow" in str(misplaced(end, replace(second, position=-5), fits))
    assert misplaced(Mark(position=1, digest=b"another"), second, fits)
    assert misplaced(end, replace(second, row_digest=b"another"), fits)
    assert misplaced(end, replace(second, chain_digest=None), fits)


@pytest.mark.parametrize("change", [{"position": "two"}, {"position": None}, {"chain_digest": None}], ids=str)
def test_a_place_of_a_strange_type_does_not_end_the_walk(change: dict[str, object]) -> None:
    end = Mark(position=1, digest=b"x")
    assert mark_of(replace(placed(end, record()), **change), end) == end


def test_names_are_dotted_words() -> None:
    for event in Event:
        head, _, tail = event.value.partition(".")
        assert head.isidentifier()
        assert tail.isidentifier()
        assert event.value == event.value.lower()
        assert json.loads(json.dumps(event)) == event.value


def test_no_uid_made_at_a_moment_sorts_before_its_bound() -> None:
    # RFC 9562 A.6: a UUIDv7 made at 1645557742 seconds.
    example = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
    made = 1_645_557_742_000_000
    assert oldest_uid(made) <= example
    assert oldest_uid(made + 999) <= example
    assert oldest_uid(made + 1_000) > example
    assert oldest_uid(0) == "00000000-0000-"


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01t00:00:01z", 1_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T01:00:00 01:00", 0),
        ("1969-12-31T23:00:00-01:00", 0),
        ("1969-12-31T23:59:59Z", 0),
        ("2027-01-15T08:00:00Z", 1_800_000_000_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_a_moment_is_read(text: str, micros: int) -> None:
    assert moment(text) == micros


@pytest.mark.parametrize(
    "text",
    ["", "now", "1800000000", "2027-01-15", "2027-01-15T08:00:00", "2027-13-15T08:00:00Z", "2027-01-15T24:61:00Z",
     "٢٠٢٧-01-15T08:00:00Z", "2027-01-15T08:00:00+25:00", "2027-01-15T08:00:00Z\n", "9999-12-31T23:59:59-00:01"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UnfitError, match="RFC 3339"):
        moment(text)
