"""Lists, macros and rules as they stand after all files: settled, and nothing parsed yet."""

from monitord.dataclass import dataclass
from monitord.model.priority import Priority
from monitord.rules.correlation import CorrelationDef
from monitord.rules.exceptions import RuleException
from monitord.rules.reader import Place, Scalar
from monitord.rules.text import Text
from monitord.rules.throttle import ThrottleDef


@dataclass(frozen=True, slots=True)
class ListDef:
    """A list as it stands after all files."""

    place: Place
    items: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class MacroDef:
    """
    A macro as it stands after all files.

    :ivar order: of its first definition.
    :ivar sees: order of its last definition or append: it sees the macros that were first defined before.
    """

    place: Place
    condition: Text
    order: int
    sees: int


@dataclass(frozen=True, slots=True)
class RuleDef:
    """A rule as it stands after all files."""

    name: Scalar
    condition: Text
    output: Text
    desc: str
    priority: Priority
    source: str
    enabled: bool
    tags: tuple[str, ...]
    exceptions: tuple[RuleException, ...]
    warn_evttypes: bool
    skip_unknown: bool
    correlation: CorrelationDef | None
    throttle: ThrottleDef | None
