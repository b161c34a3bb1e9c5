"""
Regular expressions that an attacker's string cannot slow down.

Falco's `regex` is RE2: time linear in the text, whatever the pattern. Debian packages no Python binding of RE2, and
Python's own `re` backtracks: a path of some thousand bytes could stall the daemon. As the operator only asks whether
the whole text matches, an automaton is enough (monitord/rules/automaton.py), and sets of states seen before are
remembered, so that a character costs one dictionary lookup.
"""

from monitord.rules.automaton import automaton_of

MAX_REMEMBERED = 2_000
"""Transitions kept per pattern; beyond it the memory starts anew, so that odd texts cannot fill it."""


class Regex:
    """
    A pattern, ready to test whole texts.

    :raises RegexError: the pattern does not read.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._states, first, self._last = automaton_of(pattern)
        self._first = self._closure({first}, "^")
        self._memory: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def matches(self, text: str) -> bool:
        """Whether the whole text is in the language of the pattern; time linear in the text."""
        memory = self._memory
        states = self._first
        for letter in text:
            key = (states, letter)
            following = memory.get(key)
            if following is None:
                if len(memory) >= MAX_REMEMBERED:
                    memory.clear()
                memory[key] = following = self._step(states, ord(letter))
            states = following
            if not states:
                return False
        return self._last in self._closure(set(states), "$" if text else "^$")

    def _step(self, states: frozenset[int], code: int) -> frozenset[int]:
        reached = set()
        for number in states:
            state = self._states[number]
            if state.ranges is not None and any(low <= code <= high for low, high in state.ranges):
                reached.add(state.then)
        return self._closure(reached, "")

    def _closure(self, states: set[int], assertions: str) -> frozenset[int]:
        """All states reached without a character, where the given assertions hold."""
        pending = list(states)
        while pending:
            state = self._states[pending.pop()]
            if state.assertion and state.assertion not in assertions:
                continue
            for way in state.ways:
                if way not in states:
                    states.add(way)
                    pending.append(way)
        return frozenset(states)
