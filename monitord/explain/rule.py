"""A rule, explained: its condition, and where each part of it is judged."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from monitord.dataclass import dataclass
from monitord.detect.ways import Way, ways
from monitord.explain.kernel import describe
from monitord.explain.page import Paint, wrapped
from monitord.explain.tree import condition_lines
from monitord.model.interest import Interest
from monitord.rules.ast import Check, Node, checks_in
from monitord.rules.correlation import Correlation, Kind
from monitord.rules.field import Field
from monitord.rules.rule import Rule
from monitord.rules.written import written_check, written_operand
from monitord.tables.syscalls import Syscall, SyscallTable


def rule_lines(rule: Rule, calls: SyscallTable, catalogue: Mapping[str, Field], paint: Paint) -> Iterator[str]:
    """
    All that can be said of a rule without an event.

    :param calls: of this machine: what its kernel is asked for.
    """
    off = "" if rule.enabled else ", disabled"
    yield paint.bold(rule.name) + f" ({rule.priority.label}{off})"
    yield from wrapped(rule.desc, 2)
    yield ""
    for base in bases_of(rule):
        whose = "" if base.rule == rule.name else f" of '{base.rule}'"
        yield paint.bold(f"Condition{whose}") + ", lists and macros put in"
        yield from condition_lines(base.condition, 2)
        yield ""
    if rule.correlation is not None:
        yield paint.bold("Together")
        yield from wrapped(correlation_text(rule.correlation), 2, 2)
        yield ""
    for consequence, fields in rule.consequences.items():
        yield paint.bold(f"It {consequence.value}") + ", for these fields have no source:"
        yield from wrapped(", ".join(fields), 2)
        yield ""
    yield paint.bold("In the kernel") + ": the events that are delivered at all"
    asked = describe(rule.interest, calls)
    for line in asked or ["none: the rule can never match on this machine"]:
        yield from wrapped(line.lstrip(), 4 if line.startswith(" ") else 2, 4)
    by_way = _by_way(rule, calls, catalogue)
    for title, kinds in _SECTIONS:
        rows = [(way.value, text) for way in kinds for text in by_way.get(way, ())]
        if rows:
            yield ""
            yield paint.bold(title)
            yield from _grouped(rows)


@dataclass(frozen=True, slots=True)
class Part:
    """A condition of a rule, and the calls that it can be true for; `rule` is the name of the rule that it is of."""

    rule: str
    condition: Node
    interest: Interest


def bases_of(rule: Rule) -> Sequence[Part]:
    """The conditions of a rule: its own, or those of the rules that its correlation names."""
    if rule.correlation is not None and rule.correlation.named:
        return [Part(base.rule, base.condition, base.interest) for base in rule.correlation.bases]
    return [Part(rule.name, rule.condition, rule.interest)]


def correlation_text(correlation: Correlation) -> str:
    """What has to come together."""
    if correlation.kind.counts:
        field = correlation.bases[0].field
        what = "events" if field is None else f"values of {written_operand(field)}"
        text = f"{correlation.threshold} {what} or more"
    else:
        order = " in this order" if correlation.kind is Kind.TEMPORAL_ORDERED else ""
        text = f"each of {', '.join(repr(base.rule) for base in correlation.bases)}{order}"
    groups = f" with the same {', '.join(correlation.group_by)}" if correlation.group_by else ""
    return f"{text} within {correlation.timespan_ns / 1e9:g} s{groups}"


_VALUES = 3
"""Of a list, behind the condition that has them all."""

_SECTIONS: Sequence[tuple[str, tuple[Way, ...]]] = (
    ("In the daemon, on columns", (Way.CALL, Way.COLUMN, Way.VALUE)),
    ("The rest, for events that the columns leave possible", (Way.SOME, Way.EVENT)),
)


def _grouped(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Below each other what is judged alike."""
    before = None
    for way, text in rows:
        if way != before:
            yield f"  {way}"
            before = way
        yield from wrapped(text, 4, 4)


def _by_way(rule: Rule, calls: SyscallTable, catalogue: Mapping[str, Field]) -> Mapping[Way, list[str]]:
    """The tests, each under how it is judged; where that depends on the call, with the calls."""
    checks = tuple(dict.fromkeys(check for base in bases_of(rule) for check in checks_in(base.condition)))
    found: defaultdict[Check, defaultdict[Way, list[Syscall]]] = defaultdict(lambda: defaultdict(list))
    for call in (call for asked in rule.interest.calls if (call := calls.find(*asked)) is not None):
        for check, way in ways(checks, call, catalogue).items():
            found[check][way].append(call)
    by_way: defaultdict[Way, list[str]] = defaultdict(list)
    for check in checks:
        for way, of_calls in found[check].items():
            names = sorted({call.name for call in of_calls})
            where = "" if len(found[check]) == 1 else f"   [{' '.join(names)}]"
            by_way[way].append(written_check(check, _VALUES) + where)
    return by_way
