"""The rules that can match a call, made columnar for it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitord.detect.codebook import Codebook, Ledger
from monitord.detect.group import Judge
from monitord.detect.judges import AllOf, AnyOf, OfCall, OfPart, Opposite, Unknown, WithOutcome
from monitord.detect.number import number_judge
from monitord.detect.origin import origin_of
from monitord.detect.part import Part
from monitord.detect.question import question_of
from monitord.model.interest import Outcome
from monitord.rules.ast import And, Check, FieldRef, Node, Not, Operand, Or
from monitord.rules.field import Field
from monitord.rules.ruleset import Rule
from monitord.tables.syscalls import Syscall


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """A rule, with its condition made ready for one call."""

    rule: Rule
    judge: Judge


class Plan:
    """
    What a detector knows about one call: its rules in order, and the values seen in its events.

    :param syscall: None for a call outside the table, of which columns tell nothing.
    :param candidates: the rules that can match the call, with the events of it that they can match.
    """

    def __init__(
        self,
        syscall: Syscall | None,
        candidates: Iterable[tuple[Rule, Outcome]],
        catalogue: Mapping[str, Field],
        ledger: Ledger,
    ) -> None:
        self.codebooks: Mapping[Part, Codebook] = defaultdict(lambda: Codebook(ledger))
        self._syscall = syscall
        self._catalogue = catalogue
        self._judges: dict[Node, Judge] = {}
        self.rules = tuple(PlannedRule(rule, self._rule_judge(rule.condition, outcome)) for rule, outcome in candidates)

    def _rule_judge(self, condition: Node, outcome: Outcome) -> Judge:
        judge = self._judge(condition)
        return judge if outcome & Outcome.ANY == Outcome.ANY else AllOf((WithOutcome(outcome), judge))

    def _judge(self, node: Node) -> Judge:
        """Equal parts of conditions, macros above all, get one judge, so that a batch is asked about them once."""
        judge = self._judges.get(node)
        if judge is None:
            judge = self._judges[node] = self._new_judge(node)
        return judge

    def _new_judge(self, node: Node) -> Judge:
        if isinstance(node, And):
            return AllOf(tuple(map(self._judge, node.children)))
        if isinstance(node, Or):
            return AnyOf(tuple(map(self._judge, node.children)))
        if isinstance(node, Not):
            return Opposite(self._judge(node.child))
        if isinstance(node, Check):
            return self._check_judge(node)
        raise TypeError(f"the macro '{node.name}' was not put in")

    def _check_judge(self, check: Check) -> Judge:
        question = question_of(check, self._catalogue)
        if self._syscall is None:
            return Unknown(question)
        if (judge := number_judge(check, self._syscall)) is not None:
            return judge
        origins = {origin_of(field, self._syscall) for field in _fields_of(check.operand, check.other)}
        origin = origins.pop()
        if origins or origin is None:
            return Unknown(question)
        return OfCall(question) if origin.part is None else OfPart(origin.part, question, origin.decides)


def _fields_of(*operands: "Operand | str | tuple[str, ...] | None") -> list[FieldRef]:
    """The fields in the operands of a test."""
    fields = []
    for operand in operands:
        if isinstance(operand, FieldRef):
            fields.append(operand)
        elif operand is not None and not isinstance(operand, (str, tuple)):
            fields.extend(_fields_of(*operand.args))
    return fields
