"""An event and its context as they are written: what rules saw, without the secrets."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from monitord.model.event import Event
from monitord.model.inspection import Inspection
from monitord.model.process import Process
from monitord.model.value import Missing, Value
from monitord.privacy.captured import masked_text
from monitord.privacy.masks import Masks
from monitord.recording.snapshot import Snapshot

OfProcess = TypeVar("OfProcess", Process, Process | Missing)


def masked_event(event: Event, masks: Masks) -> Event:
    """The event, without secrets in its command line, its names and its paths."""
    texts = tuple(masked_text(text, masks) for text in event.texts)
    comm, parent_comm = masks.text(event.comm), masks.text(event.parent_comm)
    if (texts, comm, parent_comm) == (event.texts, event.comm, event.parent_comm):
        return event
    return replace(event, texts=texts, comm=comm, parent_comm=parent_comm)


def masked_snapshot(snapshot: Snapshot, masks: Masks) -> Snapshot:
    """What is known of an event, without secrets of processes and in paths, nor in what a container runtime says."""
    return replace(
        snapshot,
        paths={arg: masked_value(path, masks) for arg, path in snapshot.paths.items()},
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
    if isinstance(process, Missing):
        return process
    # One by one, and nothing made anew where nothing is: an alert has some ten of them.
    argv, comm, exepath, cwd = process.argv, process.comm, process.exepath, process.cwd
    if isinstance(argv, tuple):
        argv = masks.argv(argv)
    if isinstance(comm, str):
        comm = masks.text(comm)
    if isinstance(exepath, str):
        exepath = masks.text(exepath)
    if isinstance(cwd, str):
        cwd = masks.text(cwd)
    if comm == process.comm and exepath == process.exepath and cwd == process.cwd and argv == process.argv:
        return process
    return replace(process, comm=comm, argv=argv, exepath=exepath, cwd=cwd)


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
