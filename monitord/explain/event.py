"""Why a rule matches an event, or does not."""

from collections.abc import Iterator, Mapping, Sequence

from monitord.dataclass import dataclass
from monitord.explain.kernel import refusal
from monitord.explain.page import WIDTH, Paint, wrapped
from monitord.explain.rule import Part, bases_of, correlation_text
from monitord.explain.tree import MARGIN, Verdict, against, distance, judged, part_lines, shown_value, verdict_lines
from monitord.model.event import Event
from monitord.recording.capture import Recorded
from monitord.recording.snapshot import Snapshot
from monitord.rules.argument import all_arguments
from monitord.rules.evaluate import evaluate
from monitord.rules.field import Field
from monitord.rules.rule import Rule
from monitord.sinks.format import iso_time, one_line, valid_text
from monitord.tables.constants import errno_name

NEAREST = 3
"""Rules that are shown as near misses."""

_VALUES = 6
"""Literals of a test that are written out there."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rule says of an event; `refused` is why the kernel would keep it back for this rule, or None."""

    rule: Rule
    verdict: Verdict
    refused: str | None

    @property
    def matches(self) -> bool:
        """Whether the rule would make an alert, no other being there."""
        return self.verdict.holds and self.refused is None


class Case:
    """
    An event, and the rules that judge it.

    :param rules: that alert of single events, in the order in which they are asked.
    :param match_all: whether a rule that matches leaves the event to those behind it.
    """

    def __init__(
        self, recorded: Recorded, rules: Sequence[Rule], catalogue: Mapping[str, Field], match_all: bool
    ) -> None:
        self._event: Event = recorded.event
        self._context: Snapshot = recorded.context
        self._recorded = recorded
        self._rules = rules
        self._catalogue = catalogue
        self._match_all = match_all

    def judge(self, rule: Rule) -> Judgement:
        """What a rule says that alerts of single events."""
        [base] = bases_of(rule)
        return self._judged(base, rule)

    def _judged(self, base: Part, rule: Rule) -> Judgement:
        verdict = judged(base.condition, self._event, self._context, self._catalogue)
        return Judgement(rule, verdict, refusal(base.interest, self._event, self._context.syscall(self._event)))

    def rule_lines(self, rule: Rule, paint: Paint) -> Iterator[str]:
        """The verdict of one rule, and how it comes about."""
        yield from self.event_lines(paint)
        for base in bases_of(rule):
            judgement = self._judged(base, rule)
            says = "matches" if judgement.verdict.holds else "does not match"
            yield ""
            yield paint.bold(base.rule) + ": " + paint.truth(says, judgement.verdict.holds)
            yield from self._consequences(judgement)
            yield ""
            yield from verdict_lines(judgement.verdict, 0, paint)
            if _any_unasked(judgement.verdict):
                yield ""
                yield "(in parentheses: not needed for the verdict)"

    def all_lines(self, paint: Paint) -> Iterator[str]:
        """What every rule says: those that match, and those that nearly do."""
        yield from self.event_lines(paint)
        judgements = [self.judge(rule) for rule in self._rules]
        matching = [judgement for judgement in judgements if judgement.matches]
        yield ""
        yield paint.bold("Rules that match")
        for place, judgement in enumerate(matching):
            hidden = place > 0 and self._hides(matching[:place], judgement.rule)
            yield f"  {judgement.rule.name}" + (" (makes no alert: one above it comes first)" if hidden else "")
        if not matching:
            yield "  none"
        call = (self._event.abi, self._event.nr)
        others = [one for one in judgements if not one.matches and call in one.rule.interest.calls]
        others.sort(key=lambda judgement: distance(judgement.verdict))
        yield ""
        yield paint.bold("Nearest of the others")
        for judgement in others[:NEAREST]:
            yield f"  {judgement.rule.name}, but for"
            yield from _against_lines(judgement.verdict, paint)
        if not others:
            yield "  none: no other rule is about this call"

    def event_lines(self, paint: Paint) -> Iterator[str]:
        """What happened."""
        event, context = self._event, self._context
        call = context.call.name if context.call is not None else f"call {event.nr}"
        arguments = shown_value(all_arguments(event, context)) if context.call is not None else ""
        yield from wrapped(f"{paint.bold(call)} {arguments}".rstrip(), 0, 2)
        names = " <- ".join(shown_value(process.comm) for process in context.line)
        rows = [
            f"result {_result(event)}, abi {event.abi.label}, at {iso_time(context.wall_ns(event.ts_ns))}",
            f"by {names}, pid {event.pid}, user {shown_value(context.user_name(event.uid))} ({event.uid})",
        ]
        if self._recorded.rule is not None:
            rows.append(f"alert of '{one_line(valid_text(self._recorded.rule))}'")
        for row in rows:
            yield from wrapped(row, 2, 2)

    def _consequences(self, judgement: Judgement) -> Iterator[str]:
        rule = judgement.rule
        if not rule.enabled:
            yield from wrapped("It is disabled, and makes no alert.", 2)
        if judgement.refused is None:
            yield from wrapped("The kernel delivers this event for it.", 2)
        else:
            yield from wrapped(f"The kernel does not deliver this event for it: {judgement.refused}.", 2)
        if rule.correlation is not None:
            yield from wrapped(f"One event makes no alert; it takes {correlation_text(rule.correlation)}.", 2)
        elif rule not in self._rules and rule.enabled:
            yield from wrapped("It makes no alert by itself: a correlation names it.", 2)
        elif judgement.matches and rule.enabled:
            before = self._rules[: next(place for place, other in enumerate(self._rules) if other.name == rule.name)]
            taking = [other for other in before if self._takes(other)]
            if self._hides([self.judge(other) for other in taking], rule):
                message = f"'{taking[0].name}' is asked before it and takes the event: this rule makes no alert."
                yield from wrapped(message, 2)
            else:
                yield from wrapped("It makes the alert.", 2)

    def _takes(self, rule: Rule) -> bool:
        admitted = rule.interest.admits(self._event)
        return admitted and evaluate(rule.condition, self._event, self._context, self._catalogue)

    def _hides(self, before: Sequence[Judgement], rule: Rule) -> bool:
        """Whether rules that match keep the event from one behind them."""
        if not self._match_all:
            return bool(before)
        return not rule.typed and any(judgement.rule.typed for judgement in before)


def _result(event: Event) -> str:
    if not event.returned:
        return "none, it did not return"
    return f"{event.ret} ({errno_name(-event.ret)})" if event.failed else str(event.ret)


def _any_unasked(verdict: Verdict) -> bool:
    return not verdict.asked or any(map(_any_unasked, verdict.parts))


def _against_lines(verdict: Verdict, paint: Paint) -> Iterator[str]:
    for test in against(verdict):
        word = "true" if test.holds else "false"
        first, *more = part_lines(test, 0, WIDTH - MARGIN - 4, _VALUES)
        yield "    " + paint.truth(f"{word:{MARGIN}}", test.holds) + first
        yield from (" " * (MARGIN + 4) + line for line in more)
