"""``proc.*`` of sessions, process groups and pid namespaces."""

from monitord.rules.field import Field, FieldType
from monitord.rules.fields import sources


def _id(name: str, meaning: str) -> Field:
    return Field(name, FieldType.NUMBER, meaning, sources.PROC, sources.LATE)


def _leader(name: str, meaning: str) -> Field:
    return Field(name, FieldType.TEXT, meaning, sources.PROC, "the leader has ended, or was not found")


def _is_leader(name: str, meaning: str) -> Field:
    return Field(name, FieldType.BOOL, meaning, sources.PROC, sources.LATE)


GROUPS_FIELDS = (
    _id("proc.vpid", "process id in the process's own pid namespace"),
    _id("proc.pvpid", "process id of the parent in the parent's pid namespace"),
    _id("thread.vtid", "thread id in the process's own pid namespace"),
    _id("proc.sid", "session id: the process id of the session leader"),
    _leader("proc.sname", "name of the session leader"),
    _leader("proc.sid.exe", "proc.exe of the session leader"),
    _leader("proc.sid.exepath", "proc.exepath of the session leader"),
    _is_leader("proc.is_sid_leader", "the process is the leader of its session"),
    _id("proc.vpgid", "process group id in the process's own pid namespace"),
    _leader("proc.vpgid.name", "name of the leader of that process group"),
    _leader("proc.vpgid.exe", "proc.exe of that leader"),
    _leader("proc.vpgid.exepath", "proc.exepath of that leader"),
    _is_leader("proc.is_vpgid_leader", "the process is the leader of its process group"),
    _id("proc.pgid", "process group id, in the initial pid namespace"),
    _leader("proc.pgid.name", "name of the leader of that process group"),
    _leader("proc.pgid.exe", "proc.exe of that leader"),
    _leader("proc.pgid.exepath", "proc.exepath of that leader"),
    _is_leader("proc.is_pgid_leader", "the same as proc.is_vpgid_leader, in the initial pid namespace"),
    Field(
        "proc.pidns_init_start_ts",
        FieldType.NUMBER,
        "start of the first process of the pid namespace, in nanoseconds since the Unix epoch",
        sources.PROC,
        sources.LATE,
    ),
)
