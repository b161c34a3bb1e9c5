"""The key ``throttle`` of a rule: which of its alerts are repeats, and how often these are told of."""

from monitord.dataclass import dataclass
from monitord.rules.ast import Operand
from monitord.rules.code import Code
from monitord.rules.items import Item, Problems
from monitord.rules.mapping import duration_of, keys_of, texts_of
from monitord.rules.reader import Map, Scalar


@dataclass(frozen=True, slots=True)
class Throttle:
    """
    Alerts with equal keys are repeats of the first.

    :ivar keys: what the key is made of; none for one key for all alerts of the rule.
    :ivar interval_ns: between two alerts that stand for repeats.
    """

    keys: tuple[Operand, ...]
    interval_ns: int


@dataclass(frozen=True, slots=True)
class ThrottleDef:
    """A throttle as it is written, its shape checked; the names in it are not."""

    key: tuple[Scalar, ...]
    interval_ns: int


def throttle_in(item: Item, problems: Problems) -> ThrottleDef | None:
    """The throttle of a rule; None when it has none, or one with mistakes."""
    value = item.values.get("throttle")
    if value is None:
        return None
    before = len(problems.found)
    keys = keys_of(value, ("key", "interval"), "throttle", Code.THROTTLE, problems)
    key = texts_of(keys["key"], "key", Code.THROTTLE, problems) if "key" in keys else ()
    interval_ns = 0
    if "interval" in keys:
        interval_ns = duration_of(keys["interval"], "interval", Code.THROTTLE, problems)
    elif isinstance(value, Map):
        problems.error(value.start, Code.THROTTLE, "a throttle needs an 'interval', such as 60s")
    return ThrottleDef(key, interval_ns) if len(problems.found) == before else None
