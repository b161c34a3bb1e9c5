"""Exceptions of a rule: combinations of values that it shall not fire on, written out as a condition."""

from dataclasses import dataclass, replace

from monitord.rules.ast import Op
from monitord.rules.code import Code
from monitord.rules.items import Item, Problems
from monitord.rules.lists import written
from monitord.rules.reader import Map, Scalar, Sequence, Yaml
from monitord.rules.text import Text, joined

_LIST_OPERATORS = frozenset((Op.IN, Op.INTERSECTS, Op.PMATCH))
_OPERATORS = frozenset(Op) | {"=="}
_MODIFIERS = ("oneof", "anyof", "allof")


@dataclass(frozen=True, slots=True)
class RuleException:
    """
    One exception of a rule.

    :ivar fields: field names, one per value of a tuple.
    :ivar comparisons: the operator for each field.
    :ivar values: tuples of values.
    :ivar single: `fields` was one text, so the values are not tuples.
    """

    name: Scalar
    fields: tuple[Scalar, ...]
    comparisons: tuple[str, ...]
    values: tuple[Yaml, ...]
    single: bool


def exceptions_in(item: Item, problems: Problems) -> tuple[RuleException, ...]:
    """The exceptions that an item of a rules file brings, for `merged` and `without`."""
    value = item.values.get("exceptions")
    if value is None:
        return ()
    if not isinstance(value, Sequence):
        problems.error(value.start, Code.EXCEPTION, "'exceptions' is a list of maps with name, fields, comps, values")
        return ()
    made = (_exception_of(entry, problems) for entry in value.items)
    return tuple(exception for exception in made if exception is not None)


def _exception_of(entry: Yaml, problems: Problems) -> RuleException | None:
    keys = {key.text: value for key, value in entry.entries} if isinstance(entry, Map) else {}
    name = keys.get("name")
    if not isinstance(name, Scalar):
        problems.error(entry.start, Code.EXCEPTION, "an exception needs a name: '- name: NAME'")
        return None
    values = keys.get("values")
    if values is not None and not isinstance(values, Sequence):
        problems.error(values.start, Code.EXCEPTION, "'values' is a list")
        return None
    fields = keys.get("fields")
    comparisons = keys.get("comps")
    tuples = values.items if values else ()
    if isinstance(fields, Scalar):
        comparison = comparisons.text if isinstance(comparisons, Scalar) else "in"
        return _checked(RuleException(name, (fields,), (comparison,), tuples, True), problems)
    names = _texts(fields)
    operators = tuple(text.text for text in _texts(comparisons)) or ("=",) * len(names)
    return _checked(RuleException(name, names, operators, tuples, False), problems)


def _texts(value: Yaml | None) -> tuple[Scalar, ...]:
    return tuple(text for text in value.items if isinstance(text, Scalar)) if isinstance(value, Sequence) else ()


def _checked(exception: RuleException, problems: Problems) -> RuleException | None:
    label = f"exception '{exception.name.text}'"
    before = len(problems.found)
    if len(exception.fields) != len(exception.comparisons):
        message = f"{label} has {len(exception.fields)} fields and {len(exception.comparisons)} comps; one for each"
        problems.error(exception.name.start, Code.EXCEPTION, message)
    for comparison in exception.comparisons:
        words = comparison.split()
        if not words or words[0] not in _OPERATORS or words[1:] not in ([], *([word] for word in _MODIFIERS)):
            problems.error(exception.name.start, Code.EXCEPTION, f"{label}: unknown operator '{comparison}'")
    return exception if len(problems.found) == before else None


def merged(
    old: tuple[RuleException, ...], new: tuple[RuleException, ...], problems: Problems
) -> tuple[RuleException, ...]:
    """The exceptions of a rule after others are appended: to those it has only values can be added."""
    names = {exception.name.text: exception for exception in old}
    for exception in new:
        known = names.get(exception.name.text)
        if known is None:
            names[exception.name.text] = exception
            continue
        if exception.fields and tuple(text.text for text in exception.fields) != tuple(
            text.text for text in known.fields
        ):
            message = f"exception '{known.name.text}' exists: only values can be appended to it"
            problems.error(exception.name.start, Code.EXCEPTION, message)
            continue
        names[exception.name.text] = replace(known, values=(*known.values, *exception.values))
    return tuple(names.values())


def without(condition: Text, exceptions: tuple[RuleException, ...], problems: Problems) -> Text:
    """``(condition) and not ((f1 = v1 and f2 = v2) or ...)``, or the condition itself when there are no values."""
    cases: list[Text] = []
    for exception in exceptions:
        if exception.values and not exception.fields:
            message = f"exception '{exception.name.text}' has values and no fields; name the fields they are for"
            problems.error(exception.name.start, Code.EXCEPTION, message)
        elif exception.single and exception.values:
            field, comparison = exception.fields[0].text, exception.comparisons[0]
            if _takes_list(comparison):
                cases.append(Text.standing_for(f"({field} {comparison} ({_listed(exception.values)}))", exception.name))
            else:
                cases.extend(
                    Text.standing_for(f"({field} {comparison} {_single(value)})", exception.name)
                    for value in exception.values
                )
        else:
            cases.extend(_case(exception, value, problems) for value in exception.values)
    cases = [case for case in cases if case.text]
    if not cases:
        return condition
    name = exceptions[0].name
    parts = [Text.standing_for("(", name), condition, Text.standing_for(") and not (", name)]
    for number, case in enumerate(cases):
        parts += [Text.standing_for(" or ", name), case] if number else [case]
    return joined([*parts, Text.standing_for(")", name)])


def _case(exception: RuleException, value: Yaml, problems: Problems) -> Text:
    if not isinstance(value, Sequence) or len(value.items) != len(exception.fields):
        fields = ", ".join(field.text for field in exception.fields)
        message = f"exception '{exception.name.text}' needs one value for each of its fields: [{fields}]"
        problems.error(value.start, Code.EXCEPTION, message)
        return Text.standing_for("", exception.name)
    tests = []
    for field, comparison, element in zip(exception.fields, exception.comparisons, value.items, strict=True):
        elements = element.items if isinstance(element, Sequence) else (element,)
        right = f"({_listed(elements)})" if _takes_list(comparison) else _single(element)
        tests.append(f"{field.text} {comparison} {right}")
    return Text.standing_for(f"({' and '.join(tests)})", exception.name)


def _takes_list(comparison: str) -> bool:
    words = comparison.split()
    return words[0] in _LIST_OPERATORS or len(words) > 1


def _single(value: Yaml) -> str:
    # Anything but a text ends as a text that does not parse, which the parser reports at the exception.
    return written(value.text) if isinstance(value, Scalar) else "("


def _listed(values: tuple[Yaml, ...]) -> str:
    """The values as the inside of a list; parentheses around the name of a list are dropped."""
    return ", ".join(
        value.text.strip("()") if isinstance(value, Scalar) and value.text.startswith("(") else _single(value)
        for value in values
    )
