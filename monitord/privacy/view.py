"""An event and its context as they are written: what rules saw, without the secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from monitord.abi.event import Capture
from monitord.model.event import Event
from monitord.model.process import Context, Process
from monitord.model.text import text_of
from monitord.model.value import Missing, Value
from monitord.privacy.masks import Masks


def masked_event(event: Event, masks: Masks) -> Event:
    """The event, without secrets in its command line."""
    texts = tuple(
        replace(text, data=_masked(text.data, masks)) if text.capture is Capture.ARGV else text for text in event.texts
    )
    return event if texts == event.texts else replace(event, texts=texts)


def masked_context(event: Event, masked: Event, context: Context, masks: Masks) -> Context:
    """
    A context that answers for the masked event what the context knows of the event.

    :param masked: what `masked_event` made of `event`.
    """
    return cast(Context, _MaskedContext(event, masked, context, masks))


def masked_value(value: Value, masks: Masks) -> Value:
    """A field's value without secrets, those too that are in no command line."""
    if isinstance(value, str):
        return masks.text(value)
    if isinstance(value, tuple):
        texts = tuple(one for one in value if isinstance(one, str))
        return masks.argv(texts) if len(texts) == len(value) else value
    return value


class _MaskedContext:
    """`Context` by another's answers. All that is asked about the masked event is asked about the real one."""

    def __init__(self, event: Event, masked: Event, context: Context, masks: Masks) -> None:
        self._event = event
        self._masked = masked
        self._context = context
        self._masks = masks

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._context, name)

        def ask(*args: object) -> Any:
            return self._hide(method(*(self._event if arg is self._masked else arg for arg in args)))

        return ask

    def _hide(self, answer: object) -> object:
        if isinstance(answer, Process):
            argv = answer.argv if isinstance(answer.argv, Missing) else self._masks.argv(answer.argv)
            return answer if argv == answer.argv else replace(answer, argv=argv)
        # The names of users and the like, before the question that takes a microsecond.
        if isinstance(answer, (str, int, Missing)):
            return answer
        return self._masks.environment(answer) if isinstance(answer, Mapping) else answer


def _masked(data: bytes, masks: Masks) -> bytes:
    """An argv as the kernel keeps it."""
    argv: Sequence[str] = text_of(data).split("\0")
    return "\0".join(masks.argv(argv)).encode("utf-8", "surrogateescape")
