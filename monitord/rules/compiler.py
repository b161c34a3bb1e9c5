"""From definitions to rules that can be evaluated."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain

from monitord.dataclass import dataclass
from monitord.rules.argument import argument_names
from monitord.rules.ast import Node
from monitord.rules.bases import correlation_of, throttle_of
from monitord.rules.check import Mistake, Vocabulary, first_of, mistakes_in, operand_mistakes
from monitord.rules.code import Code
from monitord.rules.collect import Collection
from monitord.rules.definition import RuleDef
from monitord.rules.exceptions import without
from monitord.rules.field import Field
from monitord.rules.fields.correlation import CLASS as CORRELATED
from monitord.rules.graph import ordered, way_between
from monitord.rules.interest import InterestFinder
from monitord.rules.lexer import ConditionError
from monitord.rules.lists import ListLoopError, TooLargeError, flattened, put_in_lists
from monitord.rules.macros import Expanded, NestingError, macros_in, put_in_macros
from monitord.rules.nearly import bare_words, nearly_lists
from monitord.rules.output import Output, parse_output
from monitord.rules.parser import parse_condition
from monitord.rules.polarity import Polarity
from monitord.rules.reader import Place
from monitord.rules.rule import Rule
from monitord.rules.text import Text
from monitord.rules.typed import Typing
from monitord.tables.syscalls import SyscallTable

SOURCE = "syscall"
"""The one event source there is; rules for others are passed over."""

MANY_CALLS = 100
"""Kinds of calls from which a rule is worth a warning, as in Falco."""


@dataclass(frozen=True, slots=True)
class _Macro:
    """
    A macro that parses.

    :ivar reach: the macros in it, in those, and so on, and itself.
    """

    text: Text
    mistakes: tuple[Mistake, ...]
    reach: frozenset[str]


class Compiler:
    """Turns what was collected into rules. A macro's own mistakes are said once, not at each use."""

    def __init__(self, collection: Collection, table: SyscallTable, catalogue: Mapping[str, Field]) -> None:
        self.collection = collection
        self.problems = collection.problems
        self.used_lists: set[str] = set()
        self.used_macros: set[str] = set()
        # That could be meant as names of lists; to find the place of each would take long.
        self.words: dict[str, Callable[[], Place]] = {}
        self.output_vocabulary = Vocabulary(catalogue, table.names(), argument_names(table))
        of_events = {name: field for name, field in catalogue.items() if not name.startswith(CORRELATED)}
        self.vocabulary = replace(self.output_vocabulary, fields=of_events)
        self.finder = InterestFinder(table)
        self.typing = Typing(table.names())
        self.polarity = Polarity(catalogue, self.finder.can_hold)
        self.lists = self._lists()
        self.foreign: set[str] = set()  # macros that rules for other event sources use
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
                if not (lenient and name in self.foreign):
                    self._say(macro.text, mistake, lenient)
        self._warn_unused()
        return rules

    def _lists(self) -> dict[str, tuple[str, ...]]:
        definitions = self.collection.lists
        for list_ in definitions.values():
            for item in list_.items:
                if "_" in item.text and not item.style and item.text not in definitions:
                    self.words.setdefault(item.text, partial(getattr, item, "start"))
        flat, failed = flattened({name: list_.items for name, list_ in definitions.items()}, self.used_lists)
        for name, error in failed.items():
            if isinstance(error, ListLoopError):
                message = f"the list '{name}' leads back to itself: {error}; take one of them out"
                self.problems.error(definitions[name].place, Code.LOOP, message)
            else:
                message = f"the list '{name}' is too long once the lists in it are written out"
                self.problems.error(definitions[name].place, Code.TOO_LARGE, message)
        return flat

    def _parsed(self, condition: Text, what: str) -> tuple[Text, Node] | None:
        """A condition with its lists put in, and its tree; None after a mistake."""
        text = condition
        try:
            text = put_in_lists(condition, self.lists, self.used_lists)
            tree = parse_condition(text.text)
            for word, at in bare_words(tree, text.text):
                if word not in self.words and not text.is_fixed(at):
                    self.words[word] = partial(text.place, at)
            return text, tree
        except TooLargeError:
            message = f"the condition of {what} is too long once its lists are written out"
            self.problems.error(condition.place(0), Code.TOO_LARGE, message)
        except ConditionError as err:
            self.problems.error(text.place(err.at), Code.SYNTAX, f"{what}: {err}")
        return None

    def _compile_macros(self) -> None:
        definitions = self.collection.macros
        broken: set[str] = set()
        circular: set[str] = set()
        trees = {}
        for name, definition in definitions.items():
            parsed = self._parsed(definition.condition, f"macro '{name}'")
            if parsed is not None:
                trees[name] = parsed
        uses = {name: [macro.name for macro in macros_in(tree)] for name, (_, tree) in trees.items()}
        order, circles = ordered(uses)
        for name, (text, tree) in trees.items():
            self.used_macros.update(uses[name])
            for macro in macros_in(tree):
                target = definitions.get(macro.name)
                if target is None:
                    self._unknown_macro(text, macro.name, macro.at)
                elif (way := way_between(macro.name, name, circles)) is not None:
                    message = f"the macro '{name}' leads back to itself: {' -> '.join((name, *way))}; break the circle"
                    self.problems.error(text.place(macro.at), Code.LOOP, message)
                    circular.update(way)
                    for around in way:
                        circles.pop(around, None)
                elif name in circular and macro.name in circular:
                    continue
                elif target.order >= definitions[name].sees:
                    self._forward_macro(text, macro.at, name, macro.name)
                else:
                    continue
                broken.add(name)
        for name in order:
            text, tree = trees[name]
            if name in broken or any(used not in self.macros for used in uses[name]):
                continue
            expanded = self._expanded(text, tree)
            if expanded is not None:
                reach = frozenset((name,)).union(*(self.macros[used].reach for used in uses[name]))
                self.macros[name] = _Macro(text, tuple(first_of(mistakes_in(tree, self.vocabulary))), reach)
                self.expanded[name] = expanded

    def _unknown_macro(self, text: Text, name: str, at: int) -> None:
        hint = self.problems.nearest(name, self.collection.macros) or "; define it, or compare a field with a value"
        self.problems.error(text.place(at), Code.MACRO, f"there is no macro '{name}'{hint}")

    def _forward_macro(self, text: Text, at: int, user: str, used: str) -> None:
        place = self.collection.macros[used].place
        message = (
            f"the macro '{used}' is defined only later, on line {place.line} of {place.file}; move it before '{user}'"
        )
        self.problems.error(text.place(at), Code.MACRO, message)

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
            self._pass_over(definition.condition)
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
        mistakes = list(first_of(mistakes_in(tree, self.vocabulary)))
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
            interest=interest,
            place=name.start,
            off_by="" if definition.enabled else "enabled",
            typed=self.typing.is_typed(expanded.node),
            consequences=consequences,
        )

    def _pass_over(self, condition: Text) -> None:
        """Note what a rule for another event source uses: its fields are not known here, and need not be."""
        with suppress(TooLargeError, ConditionError):
            tree = parse_condition(put_in_lists(condition, self.lists, self.used_lists).text)
            for macro in macros_in(tree):
                self.used_macros.add(macro.name)
                if macro.name in self.macros:
                    self.foreign.update(self.macros[macro.name].reach)

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
        of_slots = (operand_mistakes(slot.operand, slot.at, vocabulary) for slot in output.slots)
        for mistake in first_of(chain.from_iterable(of_slots)):
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
        unused = self.lists.keys() - self.used_lists
        for place, word, name in nearly_lists(self.words, self.lists, unused):
            message = f"'{word}' is a text here; is the list '{name}' meant? Quote it if not"
            self.problems.warn(place, Code.NEARLY_LIST, message)
