"""Which of the loaded rules are on: what the configuration switches on and off, by name, tag and priority."""

import re
from collections.abc import Iterable
from dataclasses import replace

from monitord.config.schema import RulesConfig, Selection, Written
from monitord.rules.code import Code
from monitord.rules.items import Problems, nearest
from monitord.rules.reader import Place
from monitord.rules.rule import Rule


def selected(rules: Iterable[Rule], config: RulesConfig, problems: Problems) -> list[Rule]:
    """
    The rules with `Rule.off_by` as ``rules.select`` and ``rules.priority`` have it.

    The selections apply one after the other, the last one that is about a rule counts; one that is about none is
    warned of.
    """
    chosen = list(rules)
    for number, selection in enumerate(config.select):
        off_by = "" if selection.enable else f"rules.select[{number}]"
        about = [_is_about(selection, rule) for rule in chosen]
        if not any(about):
            _warn(selection, chosen, problems)
        chosen = [
            replace(rule, off_by=off_by) if its_turn else rule for rule, its_turn in zip(chosen, about, strict=True)
        ]
    return [
        replace(rule, off_by="rules.priority") if rule.enabled and rule.priority > config.priority else rule
        for rule in chosen
    ]


def _is_about(selection: Selection, rule: Rule) -> bool:
    by_name = selection.rule is None or _pattern(selection.rule.text).fullmatch(rule.name) is not None
    return by_name and (selection.tag is None or selection.tag.text in rule.tags)


def _pattern(text: str) -> re.Pattern[str]:
    """A name where ``*`` is any text; every other character is itself, since names have brackets and question marks."""
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def _warn(selection: Selection, rules: list[Rule], problems: Problems) -> None:
    for kind, written, known in (
        ("name", selection.rule, [rule.name for rule in rules]),
        ("tag", selection.tag, sorted({tag for rule in rules for tag in rule.tags})),
    ):
        if written is not None:
            message = f"rules.select: no rule has the {kind} '{written.text}'{nearest(written.text, known)}"
            problems.warn(place_of(written), Code.SELECTION, message)


def place_of(written: Written) -> Place:
    """Where a text of the configuration stands."""
    return Place(written.file, written.line, written.column)
