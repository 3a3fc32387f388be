"""Users as a rule about second factors looks at them."""

from typing import Final

from sallyport.policy.rules import Subject
from sallyport.store.work import Rows, Sql
from sallyport.users.store import read_roles

SUBJECTS: Final = Sql(
    """SELECT users.id, name, roles, mfa_since, mfa_met_at, disabled_at, passwords.id, verified_email_key
       FROM users LEFT JOIN passwords ON passwords.user_id = users.id
       WHERE users.id > :after ORDER BY users.id LIMIT :limit"""
)


def subjects(rows: Rows, after: str, limit: int) -> list[Subject]:
    """Return some users in the order of their uids, behind one of them."""
    return [
        Subject(
            uid=uid,
            name=name,
            roles=read_roles(roles),
            mfa=mfa_since is not None,
            met_at=met_at,
            disabled=disabled_at is not None,
            password=password is not None,
            verified=verified is not None,
        )
        for uid, name, roles, mfa_since, met_at, disabled_at, password, verified in rows.all(
            SUBJECTS, after=after, limit=limit
        )
    ]
