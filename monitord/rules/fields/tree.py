"""``proc.tree``: the process that started what an event is a part of."""

from collections.abc import Mapping

from monitord.model.event import Event, ProcessKey
from monitord.model.process import Context, Process
from monitord.model.value import Missing, Value
from monitord.rules.field import Field, FieldType

MAX_GENERATIONS = 64
"""As for ``proc.aname``: a longer line is a loop or an attack."""

_SYSTEM = frozenset((1, 2))
"""The first process, and the one that starts kernel threads and the kernel's helpers."""

_STARTERS = frozenset(
    (
        # services
        *("systemd", "systemd-executor", "init", "openrc-run", "runsv", "runsvdir", "s6-supervise", "s6-svscan"),
        *("dinit", "start-stop-daemon", "xinetd", "inetd"),
        # jobs
        *("cron", "crond", "atd", "anacron", "fcron"),
        # sessions
        *("sshd", "sshd-session", "sshd-auth", "dropbear", "login", "agetty", "getty", "in.telnetd"),
        *("tmux", "screen", "gnome-terminal-server", "konsole", "xfce4-terminal"),
        *("gdm", "gdm3", "gdm-session-worker", "lightdm", "sddm", "sddm-helper"),
        *("gnome-shell", "gnome-session-binary", "plasmashell", "ksmserver", "xfce4-session"),
        # containers
        *("containerd-shim", "containerd-shim-runc-v2", "conmon", "dockerd", "crio", "lxc-start", "systemd-nspawn"),
    )
)
"""Programs that start things on behalf of others: what each of their children does is a matter of its own."""

_PLACES = ("/usr/", "/bin/", "/sbin/", "/lib/")
"""Where these programs are, and only root can put others."""


def tree_of(event: Event, context: Context, known: Mapping[ProcessKey, int]) -> int:
    """
    The pid of the root of an event's process tree.

    :param known: roots of processes that were asked about before; they stay true when ancestors are gone.
    """
    root = event.pid
    for generation in range(1, MAX_GENERATIONS):
        ancestor = context.ancestor(event, generation)
        if isinstance(ancestor, Missing) or ancestor.key.pid in _SYSTEM or _starts_others(ancestor):
            break
        if ancestor.key in known:
            return known[ancestor.key]
        root = ancestor.key.pid
    return root


def _starts_others(process: Process) -> bool:
    path = process.exepath
    if not isinstance(path, str) or not path.startswith(_PLACES):
        return False
    return path.removesuffix(" (deleted)").rpartition("/")[2] in _STARTERS


def _tree(event: Event, context: Context, _arg: str | None) -> Value:
    return tree_of(event, context, {})


TREE_FIELDS = (
    Field(
        "proc.tree",
        FieldType.NUMBER,
        "process id of the root of the process tree: the farthest ancestor below the first process, a service manager, "
        "cron, sshd, a login, a terminal multiplexer or a container runtime",
        "the ancestors",
        "never",
        _tree,
    ),
)
