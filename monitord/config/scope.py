"""``SPEC`` of ``scope:`` and ``--scope``: what limits the processes that are watched."""

import re

from monitord.config.schema import Scope, ScopeKind

SPEC = "all, cgroup:PATH, unit:NAME, pid:N, uid:N or pidns:N"

_LIMITS: dict[ScopeKind, tuple[int, int]] = {
    ScopeKind.PID: (1, 1 << 22),  # PID_MAX_LIMIT, include/linux/threads.h
    ScopeKind.UID: (0, (1 << 32) - 2),  # (uid_t)-1 means "no user"
    ScopeKind.PIDNS: (1, (1 << 32) - 1),  # ns_common.inum is an unsigned int
}


_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+")  # systemd.unit(5)


def parse_scope(text: str) -> Scope | str:
    """
    Read a scope.

    :return: the scope, or what is wrong with the text and what to write instead.
    """
    name, colon, target = text.strip().partition(":")
    kind = next((kind for kind in ScopeKind if kind.value == name), None)
    if kind is None:
        return f"{text!r} is not a scope; write {SPEC}"
    if kind is ScopeKind.ALL:
        return f"'all' takes no target; write all, without {':' + target!r}" if colon else Scope()
    if not target:
        return f"{text!r} lacks its target; write {name}:{_example(kind)}"
    if kind in _LIMITS:
        low, high = _LIMITS[kind]
        if not (target.isascii() and target.isdigit()):
            return f"{target!r} is not a number; write {name}:{_example(kind)}"
        # More digits than any limit has are not worth an int(), which refuses thousands of them.
        if len(target) > 10 or not low <= int(target) <= high:
            return f"{name} {target} is not between {low} and {high}"
    elif kind is ScopeKind.UNIT and not _UNIT.fullmatch(target):
        return f"{target!r} is not the name of a unit; write unit:{_example(kind)}, or cgroup:PATH for a path"
    return Scope(kind, target)


def _example(kind: ScopeKind) -> str:
    if kind is ScopeKind.CGROUP:
        return "/system.slice/nginx.service"
    if kind is ScopeKind.UNIT:
        return "nginx.service"
    return {ScopeKind.PID: "1234", ScopeKind.UID: "1000"}.get(kind, "4026531836")
