"""What the metrics are made of, beside what the daemon counts itself."""

from collections.abc import Callable, Mapping

from monitord.abi.arch import Abi
from monitord.dataclass import dataclass
from monitord.model.counts import CountTable
from monitord.model.loss import Degraded, Stage
from monitord.telemetry import ProgramStats


@dataclass(frozen=True, slots=True)
class Readings:
    """
    What is read outside the daemon's own counters, by any thread, at every scrape.

    :ivar admitted: events that the kernel side let through, lost ones included.
    :ivar losses: those of the source.
    :ivar ignored: wanted by rules and dropped for the operator, by what told them: ``comm``, ``path``.
    :ivar programs: the BPF programs by name; empty while the kernel does not time them.
    :ivar syscall_name: the label of a call, ``unknown`` for numbers outside the table; equal labels are added up.
    :ivar errno_name: ``ENOENT`` of 2.
    """

    counts: Callable[[], CountTable]
    admitted: Callable[[], int]
    losses: Callable[[], Mapping[Stage, int]]
    ignored: Callable[[], Mapping[str, int]]
    degraded: Callable[[], Mapping[Degraded, int]]
    programs: Callable[[], Mapping[str, ProgramStats]]
    syscall_name: Callable[[Abi, int], str]
    errno_name: Callable[[int], str]
