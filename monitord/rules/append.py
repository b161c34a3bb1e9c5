"""What the configuration adds to the outputs of rules: more text, more values, and fields that are always the same."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from monitord.config.schema import AppendOutput, RulesConfig, Written
from monitord.rules.ast import FieldRef
from monitord.rules.check import Vocabulary, operand_mistakes
from monitord.rules.code import Code
from monitord.rules.field import Extract, Field, FieldType, not_supplied
from monitord.rules.items import Problems
from monitord.rules.lexer import ConditionError
from monitord.rules.output import Extra, Output, Slot, parse_output
from monitord.rules.rule import Rule
from monitord.rules.select import place_of


def without_runtimes(fields: Mapping[str, Field]) -> Mapping[str, Field]:
    """A catalogue where no container runtime is asked."""
    return {name: replace(field, extract=not_supplied) if field.of_runtime else field for name, field in fields.items()}


def with_static(fields: Mapping[str, Field], static: Iterable[tuple[str, str]]) -> Mapping[str, Field]:
    """The catalogue and ``static.NAME`` of ``rules.static_fields``, which rules can use like any other field."""
    made = {}
    for key, text in static:
        name = f"static.{key}"
        made[name] = Field(
            name, FieldType.TEXT, "what the configuration says", "rules.static_fields", "never", _always(text)
        )
    return MappingProxyType({**fields, **made}) if made else fields


def _always(text: str) -> Extract:
    return lambda _event, _context, _arg: text


def appended(rules: list[Rule], config: RulesConfig, vocabulary: Vocabulary, problems: Problems) -> list[Rule]:
    """The rules with ``rules.append_output`` and ``rules.static_fields`` in their outputs."""
    static = tuple(_raw(f"static.{name}") for name, _ in config.static_fields)
    additions = [(append, _addition(append, vocabulary, problems)) for append in config.append_output]
    return [_extended(rule, static, additions) for rule in rules]


def _extended(rule: Rule, static: tuple[Extra, ...], additions: list[tuple[AppendOutput, Output]]) -> Rule:
    output = rule.output
    for append, addition in additions:
        if (
            append.rule in (None, rule.name)
            and append.source in (None, rule.source)
            and set(append.tags) <= set(rule.tags)
        ):
            pieces = (*output.pieces, " ", *addition.pieces) if addition.pieces else output.pieces
            output = Output(pieces, (*output.extra, *addition.extra))
    return replace(rule, output=replace(output, extra=(*output.extra, *static))) if static or additions else rule


def _addition(append: AppendOutput, vocabulary: Vocabulary, problems: Problems) -> Output:
    """Its template and extra fields, as an output of its own; what is wrong is left out."""
    text = _parsed(append.extra_output, vocabulary, problems) if append.extra_output else None
    extra = []
    for field in append.extra_fields:
        made = _parsed(field.template, vocabulary, problems)
        if made is None:
            continue
        if field.raw and (len(made.pieces) != 1 or not made.slots):
            message = f"'{field.name}' is not a field; for a text write a name before it: {{name: 'text'}}"
            problems.error(place_of(field.template), Code.OUTPUT, message)
            continue
        extra.append(Extra(field.name, made.pieces, field.raw))
    return Output(text.pieces if text else (), tuple(extra))


def _parsed(written: Written, vocabulary: Vocabulary, problems: Problems) -> Output | None:
    try:
        output = parse_output(written.text)
    except ConditionError as err:
        problems.error(place_of(written), Code.OUTPUT, f"rules.append_output: {err}")
        return None
    mistakes = [mistake for slot in output.slots for mistake in operand_mistakes(slot.operand, slot.at, vocabulary)]
    for mistake in mistakes:
        problems.error(place_of(written), mistake.code, f"rules.append_output: {mistake.message}")
    return None if mistakes else output


def _raw(name: str) -> Extra:
    return Extra(name, (Slot(name, FieldRef(name), 0, 0),), raw=True)
