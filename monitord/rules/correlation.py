"""The key ``correlation`` of a rule, in the terms of Sigma's correlations: what it says, and how it is read."""

import enum
from collections.abc import Mapping
from types import MappingProxyType

from monitord.dataclass import dataclass
from monitord.model.interest import Interest
from monitord.rules.ast import Node, Operand
from monitord.rules.code import Code
from monitord.rules.items import Item, Problems, nearest
from monitord.rules.mapping import duration_of, keys_of, texts_of
from monitord.rules.reader import Map, Place, Scalar, Yaml

MAX_THRESHOLD = 100_000
"""So many events or values are kept per group, at some 100 bytes each."""

NEVER = "evt.num=0"
"""The condition of a rule whose correlation names other rules: for Falco, which wants one; it is never true."""


class Kind(enum.StrEnum):
    """What is looked at within the timespan."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"

    @property
    def counts(self) -> bool:
        """Whether it counts; the others wait until each rule has matched."""
        return self in (Kind.EVENT_COUNT, Kind.VALUE_COUNT)


@dataclass(frozen=True, slots=True)
class Base:
    """
    Events that a correlation looks at.

    :ivar rule: the name of the rule whose condition this is.
    :ivar keys: what the group of an event is made of, in the order of `Correlation.group_by`.
    :ivar field: what is counted, for `Kind.VALUE_COUNT`.
    """

    rule: str
    condition: Node
    interest: Interest
    keys: tuple[Operand, ...]
    field: Operand | None


@dataclass(frozen=True, slots=True)
class Correlation:
    """
    When several events together make an alert.

    :ivar bases: in the order in which they have to match, for `Kind.TEMPORAL_ORDERED`.
    :ivar group_by: names of the keys of a group.
    :ivar threshold: events, or distinct values, that are enough; 1 for the kinds that do not count.
    :ivar named: whether the bases are other rules.
    :ivar generate: whether these alert by themselves as well.
    """

    kind: Kind
    bases: tuple[Base, ...]
    group_by: tuple[str, ...]
    timespan_ns: int
    threshold: int
    named: bool = False
    generate: bool = False

    @property
    def interest(self) -> Interest:
        """The calls that it has to see."""
        return Interest.union(base.interest for base in self.bases)


@dataclass(frozen=True, slots=True)
class CorrelationDef:
    """
    A correlation as it is written, its shape checked; the names in it are not.

    :ivar rules: empty for the rule's own condition.
    :ivar aliases: by the name of a key, the field that stands for it, by rule.
    """

    place: Place
    kind: Kind
    rules: tuple[Scalar, ...]
    group_by: tuple[Scalar, ...]
    timespan_ns: int
    threshold: int
    field: Scalar | None
    aliases: Mapping[str, Mapping[str, Scalar]]
    generate: bool


_KEYS = ("type", "rules", "group-by", "timespan", "condition", "aliases", "generate")
_ENOUGH = {"gte": 0, "gt": 1, "eq": 0}
"""Operator -> what is added to its number. What grows one by one is at N before it is above, so eq is as gte."""
_NEVER_SURE = ("lt", "lte", "neq")


def correlation_in(item: Item, problems: Problems) -> CorrelationDef | None:
    """The correlation of a rule; None when it has none, or one with mistakes."""
    value = item.values.get("correlation")
    if value is None:
        return None
    before = len(problems.found)
    definition = _Reader(problems).definition(value)
    return definition if len(problems.found) == before else None


class _Reader:
    """Reads one correlation; mistakes go to `problems`."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def definition(self, value: Yaml) -> CorrelationDef:
        """All of it, with something in place of what is wrong."""
        keys = keys_of(value, _KEYS, "correlation", Code.CORRELATION, self._problems)
        kind = self._kind(keys.get("type"), value)
        rules = texts_of(keys["rules"], "rules", Code.CORRELATION, self._problems) if "rules" in keys else ()
        group_by = (
            texts_of(keys["group-by"], "group-by", Code.CORRELATION, self._problems) if "group-by" in keys else ()
        )
        timespan_ns = 0
        if "timespan" in keys:
            timespan_ns = duration_of(keys["timespan"], "timespan", Code.CORRELATION, self._problems)
        elif isinstance(value, Map):
            self._error(value, "a correlation needs a 'timespan', such as 60s")
        threshold, field = self._condition(kind, keys.get("condition"), value)
        if not kind.counts and len(rules) < 2:
            self._error(keys.get("rules", value), f"'{kind}' needs 'rules': the names of two rules or more")
        aliases = self._aliases(keys.get("aliases"), rules, group_by)
        generate = self._generate(keys.get("generate"), rules)
        return CorrelationDef(
            value.start, kind, rules, group_by, timespan_ns, threshold, field, MappingProxyType(aliases), generate
        )

    def _kind(self, value: Yaml | None, whole: Yaml) -> Kind:
        known = [kind.value for kind in Kind]
        if value is None:
            if isinstance(whole, Map):
                self._error(whole, f"a correlation needs a 'type': {', '.join(known)}")
        elif isinstance(value, Scalar) and value.text in known:
            return Kind(value.text)
        else:
            text = value.text if isinstance(value, Scalar) else ""
            hint = nearest(text, known) or f"; known are {', '.join(known)}"
            self._error(value, f"there is no type of correlation '{text}'{hint}")
        return Kind.EVENT_COUNT

    def _condition(self, kind: Kind, value: Yaml | None, whole: Yaml) -> tuple[int, Scalar | None]:
        """The threshold, and the field whose values are counted."""
        if not kind.counts:
            if value is not None:
                self._error(value, f"'{kind}' takes no 'condition': each of its rules has to match")
            return 1, None
        if value is None:
            if isinstance(whole, Map):
                self._error(whole, f"'{kind}' needs a 'condition', such as {{gte: 20}}")
            return 1, None
        keys = keys_of(value, (*_ENOUGH, *_NEVER_SURE, "field"), "condition", Code.CORRELATION, self._problems)
        for operator in _NEVER_SURE:
            if operator in keys:
                message = f"'{operator}' is true of what did not happen yet; say what is enough, with gte, gt or eq"
                self._error(keys[operator], message)
        operators = [operator for operator in _ENOUGH if operator in keys]
        if len(operators) != 1 and not any(operator in keys for operator in _NEVER_SURE):
            self._error(value, "a condition says how many are enough, by one of gte, gt, eq: {gte: 20}")
        threshold = self._number(keys[operators[0]], operators[0]) if operators else 1
        field = keys.get("field")
        if kind is Kind.VALUE_COUNT and field is None:
            self._error(value, "'value_count' needs the field whose values are counted: {gte: 20, field: fd.name}")
        elif kind is Kind.EVENT_COUNT and field is not None:
            self._error(field, "'event_count' counts events, not values; take 'field' away, or make it 'value_count'")
        elif field is not None and not isinstance(field, Scalar):
            self._error(field, "'field' is the name of one field")
        return threshold, field if isinstance(field, Scalar) else None

    def _number(self, value: Yaml, operator: str) -> int:
        text = value.text if isinstance(value, Scalar) else ""
        number = int(text) + _ENOUGH[operator] if text.isascii() and text.isdigit() and len(text) < 10 else 0
        if not 0 < number <= MAX_THRESHOLD:
            self._error(value, f"'{operator}' is a number; 1 to {MAX_THRESHOLD} events or values can be waited for")
        return number

    def _aliases(
        self, value: Yaml | None, rules: tuple[Scalar, ...], group_by: tuple[Scalar, ...]
    ) -> dict[str, Mapping[str, Scalar]]:
        aliases: dict[str, Mapping[str, Scalar]] = {}
        if value is None:
            return aliases
        if not rules:
            self._error(value, "'aliases' is for a correlation of other rules; name them in 'rules'")
            return aliases
        names, used = [rule.text for rule in rules], [key.text for key in group_by]
        for alias, content in keys_of(value, used, "aliases", Code.CORRELATION, self._problems).items():
            fields = keys_of(content, names, alias, Code.CORRELATION, self._problems)
            for rule, field in fields.items():
                if not isinstance(field, Scalar):
                    self._error(field, f"the alias '{alias}' needs the name of a field for '{rule}'")
            lacking = [name for name in names if name not in fields]
            if lacking and isinstance(content, Map):
                self._error(content, f"the alias '{alias}' has no field for the rule '{lacking[0]}'; add one")
            aliases[alias] = {rule: field for rule, field in fields.items() if isinstance(field, Scalar)}
        return aliases

    def _generate(self, value: Yaml | None, rules: tuple[Scalar, ...]) -> bool:
        if value is None:
            return False
        word = value.text.lower() if isinstance(value, Scalar) else ""
        if word not in ("true", "false"):
            self._error(value, "'generate' is true or false: whether the rules that are named alert by themselves, too")
        elif not rules:
            self._error(value, "'generate' is about the rules in 'rules', and there are none; take it away")
        return word == "true"

    def _error(self, value: Yaml, message: str) -> None:
        self._problems.error(value.start, Code.CORRELATION, message)
