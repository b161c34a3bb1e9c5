"""The rules that can match a call, made columnar for it."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from monitord.dataclass import dataclass
from monitord.detect.codebook import FEW, Codebook, Ledger
from monitord.detect.column import Column, column_of
from monitord.detect.group import Group, Judge
from monitord.detect.judges import ALWAYS, NEVER, OfPart, OfPartNow, Unknown, all_of, any_of, opposite_of
from monitord.detect.mask import rows_of
from monitord.detect.number import number_judge
from monitord.detect.origin import origin_of
from monitord.detect.part import Part
from monitord.detect.question import Question
from monitord.detect.shortlist import Shortlist, Spent
from monitord.detect.tracker import Tracker
from monitord.detect.trees import Trees
from monitord.model.interest import Outcome
from monitord.rules.ast import And, Check, FieldRef, Node, Not, Op, Or
from monitord.rules.operand import fields_of
from monitord.rules.rule import Rule
from monitord.tables.syscalls import Syscall


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """
    A rule, made ready for one call.

    :ivar judge: of its condition.
    :ivar throttle_keys: which of its alerts are repeats.
    """

    rule: Rule
    judge: Judge
    throttle_keys: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class PlannedBase:
    """
    The events of one call that a correlation looks at.

    :ivar position: among the bases of the correlation.
    :ivar keys: what the group of an event is read from.
    :ivar field: what is counted by value; None for events.
    """

    tracker: Tracker
    position: int
    judge: Judge
    keys: tuple[Column, ...]
    field: Column | None


_FAILED = Check(FieldRef("evt.failed"), Op.EQ, ("true",))
_FOREIGN = Check(FieldRef("evt.is_foreign_abi"), Op.EQ, ("true",))
_WAYS: Mapping[Outcome, Node] = MappingProxyType(
    {Outcome.SUCCESS: Not(_FAILED), Outcome.FAILURE: _FAILED, Outcome.FOREIGN: _FOREIGN}
)


class Plan:
    """
    What a detector knows about one call: its rules in order, and the values seen in its events.

    :param syscall: None for a call outside the table, of which columns tell nothing.
    :param candidates: the rules that can match the call, with the events of it that they can match.
    :param bases: the events that correlations look at, with those of the call that are among them.
    :param sample: one event of the call; what is said of it is kept where it holds for all.
    """

    def __init__(
        self,
        syscall: Syscall | None,
        candidates: Iterable[tuple[Rule, Outcome]],
        bases: Iterable[tuple[Tracker, int, Outcome]],
        sample: Group,
        ledger: Ledger,
        trees: Trees,
    ) -> None:
        self._ledger = ledger
        self._syscall = syscall
        self._sample = sample
        self._trees = trees
        self._judges: dict[Node, Judge] = {}
        self._asked: dict[Codebook, None] = {}
        self._books: dict[Part, Codebook] = {}
        planned = (self._planned_rule(rule, outcome) for rule, outcome in candidates)
        self.rules = tuple(one for one in planned if one.judge is not NEVER)
        looked_at = (self._planned_base(tracker, position, outcome) for tracker, position, outcome in bases)
        self.bases = tuple(one for one in looked_at if one.judge is not NEVER)
        self.all: tuple[PlannedRule | PlannedBase, ...] = (*self.rules, *self.bases)
        self._shortlist = Shortlist([one.judge for one in self.all], tuple(self._asked), ledger)

    def _planned_rule(self, rule: Rule, outcome: Outcome) -> PlannedRule:
        judge = self._rule_judge(rule.condition, outcome)
        keys = rule.throttle.keys if rule.throttle else ()
        return PlannedRule(rule, judge, tuple(column_of(key, self._syscall, self._book, self._trees) for key in keys))

    def _planned_base(self, tracker: Tracker, position: int, outcome: Outcome) -> PlannedBase:
        base = tracker.correlation.bases[position]
        judge = self._rule_judge(base.condition, outcome)
        keys = tuple(column_of(key, self._syscall, self._book, self._trees) for key in base.keys)
        field = column_of(base.field, self._syscall, self._book, self._trees) if base.field else None
        return PlannedBase(tracker, position, judge, keys, field)

    def left(self, group: Group, spent: Spent) -> tuple[Sequence[PlannedRule], Sequence[PlannedBase]]:
        """
        The rules and bases that may match events of a group, in their order.

        :param spent: told how long the others of `all` took.
        """
        if len(group) > FEW:
            return self.rules, self.bases
        possible = self._shortlist.of(group, spent)
        rules = len(self.rules)
        return (
            [self.rules[number] for number in rows_of(possible & (1 << rules) - 1)],
            [self.bases[number] for number in rows_of(possible >> rules)],
        )

    def judge_of(self, check: Check) -> Judge:
        """How a test is judged, for those who explain it."""
        return self._judge(check)

    def _rule_judge(self, condition: Node, outcome: Outcome) -> Judge:
        """The condition, for events that the kernel delivers for an outcome, as `Interest.admits` has it."""
        if outcome & Outcome.ANY == Outcome.ANY:
            return self._judge(condition)
        ways = [self._judge(way) for bit, way in _WAYS.items() if outcome & bit]
        return all_of((any_of(ways), self._judge(condition)))

    def _judge(self, node: Node) -> Judge:
        """Equal parts of conditions, macros above all, get one judge, so that a batch is asked about them once."""
        judge = self._judges.get(node)
        if judge is None:
            judge = self._judges[node] = self._new_judge(node)
        return judge

    def _new_judge(self, node: Node) -> Judge:
        if isinstance(node, And):
            return all_of(map(self._judge, node.children))
        if isinstance(node, Or):
            return any_of(map(self._judge, node.children))
        if isinstance(node, Not):
            return opposite_of(self._judge(node.child))
        if isinstance(node, Check):
            return self._check_judge(node)
        raise TypeError(f"the macro '{node.name}' was not put in")

    def _check_judge(self, check: Check) -> Judge:
        question = Question(check, self._sample.catalogue)
        fields = list(fields_of(check.operand, check.other))
        if not all(self._sample.catalogue[field.name].supplied for field in fields):
            return NEVER
        if self._syscall is None:
            return Unknown(question)
        if (judge := number_judge(check, self._syscall)) is not None:
            return judge
        origins = {origin_of(field, self._syscall) for field in fields}
        origin = origins.pop() if len(origins) == 1 else None
        if origin is None:
            return Unknown(question)
        if origin.part is None:
            return ALWAYS if question.about(self._sample, 0) else NEVER
        book = self._book(origin.part)
        if origin.momentary:
            return OfPartNow(book, question)
        self._asked[book] = None
        return OfPart(book, question, origin.decides, origin.tells if isinstance(check.operand, FieldRef) else None)

    def _book(self, part: Part) -> Codebook:
        """One for all judges and columns that ask for a part."""
        book = self._books.get(part)
        if book is None:
            book = self._books[part] = Codebook(part, self._ledger)
        return book
