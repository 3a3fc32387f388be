"""What an API key may be good for. A route names the scope that opens it; one that names none is closed to keys."""

import enum
from collections.abc import Mapping
from typing import Final


@enum.unique
class Scope(enum.StrEnum):
    """The names of the scopes, as they stand in a key and in the `scope` claim."""

    SELF_READ = "self:read"
    USERS_READ = "users:read"
    ROLES_READ = "roles:read"
    AUDIT_READ = "audit:read"
    INTROSPECT = "introspect"


MEANING: Final[Mapping[Scope, str]] = {
    Scope.SELF_READ: "read the own user",
    Scope.USERS_READ: "read users: `uid` and `name` of each; everything of them for a trusted role",
    Scope.ROLES_READ: "read roles",
    Scope.AUDIT_READ: "read what the audit log tells of oneself; all of it for a trusted role",
    Scope.INTROSPECT: "ask whether a token is good, for a trusted role",
}


def opens(scopes: frozenset[str], wanted: Scope | None, *, own: bool) -> bool:
    """Tell whether scopes open a route that wants one. What opens all users opens oneself with less."""
    if wanted is None:
        return False
    return wanted in scopes or (own and wanted is Scope.USERS_READ and Scope.SELF_READ in scopes)
