"""Users as a rule about second factors looks at them."""

from typing import Final

from sallyport.policy.rules import Subject
from sallyport.store.work import Rows, Sql
from sallyport.users.store import read_roles

SUBJECTS: Final = Sql(
    """SELECT id, name, roles, mfa_since, mfa_met_at, disabled_at,
              (SELECT 1 FROM passwords WHERE passwords.user_id = users.id), verified_email_key
       FROM users WHERE id > :after ORDER BY id LIMIT :limit"""
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
