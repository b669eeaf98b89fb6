"""Who may ask for each play: the least role, a token's scope; who may lend a scope to a token."""

from __future__ import annotations

from typing import Final

from siappakai.domain.tokens import Scope
from siappakai.models import Role

_RANK: Final = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
_LEAST: Final = {
    "server": Role.ADMIN,
    "install": Role.OPERATOR,
    "health": Role.OPERATOR,
    "remove": Role.ADMIN,
}
# What a token needs besides `runs:write` to have a run repeated. Preparing a server is for people.
_SCOPE_FOR: Final = {
    "install": Scope.SITES_INSTALL,
    "health": Scope.SITES_CHECK,
    "remove": Scope.SITES_REMOVE,
}
_LEAST_FOR_SCOPE: Final = {
    Scope.VILLAGES_READ: Role.VIEWER,
    Scope.VILLAGES_WRITE: Role.OPERATOR,
    Scope.SERVERS_READ: Role.VIEWER,
    Scope.SERVERS_CHECK: Role.OPERATOR,
    Scope.RELEASES_READ: Role.VIEWER,
    Scope.SITES_INSTALL: _LEAST["install"],
    Scope.SITES_CHECK: _LEAST["health"],
    Scope.SITES_REMOVE: _LEAST["remove"],
    Scope.RUNS_READ: Role.VIEWER,
    Scope.RUNS_WRITE: Role.OPERATOR,
    Scope.ALERTS_READ: Role.VIEWER,
}


def reaches(role: Role, least: Role) -> bool:
    """Tell whether `role` is `least` or a higher one."""
    return _RANK[role] >= _RANK[least]


def least_role(play: str) -> Role:
    """Return the lowest role that may ask for `play`; an administrator's when none is set."""
    return _LEAST.get(play, Role.ADMIN)


def scope_for(play: str) -> Scope | None:
    """Return the scope of tokens that may ask for `play`; None when no token may."""
    return _SCOPE_FOR.get(play)


def least_role_for(scope: Scope) -> Role:
    """Return the lowest role whose tokens may have `scope`."""
    return _LEAST_FOR_SCOPE[scope]


def scopes_within(role: Role) -> list[Scope]:
    """Return the scopes that `role` may give to a token, in order."""
    return [scope for scope in Scope if reaches(role, _LEAST_FOR_SCOPE[scope])]
