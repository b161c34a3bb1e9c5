"""From rules files to rules that can be evaluated, with every mistake of all files found in one pass."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from monitord.model.alert import Priority
from monitord.model.interest import Interest
from monitord.model.problem import Problem
from monitord.rules.argument import argument_names
from monitord.rules.ast import Node
from monitord.rules.bases import correlation_of, throttle_of
from monitord.rules.check import Mistake, Vocabulary, mistakes_in, operand_mistakes
from monitord.rules.code import Code
from monitord.rules.collect import Collection, RuleDef
from monitord.rules.exceptions import without
from monitord.rules.fields import CATALOGUE
from monitord.rules.fields.correlation import CLASS as CORRELATED
from monitord.rules.interest import InterestFinder
from monitord.rules.items import Problems, items_of, nearest
from monitord.rules.lexer import ConditionError
from monitord.rules.lists import ListLoopError, TooLargeError, flattened, put_in_lists
from monitord.rules.macros import Expanded, NestingError, macros_in, put_in_macros
from monitord.rules.output import Output, parse_output
from monitord.rules.parser import parse_condition
from monitord.rules.polarity import Consequence, Consequences, Polarity
from monitord.rules.reader import Scalar, read, rule_files
from monitord.rules.rule import Rule
from monitord.rules.text import Text
from monitord.rules.typed import Typing
from monitord.tables.syscalls import SyscallTable

__all__ = ["Rule", "RuleSet", "load"]

SOURCE = "syscall"
"""The one event source there is; rules for others are passed over."""

MANY_CALLS = 100
"""Kinds of calls from which a rule is worth a warning, as in Falco."""


_CONSEQUENCES: Mapping[Consequence, tuple[Code, str]] = {
    Consequence.NEVER: (Code.NEVER_FIRES, "and all of the condition hangs on that; disable it, or do without"),
    Consequence.OFTEN: (
        Code.FIRES_OFTEN,
        "so a requirement goes without saying; disable it, or require something else",
    ),
    Consequence.EXCEPTION: (Code.WEAK_EXCEPTION, "so nothing is excepted by that; expect more alerts"),
    Consequence.MISSES: (Code.MISSES_CASES, "so only the other alternatives can match"),
}
"""Consequence -> its code, and the rest of the sentence."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """
    What the rules files hold.

    :ivar rules: in the order of definition, disabled ones included.
    :ivar macros: how many there are; `lists` likewise.
    """

    rules: tuple[Rule, ...] = ()
    macros: int = 0
    lists: int = 0

    @property
    def interest(self) -> Interest:
        """The calls that the enabled rules need."""
        return Interest.union(rule.interest for rule in self.rules if rule.enabled)

    @property
    def silent(self) -> frozenset[str]:
        """The rules that do not alert by themselves: what a correlation is made of, unless one says `generate`."""
        correlations = [rule.correlation for rule in self.rules if rule.enabled and rule.correlation]
        made_of = {flag: set[str]() for flag in (False, True)}
        for correlation in correlations:
            if correlation.named:
                made_of[correlation.generate].update(base.rule for base in correlation.bases)
        return frozenset(made_of[False] - made_of[True])


def load(
    paths: tuple[Path, ...], table: SyscallTable, *, min_priority: Priority = Priority.DEBUG
) -> tuple[RuleSet, list[Problem]]:
    """
    The rules of files, and of the ``*.yaml`` files of directories, in the order given.

    :param table: the syscalls that conditions can name.
    :param min_priority: less severe rules are checked and left out.
    :return: the rules without mistakes, and the problems of all files in the order of their places.
    """
    files, unlisted = rule_files(paths)
    problems = Problems(unlisted)
    collection = Collection(problems)
    for file in files:
        documents, unread = read(file)
        problems.found.extend(unread)
        collection.begin_file()
        for document in documents:
            for item in items_of(document, problems):
                collection.add(item)
    compiler = _Compiler(collection, table)
    rules = tuple(rule for rule in compiler.rules() if rule.priority <= min_priority)
    order = {str(file): number for number, file in enumerate(files)}
    found = sorted(set(problems.found), key=lambda problem: (order.get(problem.file, -1), problem))
    return RuleSet(rules, len(collection.macros), len(collection.lists)), found


@dataclass(frozen=True, slots=True)
class _Macro:
    """
    A macro that parses.

    :ivar reach: the macros in it, in those, and so on, and itself.
    """

    text: Text
    mistakes: tuple[Mistake, ...]
    reach: frozenset[str]


class _Compiler:
    """Turns what was collected into rules. A macro's own mistakes are said once, not at each use."""

    def __init__(self, collection: Collection, table: SyscallTable) -> None:
        self.collection = collection
        self.problems = collection.problems
        self.used_lists: set[str] = set()
        self.used_macros: set[str] = set()
        self.output_vocabulary = Vocabulary(CATALOGUE, table.names(), argument_names(table))
        of_events = {name: field for name, field in CATALOGUE.items() if not name.startswith(CORRELATED)}
        self.vocabulary = replace(self.output_vocabulary, fields=of_events)
        self.finder = InterestFinder(table)
        self.typing = Typing(table.names())
        self.polarity = Polarity(CATALOGUE, self.finder.can_hold)
        self.lists = self._lists()
        self.macros: dict[str, _Macro] = {}
        self.expanded: dict[str, Expanded] = {}

    def rules(self) -> list[Rule]:
        """All rules without mistakes."""
        self._compile_macros()
        strict: set[str] = set()  # macros that a rule relies on which does not say skip-if-unknown-filter
        compiled = (self._rule(definition, strict) for definition in self.collection.rules.values())
        rules = self._related({rule.name: rule for rule in compiled if rule is not None})
        for name, macro in self.macros.items():
            for mistake in macro.mistakes:
                lenient = mistake.code is Code.FIELD and name not in strict
                self._say(macro.text, mistake, lenient)
        self._warn_unused()
        return rules

    def _lists(self) -> dict[str, tuple[str, ...]]:
        scalars = {name: definition.items for name, definition in self.collection.lists.items()}
        flat: dict[str, tuple[str, ...]] = {}
        for name, definition in self.collection.lists.items():
            flat[name] = ()
            try:
                flat[name] = flattened(name, scalars, self.used_lists)
            except ListLoopError as err:
                message = f"the list '{name}' leads back to itself: {err}; take one of them out"
                self.problems.error(definition.place, Code.LOOP, message)
            except TooLargeError:
                message = f"the list '{name}' is too long once the lists in it are written out"
                self.problems.error(definition.place, Code.TOO_LARGE, message)
        return flat

    def _parsed(self, condition: Text, what: str) -> tuple[Text, Node] | None:
        """A condition with its lists put in, and its tree; None after a mistake."""
        text = condition
        try:
            text = put_in_lists(condition, self.lists, self.used_lists)
            return text, parse_condition(text.text)
        except TooLargeError:
            message = f"the condition of {what} is too long once its lists are written out"
            self.problems.error(condition.place(0), Code.TOO_LARGE, message)
        except ConditionError as err:
            self.problems.error(text.place(err.at), Code.SYNTAX, f"{what}: {err}")
        return None

    def _compile_macros(self) -> None:
        definitions = self.collection.macros
        trees = {}
        for name, definition in definitions.items():
            parsed = self._parsed(definition.condition, f"macro '{name}'")
            if parsed is not None:
                trees[name] = parsed
        uses = {name: [macro.name for macro in macros_in(tree)] for name, (_, tree) in trees.items()}
        for name in sorted(trees, key=lambda name: definitions[name].order):
            text, tree = trees[name]
            self.used_macros.update(uses[name])
            before = len(self.problems.found)
            for macro in macros_in(tree):
                target = definitions.get(macro.name)
                if target is None:
                    self._unknown_macro(text, macro.name, macro.at)
                elif target.order >= definitions[name].order:
                    self._forward_macro(text, macro.at, name, macro.name, uses)
            if len(self.problems.found) > before or any(used not in self.macros for used in uses[name]):
                continue
            expanded = self._expanded(text, tree)
            if expanded is not None:
                reach = frozenset((name,)).union(*(self.macros[used].reach for used in uses[name]))
                self.macros[name] = _Macro(text, tuple(mistakes_in(tree, self.vocabulary)), reach)
                self.expanded[name] = expanded

    def _unknown_macro(self, text: Text, name: str, at: int) -> None:
        hint = nearest(name, self.collection.macros) or "; define it, or compare a field with a value"
        self.problems.error(text.place(at), Code.MACRO, f"there is no macro '{name}'{hint}")

    def _forward_macro(self, text: Text, at: int, user: str, used: str, uses: Mapping[str, list[str]]) -> None:
        way = _way(used, user, uses)
        if way is None:
            definition = self.collection.macros[used]
            message = (
                f"the macro '{used}' is defined only later, on line {definition.place.line} of "
                f"{definition.place.file}; move it before '{user}'"
            )
            self.problems.error(text.place(at), Code.MACRO, message)
        else:
            message = f"the macro '{user}' leads back to itself: {' -> '.join((user, *way))}; break the circle"
            self.problems.error(text.place(at), Code.LOOP, message)

    def _expanded(self, text: Text, tree: Node) -> Expanded | None:
        try:
            return put_in_macros(tree, self.expanded)
        except NestingError as err:
            self.problems.error(text.place(0), Code.TOO_LARGE, f"{err}; split the rule")
            return None

    def _rule(self, definition: RuleDef, strict: set[str]) -> Rule | None:
        name = definition.name
        if definition.source != SOURCE:
            message = f"rule '{name.text}' is for the event source '{definition.source}', which is not here; skipped"
            self.problems.warn(name.start, Code.SOURCE, message)
            return None
        condition = without(definition.condition, definition.exceptions, self.problems)
        parsed = self._parsed(condition, f"rule '{name.text}'")
        output = self._output(definition)
        if parsed is None:
            return None
        text, tree = parsed
        used = list(macros_in(tree))
        self.used_macros.update(macro.name for macro in used)
        for macro in used:
            if macro.name not in self.collection.macros:
                self._unknown_macro(text, macro.name, macro.at)
        mistakes = list(mistakes_in(tree, self.vocabulary))
        for mistake in mistakes:
            self._say(text, mistake, definition.skip_unknown and mistake.code is Code.FIELD)
        if any(macro.name not in self.macros for macro in used):
            return None
        reached = frozenset[str]().union(*(self.macros[macro.name].reach for macro in used))
        if not definition.skip_unknown:
            strict.update(reached)
        mistakes += [mistake for macro in reached for mistake in self.macros[macro].mistakes]
        if output is None or not all(mistake.warning for mistake in mistakes):
            return None
        expanded = self._expanded(text, tree)
        if expanded is None:
            return None
        left, consequences = self.polarity.of(expanded.node)
        if definition.enabled:
            self._report(name, consequences)
        interest = self.finder.interest_of(left)
        if definition.warn_evttypes and self.finder.count_types(interest) > MANY_CALLS:
            message = (
                f"rule '{name.text}' can be true for more than {MANY_CALLS} kinds of calls, and all of them would be "
                "delivered; say which with 'evt.type in (...)'"
            )
            self.problems.warn(name.start, Code.EVERY_CALL, message)
        return Rule(
            name=name.text,
            desc=definition.desc,
            condition=expanded.node,
            output=output,
            priority=definition.priority,
            tags=definition.tags,
            source=definition.source,
            enabled=definition.enabled,
            interest=interest,
            typed=self.typing.is_typed(expanded.node),
            consequences=consequences,
        )

    def _report(self, name: Scalar, consequences: Consequences) -> None:
        """Say what a rule does because of fields that are not supplied."""
        for consequence, fields in consequences.items():
            code, why = _CONSEQUENCES[consequence]
            are = "are" if len(fields) > 1 else "is"
            self.problems.warn(
                name.start,
                code,
                f"rule '{name.text}' {consequence.value}: {', '.join(fields)} {are} not supplied, {why}",
            )

    def _related(self, compiled: Mapping[str, Rule]) -> list[Rule]:
        """The rules with what they say of other rules and of the fields that make a group."""
        definitions = self.collection.rules
        related = []
        for alone in compiled.values():
            rule, definition = alone, definitions[alone.name]
            before = len(self.problems.found)
            if definition.throttle:
                rule = replace(rule, throttle=throttle_of(definition.throttle, self.vocabulary, self.problems))
            if definition.correlation:
                found = correlation_of(
                    rule, definition.correlation, definitions, compiled, self.vocabulary, self.problems
                )
                rule = replace(rule, correlation=found, interest=found.interest if found else rule.interest)
            if len(self.problems.found) == before:
                related.append(rule)
        return related

    def _output(self, definition: RuleDef) -> Output | None:
        text = definition.output
        try:
            output = parse_output(text.text)
        except ConditionError as err:
            self.problems.error(text.place(err.at), Code.OUTPUT, f"output of rule '{definition.name.text}': {err}")
            return None
        vocabulary = self.output_vocabulary if definition.correlation else self.vocabulary
        clean = True
        for slot in output.slots:
            for mistake in operand_mistakes(slot.operand, slot.at, vocabulary):
                self._say(text, mistake, definition.skip_unknown and mistake.code is Code.FIELD)
                clean = False
        return output if clean else None

    def _say(self, text: Text, mistake: Mistake, lenient: bool) -> None:
        problem = text.place(mistake.at).problem(mistake.code, mistake.message, mistake.warning or lenient)
        self.problems.found.append(problem)

    def _warn_unused(self) -> None:
        for name, list_ in self.collection.lists.items():
            if name not in self.used_lists:
                self.problems.warn(list_.place, Code.UNUSED, f"nothing uses the list '{name}'")
        for name, macro in self.collection.macros.items():
            if name not in self.used_macros:
                self.problems.warn(macro.place, Code.UNUSED, f"nothing uses the macro '{name}'")


def _way(start: str, goal: str, uses: Mapping[str, list[str]]) -> list[str] | None:
    """The macros from `start` to `goal` along their uses, both included; None when there is no way."""
    before: dict[str, str | None] = {start: None}
    pending = [start]
    while pending:
        name = pending.pop()
        if name == goal:
            way: list[str] = []
            step: str | None = name
            while step is not None:
                way.append(step)
                step = before[step]
            return way[::-1]
        for used in uses.get(name, ()):
            if used not in before:
                before[used] = name
                pending.append(used)
    return None
