"""Output templates: ``%field``, ``%field[arg]``, ``%transformer(...)``, ``%20field`` for a width."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from monitord.dataclass import dataclass
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.ast import Operand
from monitord.rules.field import Field
from monitord.rules.fields import CATALOGUE
from monitord.rules.lexer import ConditionError
from monitord.rules.operand import value_of
from monitord.rules.parser import parse_operand

_WIDTH = re.compile(r"[0-9]{0,4}")
_INFO = "%container.info"  # Falco fills in what its -p option says; without one, nothing


@dataclass(frozen=True, slots=True)
class Slot:
    """
    A place in a template for a value.

    :ivar name: as written, without ``%`` and width: the key in `Alert.fields`.
    :ivar width: pad or cut to so many characters; 0 for as long as it is.
    :ivar at: offset in the template.
    """

    name: str
    operand: Operand
    width: int
    at: int


@dataclass(frozen=True, slots=True)
class Extra:
    """
    A value that goes with an alert and is not in its text.

    :ivar name: its key in `Alert.fields`.
    :ivar pieces: as in `Output`.
    :ivar raw: the one piece is a slot, and the value is the field's, not a text.
    """

    name: str
    pieces: tuple[str | Slot, ...]
    raw: bool


@dataclass(frozen=True, slots=True)
class Output:
    """
    A parsed template.

    :ivar pieces: texts and slots in turn.
    """

    pieces: tuple[str | Slot, ...]
    extra: tuple[Extra, ...] = ()

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots of the text alone."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Slot))


def parse_output(template: str) -> Output:
    """
    Read a template. A leading ``*`` (print although values are missing) is what always happens, and is dropped.

    :raises ConditionError: a ``%`` without a field behind it.
    """
    pieces: list[str | Slot] = []
    done = len(template) - len(template.lstrip().removeprefix("*"))
    end = len(template.rstrip())
    while (at := template.find("%", done, end)) >= 0:
        if at > done:
            pieces.append(template[done:at])
        if template.startswith(_INFO, at):
            done = at + len(_INFO)
            continue
        match = _WIDTH.match(template, at + 1)
        assert match is not None
        begin = match.end()
        if begin >= end or template[begin].isspace():
            raise ConditionError("a field name has to follow '%'", at)
        operand, done = parse_operand(template, begin)
        pieces.append(Slot(template[begin:done], operand, int(match[0] or 0), at))
    if done < end:
        pieces.append(template[done:end])
    return Output(tuple(pieces))


def render(
    output: Output,
    event: Event,
    context: Context,
    catalogue: Mapping[str, Field] = CATALOGUE,
    shown: Callable[[Value], Value] = lambda value: value,
) -> tuple[str, Mapping[str, Value]]:
    """
    The text for an event, and the value of each field in it by its name there.

    Control characters stay as they are: sinks escape what they write.

    :param shown: what is to be shown of a value.
    """
    values: dict[str, Value] = {}

    def text_of(pieces: tuple[str | Slot, ...], kept: dict[str, Value]) -> str:
        texts = []
        for piece in pieces:
            if isinstance(piece, str):
                texts.append(piece)
                continue
            if piece.name not in kept:
                kept[piece.name] = shown(value_of(piece.operand, event, context, catalogue))
            text = text_of_value(kept[piece.name])
            texts.append(text[: piece.width].ljust(piece.width) if piece.width else text)
        return "".join(texts)

    text = text_of(output.pieces, values)
    for extra in output.extra:
        kept = dict(values)
        of_extra = text_of(extra.pieces, kept)
        piece = extra.pieces[0] if extra.pieces else ""
        values[extra.name] = kept[piece.name] if extra.raw and isinstance(piece, Slot) else of_extra
    return text, MappingProxyType(values)


def text_of_value(value: Value) -> str:
    """A value as outputs show it: ``<NA>`` when missing, ``true``, and lists as ``(one,two)``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"({','.join(map(str, value))})"
    return str(value) if not isinstance(value, Missing) else "<NA>"
