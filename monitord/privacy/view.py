"""An event and its context as they are written: what rules saw, without the secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from monitord.abi.event import Capture
from monitord.model.event import Event
from monitord.model.inspection import Inspection
from monitord.model.process import Process
from monitord.model.text import text_of
from monitord.model.value import Missing, Value
from monitord.privacy.masks import Masks
from monitord.recording.snapshot import Snapshot

OfProcess = TypeVar("OfProcess", Process, Process | Missing)


def masked_event(event: Event, masks: Masks) -> Event:
    """The event, without secrets in its command line."""
    texts = tuple(
        replace(text, data=_masked(text.data, masks)) if text.capture is Capture.ARGV else text for text in event.texts
    )
    return event if texts == event.texts else replace(event, texts=texts)


def masked_snapshot(snapshot: Snapshot, masks: Masks) -> Snapshot:
    """What is known of an event, without secrets in command lines, environments, and what a container runtime says."""
    return replace(
        snapshot,
        line=tuple(_without_secrets(process, masks) for process in snapshot.line),
        environments={at: _variables(found, masks) for at, found in snapshot.environments.items()},
        leaders={pid: _without_secrets(leader, masks) for pid, leader in snapshot.leaders.items()},
        container=_inspection(snapshot.container, masks),
    )


def masked_value(value: Value, masks: Masks) -> Value:
    """A field's value without secrets, those too that are in no command line."""
    if isinstance(value, str):
        return masks.text(value)
    if isinstance(value, tuple):
        texts = tuple(one for one in value if isinstance(one, str))
        return masks.argv(texts) if len(texts) == len(value) else value
    return value


def _without_secrets(process: OfProcess, masks: Masks) -> OfProcess:
    if isinstance(process, Missing) or isinstance(process.argv, Missing):
        return process
    argv = masks.argv(process.argv)
    return process if argv == process.argv else replace(process, argv=argv)


def _inspection(found: Inspection | Missing, masks: Masks) -> Inspection | Missing:
    """Labels are the operator's, and the health check is a command line."""
    if isinstance(found, Missing):
        return found
    pod, check = found.pod, found.healthcheck
    return replace(
        found,
        labels=_labels(found.labels, masks),
        healthcheck=check if isinstance(check, Missing) else masks.text(str(check)),
        pod=pod if isinstance(pod, Missing) else replace(pod, labels=_labels(pod.labels, masks)),
    )


def _labels(labels: Mapping[str, str], masks: Masks) -> Mapping[str, str]:
    return {name: masks.named(name, value) for name, value in labels.items()}


def _variables(found: tuple[str, ...] | Missing, masks: Masks) -> tuple[str, ...] | Missing:
    return found if isinstance(found, Missing) else masks.environment(found)


def _masked(data: bytes, masks: Masks) -> bytes:
    """An argv as the kernel keeps it."""
    argv: Sequence[str] = text_of(data).split("\0")
    return "\0".join(masks.argv(argv)).encode("utf-8", "surrogateescape")
