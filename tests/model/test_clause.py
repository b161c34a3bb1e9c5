"""Many clauses become few: the kernel holds so many, and rules can have more."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from monitord.model import clause as module
from monitord.model.clause import Clause, simplified
from monitord.model.facts import FOREIGN, RESULT, UID, Key
from monitord.model.limit import Numbers

KEYS = (Key(0, 0xFF), Key(1, 0xFF), UID, RESULT, FOREIGN)


@st.composite
def clauses(draw):
    some = st.builds(Numbers.among, st.lists(st.integers(0, 7), min_size=1, max_size=3), st.just(255))
    return Clause(tuple((key, draw(some)) for key in KEYS if draw(st.booleans())))


def simplified_slowly(given_clauses, most):
    """Of all pairs the best, looked for anew each time."""
    kept = []
    for clause in dict.fromkeys(given_clauses):
        module._put(clause, kept)
    while len(kept) > most:
        one, other = min(combinations(kept, 2), key=lambda pair: module._loss(*pair))
        kept = [clause for clause in kept if clause is not one and clause is not other]
        module._put(module._hull(one, other), kept)
    return tuple(kept)


@given(st.lists(clauses(), max_size=40), st.integers(1, 12))
def test_the_two_that_lose_least_become_one_until_they_are_few(some, most):
    assert simplified_slowly(some, most) == simplified(some, most)


def test_each_pair_is_looked_at_once(monkeypatch):
    """Else a thousand rules of one call take minutes."""
    looked, loss = [], module._loss
    monkeypatch.setattr(module, "_loss", lambda *pair: looked.append(1) or loss(*pair))
    some = [
        Clause(((KEYS[0], Numbers.among((n,), 255)), (KEYS[1], Numbers.among((n * 7 % 251,), 255)))) for n in range(150)
    ]

    assert 32 == len(simplified(some))
    assert len(looked) < 150 * 150
