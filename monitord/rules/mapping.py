"""The keys below a key of a rule, such as those of ``correlation``."""

from collections.abc import Collection, Mapping

from monitord.rules.code import Code
from monitord.rules.duration import WANTED, duration_ns
from monitord.rules.items import Problems, nearest
from monitord.rules.reader import Map, Scalar, Sequence, Yaml


def keys_of(value: Yaml, known: Collection[str], what: str, code: Code, problems: Problems) -> Mapping[str, Yaml]:
    """The values of a map by key; what is wrong with its keys is reported and left out."""
    if not isinstance(value, Map):
        problems.error(value.start, code, f"'{what}' is a map with the keys {', '.join(known)}")
        return {}
    found: dict[str, Yaml] = {}
    for key, content in value.entries:
        if key.text not in known:
            hint = nearest(key.text, known) or f"; known are {', '.join(known)}"
            problems.error(key.start, code, f"'{what}' has no key '{key.text}'{hint}")
        elif key.text in found:
            problems.error(key.start, Code.DUPLICATE, f"the key '{key.text}' is here twice; keep one")
        else:
            found[key.text] = content
    return found


def texts_of(value: Yaml, key: str, code: Code, problems: Problems) -> tuple[Scalar, ...]:
    """The texts of a list, each of them once; one text stands for a list of one."""
    items = value.items if isinstance(value, Sequence) else (value,)
    texts: dict[str, Scalar] = {}
    for item in items:
        if not isinstance(item, Scalar) or not item.text.strip():
            problems.error(item.start, code, f"'{key}' is a list of texts: [one, two]")
        elif item.text in texts:
            problems.error(item.start, code, f"'{item.text}' is in '{key}' twice; keep one")
        else:
            texts[item.text] = item
    return tuple(texts.values())


def duration_of(value: Yaml, key: str, code: Code, problems: Problems) -> int:
    """Nanoseconds; 0 after a mistake."""
    ns = duration_ns(value.text) if isinstance(value, Scalar) else None
    if ns is None:
        problems.error(value.start, code, f"'{key}' is {WANTED}")
    return ns or 0
