import pytest

from monitord.config.schema import Scope, ScopeKind
from monitord.config.scope import parse_scope


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("all", Scope()),
        (" all ", Scope()),
        ("cgroup:/system.slice", Scope(ScopeKind.CGROUP, "/system.slice")),
        ("cgroup:/odd:name", Scope(ScopeKind.CGROUP, "/odd:name")),
        ("unit:nginx.service", Scope(ScopeKind.UNIT, "nginx.service")),
        (r"unit:a-b\x2dc@d:1_2.scope", Scope(ScopeKind.UNIT, r"a-b\x2dc@d:1_2.scope")),
        ("pid:1", Scope(ScopeKind.PID, "1")),
        ("uid:0", Scope(ScopeKind.UID, "0")),
        ("pidns:4026531836", Scope(ScopeKind.PIDNS, "4026531836")),
    ],
)
def test_reads(text, scope):
    assert scope == parse_scope(text)


@pytest.mark.parametrize("text", ["all", "cgroup:/a/b", "unit:a.service", "pid:7", "uid:1000", "pidns:4026531836"])
def test_a_scope_prints_as_it_is_written(text):
    assert text == str(parse_scope(text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is not a scope"),
        ("everything", "'everything' is not a scope; write all, cgroup:PATH"),
        ("ALL", "'ALL' is not a scope"),
        ("all:x", "'all' takes no target"),
        ("pid", "'pid' lacks its target; write pid:1234"),
        ("cgroup:", "'cgroup:' lacks its target; write cgroup:/system.slice/nginx.service"),
        ("pid:x", "'x' is not a number"),
        ("pid:-1", "'-1' is not a number"),
        ("pid:²", "'²' is not a number"),
        ("pid:0", "pid 0 is not between 1 and 4194304"),
        ("pid:4194305", "pid 4194305 is not between"),
        ("uid:4294967295", "uid 4294967295 is not between 0 and 4294967294"),
        ("uid:" + "9" * 5000, "uid 9999"),
        ("unit:/a/b", "'/a/b' is not the name of a unit"),
        ("unit:*", "'*' is not the name of a unit"),
        ("unit:a\0b", r"'a\x00b' is not the name of a unit"),
    ],
)
def test_says_what_is_wrong(text, reason):
    assert str(parse_scope(text)).startswith(reason)
