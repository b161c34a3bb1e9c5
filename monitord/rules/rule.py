"""A rule, ready to be evaluated."""

from dataclasses import dataclass, field

from monitord.model.alert import Priority
from monitord.model.interest import Interest
from monitord.rules.ast import Node
from monitord.rules.correlation import Correlation
from monitord.rules.output import Output
from monitord.rules.polarity import Consequences
from monitord.rules.throttle import Throttle


@dataclass(frozen=True, slots=True)
class Rule:
    """
    A rule, ready to be evaluated.

    :ivar condition: checked, lists and macros put in.
    :ivar interest: the calls it can be true for; with a correlation, those that it looks at.
    :ivar consequences: what follows from fields in the condition that are not supplied.
    :ivar typed: whether the condition says which types of calls it is about; these rules are asked first.
    :ivar correlation: None for a rule that alerts of each event for which its condition is true.
    """

    name: str
    desc: str
    condition: Node
    output: Output
    priority: Priority
    tags: tuple[str, ...]
    source: str
    enabled: bool
    interest: Interest
    typed: bool
    consequences: Consequences = field(default_factory=dict)
    correlation: Correlation | None = None
    throttle: Throttle | None = None
