"""How an audit row is bound, and how rows are chained. Values come in, values go out."""

from typing import Final, Protocol

import msgspec

from sallyport.audit.rules import Record

ROW: Final = "audit row"
IP: Final = "audit ip"
CHAIN: Final = "audit chain"
CHECKPOINT: Final = "audit checkpoint"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A place in the chain, and the digest of everything up to it."""

    position: int
    digest: bytes


START: Final = Mark(position=0, digest=b"")


class Fits(Protocol):
    """Tells whether a keyed digest is that of a value."""

    def __call__(self, digest: object, purpose: str, value: bytes) -> bool:
        """Return whether the digest, of whatever type the database held, is genuine."""
        ...


def canonical(record: Record) -> bytes:
    """Return what the digest of a row covers: its type, length and bytes for each value, so that no two rows are alike.

    The address stands in it by its digest alone, because it is erased with its user. Never raises, whatever a foreign
    hand wrote into the columns.
    """
    values = (
        record.uid,
        record.created_at,
        record.event,
        record.outcome,
        record.factor,
        record.user,
        record.actor,
        record.session,
        record.ip_digest,
        record.request_id,
        record.detail,
    )
    framed = [b"1"]
    for value in values:
        # Here and not in a function of its own: this runs a dozen times for each row.
        if isinstance(value, str):
            raw = value.encode()
            framed.append(b",s%d:%b" % (len(raw), raw))
        else:
            framed.append(b",-" if value is None else _framed(value))
    return b"".join(framed)


def _framed(value: object) -> bytes:
    if isinstance(value, bytes):
        return b",b%d:%b" % (len(value), value)
    raw = repr(value).encode()
    return (b",i%d:%b" if isinstance(value, int) else b",x%d:%b") % (len(raw), raw)


def bound_ip(uid: str, ip: str) -> bytes:
    """Return what the digest of an address covers. The row is in it: erased addresses can't be told to be the same."""
    return f"{uid}\x1f{ip}".encode()


def link(before: Mark, row_digest: bytes) -> bytes:
    """Return what the chain digest of the row behind `before` covers."""
    return b"%d\x1f%b\x1f%b" % (before.position + 1, before.digest, row_digest)


def sealed(mark: Mark) -> bytes:
    """Return what the digest of a checkpoint covers."""
    return b"%d\x1f%b" % (mark.position, mark.digest)


def altered(record: Record, fits: Fits) -> str | None:
    """Judge a row by itself; return what is wrong with it, or None."""
    if not fits(record.row_digest, ROW, canonical(record)):
        return "the row does not fit its digest: it was changed, or written by another hand"
    if record.ip is not None and not fits(record.ip_digest, IP, bound_ip(record.uid, record.ip)):
        return "the address does not fit its digest: it was changed"
    return None


def is_bare(record: Record) -> bool:
    """Tell whether a row has lost its address, as it does when its user is erased."""
    return record.ip is None and record.ip_digest is not None


def misplaced(before: Mark, record: Record, fits: Fits) -> str | None:
    """Judge the place of a sealed row behind the one before it; return what is wrong, or None."""
    if record.position != before.position + 1:
        return f"position {before.position + 1} was to follow: rows were removed, or this one was moved"
    digest: object = record.row_digest  # of whatever type the database held
    if not isinstance(digest, bytes) or not fits(record.chain_digest, CHAIN, link(before, digest)):
        return "the row does not follow from the one before it: one of them was changed, removed or moved"
    return None


def mark_of(record: Record, before: Mark) -> Mark:
    """Return the place of a sealed row, for judging the next: what is wrong with one row is told once.

    Values of a foreign hand may have any type; then the row before goes on standing for this one.
    """
    position: object = record.position
    digest: object = record.chain_digest
    if isinstance(position, int) and isinstance(digest, bytes):
        return Mark(position=position, digest=digest)
    return before
