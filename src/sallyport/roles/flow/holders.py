"""The holders of trusted roles: one of them is always left."""

from typing import Final

from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.outcomes import Refused, Why
from sallyport.kernel.policy import Policy
from sallyport.roles import store
from sallyport.roles.rules import People, Role
from sallyport.store.work import Rows
from sallyport.users import store as users
from sallyport.users.rules import role_key

_ONE_AT_A_TIME: Final = "~trusted"
"""The key of who takes a trusted role from somebody. Behind every uid: units take their keys in order."""

_LAST: Final = Refused(
    why=Why.LAST_TRUSTED, detail="Nobody would be left who may act on others: let somebody else in first."
)


class Holders:
    """Knows the trusted roles, and who holds them."""

    def __init__(self, *, policy: Policy, clock: Clock) -> None:
        self.policy = policy
        self._clock = clock
        self._keys = {role_key(role) for role in policy.trusted_roles}

    def trusts(self, role: Role) -> bool:
        """Tell whether a role has the name of a trusted one, however it is spelled."""
        return role.name_key in self._keys

    def keys(self, role: Role) -> tuple[str, ...]:
        """Return what a unit must have to itself in which somebody may lose a role."""
        return (_ONE_AT_A_TIME,) if self.trusts(role) else ()

    def refused_without(self, rows: Rows, caller: Caller, role: Role, left: People) -> Refused | None:
        """Judge whether only those people may be left in a role: of all trusted roles somebody must be.

        The operator on the host may take them all, because they can give one back.
        """
        if caller.host or not self.trusts(role) or any(users.is_active(rows, uid) for uid in sorted(left.all)):
            return None
        others = self._keys - {role.name_key}
        return None if self._somebody(rows, others, but="") else _LAST

    def leave(self, rows: Rows, caller: Caller, uid: str) -> Refused | None:
        """Let a user go who is about to be erased: the roles that they are in change. Refuses the last who is trusted.

        The unit has the user to itself.
        """
        if not caller.host and self.policy.trusts(users.roles_of(rows, uid) or ()):
            rows.alone(_ONE_AT_A_TIME)
            if not self._somebody(rows, self._keys, but=uid):
                return _LAST
        store.touch_of_user(rows, uid, self._clock.now())
        return None

    def _somebody(self, rows: Rows, keys: set[str], but: str) -> bool:
        return any(store.has_holder(rows, key, but) for key in sorted(keys))
