"""Rules as they are after loading."""

from collections.abc import Mapping
from dataclasses import field

from monitord.dataclass import dataclass
from monitord.model.interest import Interest
from monitord.model.priority import Priority
from monitord.rules.ast import Node
from monitord.rules.correlation import Correlation
from monitord.rules.field import Field
from monitord.rules.fields import CATALOGUE
from monitord.rules.output import Output
from monitord.rules.polarity import Consequences
from monitord.rules.reader import Place
from monitord.rules.throttle import Throttle


@dataclass(frozen=True, slots=True)
class Rule:
    """
    A rule, ready to be evaluated.

    :ivar condition: checked, lists and macros put in.
    :ivar interest: the calls it can be true for; with a correlation, those that it looks at.
    :ivar place: of its name where it was defined first.
    :ivar consequences: what follows from fields in the condition that are not supplied.
    :ivar correlation: None for a rule that alerts of each event for which its condition is true.
    :ivar off_by: the key that switched it off; empty while it is on.
    :ivar typed: whether the condition says which types of calls it is about; these rules are asked first.
    """

    name: str
    desc: str
    condition: Node
    output: Output
    priority: Priority
    tags: tuple[str, ...]
    source: str
    interest: Interest
    typed: bool
    place: Place = field(default=Place(""), compare=False)
    off_by: str = ""
    consequences: Consequences = field(default_factory=dict)
    correlation: Correlation | None = None
    throttle: Throttle | None = None

    @property
    def enabled(self) -> bool:
        """Whether it is on."""
        return not self.off_by


@dataclass(frozen=True, slots=True)
class RuleSet:
    """
    What the rules files hold.

    :ivar rules: in the order of definition, disabled ones included.
    :ivar macros: how many there are; `lists` and `files` likewise.
    :ivar left_out: files with mistakes, where these are skipped.
    :ivar catalogue: the fields that the rules use.
    """

    rules: tuple[Rule, ...] = ()
    macros: int = 0
    lists: int = 0
    files: int = 0
    left_out: tuple[str, ...] = ()
    catalogue: Mapping[str, Field] = field(default_factory=lambda: CATALOGUE, compare=False)

    @property
    def interest(self) -> Interest:
        """The calls that the enabled rules need."""
        return Interest.union(rule.interest for rule in self.rules if rule.enabled)

    @property
    def alerting(self) -> list[Rule]:
        """The rules that alert of single events, in the order in which they are asked."""
        silent = self.silent
        some = (rule for rule in self.rules if rule.enabled and not rule.correlation)
        # As in Falco: rules that name types of calls come before those for any call.
        return sorted((rule for rule in some if rule.name not in silent), key=lambda rule: not rule.typed)

    @property
    def silent(self) -> frozenset[str]:
        """The rules that do not alert by themselves: what a correlation is made of, unless one says `generate`."""
        correlations = [rule.correlation for rule in self.rules if rule.enabled and rule.correlation]
        made_of = {flag: set[str]() for flag in (False, True)}
        for correlation in correlations:
            if correlation.named:
                made_of[correlation.generate].update(base.rule for base in correlation.bases)
        return frozenset(made_of[False] - made_of[True])
