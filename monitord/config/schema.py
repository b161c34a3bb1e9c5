"""The configuration, as values: one class per section of monitord.yaml, defaults included."""

import enum
from dataclasses import dataclass, field
from pathlib import Path

from monitord.config.outputs import OutputsConfig
from monitord.model.alert import Priority


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


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """
    :ivar paths: files, or directories whose ``*.yaml`` files are read in the order of their names.
    :ivar priority: rules less severe are dropped.
    :ivar match_all: False stops at the first rule that matches an event.
    """

    paths: tuple[Path, ...] = ()
    priority: Priority = Priority.DEBUG
    match_all: bool = False


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """
    :ivar address: where Prometheus scrapes, numeric or a host name; IPv6 is given in brackets.
    :ivar port: 0 for any free one.
    """

    enabled: bool = True
    address: str = "127.0.0.1"
    port: int = 9750


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
class Config:
    """All of monitord.yaml."""

    scope: Scope = Scope()
    bpf: BpfConfig = field(default_factory=BpfConfig)
    rules: RulesConfig = field(default_factory=RulesConfig)
    outputs: OutputsConfig = field(default_factory=OutputsConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
