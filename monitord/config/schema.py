"""The configuration, as values: one class per section of monitord.yaml, defaults included."""

import enum
import os
from dataclasses import field
from pathlib import Path

from monitord.config.outputs import OutputsConfig
from monitord.dataclass import dataclass
from monitord.model.priority import Priority


class ScopeKind(enum.Enum):
    """What limits the processes that are watched."""

    ALL = "all"
    CGROUP = "cgroup"
    UNIT = "unit"
    PID = "pid"
    UID = "uid"
    PIDNS = "pidns"


@dataclass(frozen=True, slots=True)
class Scope:
    """
    What is watched.

    :ivar target: the cgroup's path, the unit's name, or the number; empty for `ScopeKind.ALL`.
    """

    kind: ScopeKind = ScopeKind.ALL
    target: str = ""

    @property
    def number(self) -> int:
        """The pid, uid or pid namespace inode."""
        return int(self.target)

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.target}" if self.target else self.kind.value


@dataclass(frozen=True, slots=True)
class BpfConfig:
    """
    The kernel side.

    :ivar latency: measure the duration of every call; costs about as much again as counting.
    :ivar ring_pages: 4 KiB pages per CPU's ring, a power of two.
    :ivar program_stats: let the kernel time the BPF programs themselves (tens of ns per call).
    """

    latency: bool = True
    ring_pages: int = 1024
    program_stats: bool = False


class RuleMatching(enum.StrEnum):
    """How many rules may make an alert of one event."""

    FIRST = "first"
    ALL = "all"


class BadFiles(enum.StrEnum):
    """What comes of a rules file with mistakes."""

    REFUSE = "refuse"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Written:
    """A text of the file that is read later, and where it stands."""

    text: str
    file: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Rules to switch on or off.

    :ivar rule: by name, where ``*`` is any text; None for all.
    :ivar tag: those with this tag; None for all.
    """

    enable: bool
    rule: Written | None = None
    tag: Written | None = None


@dataclass(frozen=True, slots=True)
class ExtraField:
    """
    A value to put with those of an alert.

    :ivar template: of the value; of a field alone, its name behind ``%``.
    :ivar raw: the value is the field's, not a text.
    """

    name: str
    template: Written
    raw: bool


@dataclass(frozen=True, slots=True)
class AppendOutput:
    """
    More to say by rules of this name, source and all of these tags; None and empty are any.

    :ivar extra_output: a template, put behind the rule's own.
    """

    rule: str | None = None
    source: str | None = None
    tags: tuple[str, ...] = ()
    extra_output: Written | None = None
    extra_fields: tuple[ExtraField, ...] = ()


IGNORED_MAX = 2048
"""Names, and paths; the kernel has room for them beside those that rules ask for."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """
    Noise: what the kernel drops although a rule wants it. Successful execs are never dropped.

    :ivar comm: names of processes.
    :ivar paths: absolute and plain; each stands for itself and all below it.
    """

    comm: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[bytes]:
        """The names as the kernel has them."""
        return frozenset(os.fsencode(name) for name in self.comm)

    @property
    def places(self) -> frozenset[bytes]:
        """How the paths begin: with a NUL at the end for one path, with a slash for all below."""
        paths = [os.fsencode(path) for path in self.paths]
        return frozenset(place for path in paths for place in (path + b"\0", path.removesuffix(b"/") + b"/"))


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """
    :ivar paths: files, or directories whose ``*.yaml`` files are read in the order of their names.
    :ivar select: rules to switch on and off, one after the other.
    :ivar priority: rules less severe are switched off.
    :ivar rule_matching: whether an event's first rule is its only one.
    :ivar append_output: what rules say beyond their own output.
    :ivar static_fields: texts that every alert carries, as ``static.NAME``.
    :ivar bad_files: whether a file with mistakes is left out or stops everything.
    :ivar watch: read all files again when one has changed.
    """

    paths: tuple[Path, ...] = ()
    select: tuple[Selection, ...] = ()
    priority: Priority = Priority.DEBUG
    rule_matching: RuleMatching = RuleMatching.FIRST
    append_output: tuple[AppendOutput, ...] = ()
    static_fields: tuple[tuple[str, str], ...] = ()
    bad_files: BadFiles = BadFiles.REFUSE
    watch: bool = False


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """
    :ivar address: where Prometheus scrapes, numeric or a host name; IPv6 is given in brackets.
    :ivar port: 0 for any free one.
    :ivar origins: containers and units that have series of their own; 0 for none.
    """

    enabled: bool = True
    address: str = "127.0.0.1"
    port: int = 9750
    origins: int = 32


@dataclass(frozen=True, slots=True)
class ContainersConfig:
    """
    :ivar sockets: of container runtimes, asked about containers: docker, podman, containerd, CRI-O.
    """

    sockets: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class PrivacyConfig:
    """
    What is masked in all that is written.

    :ivar mask: names and options of secrets, see `monitord.privacy.masks`.
    :ivar mask_usual: those of `monitord.privacy.usual`, too.
    """

    mask: tuple[str, ...] = ()
    mask_usual: bool = True


@dataclass(frozen=True, slots=True)
class ControlConfig:
    """
    The local socket that `monitord status` asks.

    :ivar socket: its path; None for none.
    :ivar group: whose members may ask, besides the owner; None for the daemon's own.
    """

    socket: Path | None = Path("/run/monitord/control.sock")
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """All of monitord.yaml."""

    scope: Scope = Scope()
    bpf: BpfConfig = field(default_factory=BpfConfig)
    ignore: Ignore = field(default_factory=Ignore)
    rules: RulesConfig = field(default_factory=RulesConfig)
    outputs: OutputsConfig = field(default_factory=OutputsConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    containers: ContainersConfig = field(default_factory=ContainersConfig)
