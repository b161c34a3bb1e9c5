"""What a correlation or a throttle names, looked up: rules, and fields of their events."""

from collections.abc import Mapping

from monitord.rules.ast import Operand
from monitord.rules.check import Vocabulary, operand_mistakes
from monitord.rules.code import Code
from monitord.rules.correlation import NEVER, Base, Correlation, CorrelationDef
from monitord.rules.definition import RuleDef
from monitord.rules.items import Problems, nearest
from monitord.rules.lexer import ConditionError
from monitord.rules.operand import is_any_of
from monitord.rules.parser import parse_operand
from monitord.rules.reader import Scalar
from monitord.rules.rule import Rule
from monitord.rules.text import Text
from monitord.rules.throttle import Throttle, ThrottleDef


def correlation_of(
    rule: Rule,
    definition: CorrelationDef,
    definitions: Mapping[str, RuleDef],
    compiled: Mapping[str, Rule],
    vocabulary: Vocabulary,
    problems: Problems,
) -> Correlation | None:
    """
    The correlation of a rule.

    :param definitions: all rules that the files hold, by name.
    :param compiled: those of them without mistakes.
    :return: None after a mistake, which is reported.
    """
    bases = [rule]
    if definition.rules:
        if rule.interest.calls:
            message = f"the rules that 'correlation' names say which events are meant; write 'condition: {NEVER}'"
            problems.error(definitions[rule.name].condition.place(0), Code.CORRELATION, message)
        named = [_named(name, rule, definitions, compiled, problems) for name in definition.rules]
        bases = [base for base in named if base is not None]
        if len(bases) < len(named):
            return None
    made = [_base(base, definition, vocabulary, problems) for base in bases]
    return Correlation(
        kind=definition.kind,
        bases=tuple(base for base in made if base is not None),
        group_by=tuple(key.text for key in definition.group_by),
        timespan_ns=definition.timespan_ns,
        threshold=definition.threshold,
        named=bool(definition.rules),
        generate=definition.generate,
    )


def throttle_of(definition: ThrottleDef, vocabulary: Vocabulary, problems: Problems) -> Throttle:
    """The throttle of a rule, without the keys that are wrong, which are reported."""
    keys = [_operand(key, vocabulary, Code.THROTTLE, problems) for key in definition.key]
    return Throttle(tuple(key for key in keys if key is not None), definition.interval_ns)


def _named(
    name: Scalar, user: Rule, definitions: Mapping[str, RuleDef], compiled: Mapping[str, Rule], problems: Problems
) -> Rule | None:
    """The rule of a name, if a correlation can be made of it."""
    base = definitions.get(name.text)
    if base is None:
        message = f"there is no rule '{name.text}'{nearest(name.text, definitions) or '; define it, before or after'}"
    elif base.correlation is not None:
        message = f"'{name.text}' is a correlation itself; name the rules that it is made of"
    elif user.enabled and not base.enabled:
        message = f"the rule '{name.text}' is disabled, so '{user.name}' could never alert; enable it, or disable both"
    elif name.text not in compiled:
        message = f"'{user.name}' is left out, because the rule '{name.text}' is; see there"
        problems.warn(name.start, Code.CORRELATION, message)
        return None
    else:
        return compiled[name.text]
    problems.error(name.start, Code.CORRELATION, message)
    return None


def _base(rule: Rule, definition: CorrelationDef, vocabulary: Vocabulary, problems: Problems) -> Base | None:
    names = [
        definition.aliases[key.text][rule.name] if key.text in definition.aliases else key
        for key in definition.group_by
    ]
    if definition.field:
        names.append(definition.field)
    read = [_operand(name, vocabulary, Code.CORRELATION, problems) for name in names]
    operands = [operand for operand in read if operand is not None]
    if len(operands) < len(read):
        return None
    field = operands.pop() if definition.field else None
    return Base(rule.name, rule.condition, rule.interest, tuple(operands), field)


def _operand(name: Scalar, vocabulary: Vocabulary, code: Code, problems: Problems) -> Operand | None:
    """The field, or the transformed field, that a name stands for."""
    text = Text.of(name)
    try:
        operand, end = parse_operand(name.text, 0)
    except ConditionError as err:
        problems.error(text.place(err.at), code, str(err))
        return None
    mistakes = list(operand_mistakes(operand, 0, vocabulary))
    for mistake in mistakes:
        problems.error(text.place(mistake.at), mistake.code, mistake.message)
    if mistakes:
        return None
    if name.text[end:].strip():
        problems.error(text.place(end), code, "expected one field, and nothing behind it")
    elif is_any_of(operand, vocabulary.fields):
        problems.error(text.place(0), code, f"'{name.text}' has several values at once; give it an index")
    else:
        return operand
    return None
