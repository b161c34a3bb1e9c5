"""``proc.*`` of sessions, process groups and pid namespaces."""

from collections.abc import Callable

from monitord.model.event import Event
from monitord.model.interest import Along
from monitord.model.process import Context, Process
from monitord.model.task import TaskState
from monitord.model.value import Missing, Value
from monitord.rules.field import Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.kernel import of_task
from monitord.rules.fields.process import exe, exepath

_NO_LEADER = "the leader has ended, or was not found"


def _id(name: str, meaning: str, part: Callable[[TaskState], int]) -> Field:
    return of_task(name, FieldType.NUMBER, meaning, lambda task, _event: part(task))


def _leader(name: str, meaning: str, pid: Callable[[TaskState], int], part: Callable[[Process], Value]) -> Field:
    """A field of the process that leads a session or a group."""

    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        task = event.task
        if isinstance(task, Missing):
            return task
        leader = context.leader(event, pid(task))
        return leader if isinstance(leader, Missing) else part(leader)

    return Field(name, FieldType.TEXT, meaning, sources.KERNEL, _NO_LEADER, extract, along=Along.TASK)


def _of_session(task: TaskState) -> int:
    return task.sid


def _of_group(task: TaskState) -> int:
    return task.pgid


def _comm(process: Process) -> Value:
    return process.comm


def _is_leader(name: str, meaning: str, part: Callable[[TaskState, Event], bool]) -> Field:
    return of_task(name, FieldType.BOOL, meaning, part)


def _session_name(task: TaskState, _event: Event) -> Value:
    return task.session_comm or Missing.LATE


def _namespace_start(event: Event, context: Context, _arg: str | None) -> Value:
    task = event.task
    if isinstance(task, Missing):
        return task
    return context.wall_ns(task.pid_ns_start_ns) if task.pid_ns_start_ns else Missing.LATE


GROUPS_FIELDS = (
    _id("proc.vpid", "process id in the process's own pid namespace", lambda task: task.vpid),
    _id("proc.pvpid", "process id of the parent in the parent's pid namespace", lambda task: task.pvpid),
    _id("thread.vtid", "thread id in the process's own pid namespace", lambda task: task.vtid),
    _id(
        "proc.sid",
        "session id in the process's own pid namespace; 0 for a session that began outside",
        lambda task: task.vsid,
    ),
    of_task("proc.sname", FieldType.TEXT, "name of the session leader", _session_name, "the leader has ended"),
    _leader("proc.sid.exe", "proc.exe of the session leader", _of_session, exe),
    _leader("proc.sid.exepath", "proc.exepath of the session leader", _of_session, exepath),
    _is_leader(
        "proc.is_sid_leader",
        "the process is the leader of its session",
        lambda task, event: task.sid == event.pid,
    ),
    _id(
        "proc.vpgid",
        "process group id in the process's own pid namespace; 0 for a group that began outside",
        lambda task: task.vpgid,
    ),
    _leader("proc.vpgid.name", "name of the leader of that process group", _of_group, _comm),
    _leader("proc.vpgid.exe", "proc.exe of that leader", _of_group, exe),
    _leader("proc.vpgid.exepath", "proc.exepath of that leader", _of_group, exepath),
    _is_leader(
        "proc.is_vpgid_leader",
        "the process is the leader of its process group",
        lambda task, event: task.pgid == event.pid,
    ),
    _id("proc.pgid", "process group id, in the initial pid namespace", lambda task: task.pgid),
    _leader("proc.pgid.name", "name of the leader of that process group", _of_group, _comm),
    _leader("proc.pgid.exe", "proc.exe of that leader", _of_group, exe),
    _leader("proc.pgid.exepath", "proc.exepath of that leader", _of_group, exepath),
    _is_leader(
        "proc.is_pgid_leader",
        "the same as proc.is_vpgid_leader",
        lambda task, event: task.pgid == event.pid,
    ),
    Field(
        "proc.pidns_init_start_ts",
        FieldType.NUMBER,
        "start of the first process of the pid namespace, in nanoseconds since the Unix epoch",
        sources.KERNEL,
        "that process has ended",
        _namespace_start,
        along=Along.TASK,
    ),
)
