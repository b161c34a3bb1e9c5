"""A daemon with Falco's own rules, and what is to alert under them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.watched import Watched
from tests.support.daemon import configured, running, shell
from tests.support.falco import FALCO_RULES

NEEDS_FALCO = pytest.mark.skipif(not FALCO_RULES.exists(), reason="Falco's own rules are not part of this project")

PLACE = "$PLACE"
"""Stands for a directory of the test, in commands and in values."""


@dataclass(frozen=True)
class Case:
    """
    What one rule is about.

    :ivar does: a shell command that does it.
    :ivar says: what the alert says, by field.
    :ivar near: commands that are almost that, and must not alert by this rule.
    """

    does: str
    says: Mapping[str, object]
    near: tuple[str, ...] = ()


@contextmanager
def falco(directory: Path) -> Iterator[Watched]:
    """A shell, and a daemon that watches it by Falco's rules as they are; alerts say the container, too."""
    rules = {"paths": [str(FALCO_RULES)], "append_output": [{"extra_fields": ["container.id"]}]}
    with shell() as opened, running(directory, opened.scope, configured(directory, "[]", rules=rules)) as daemon:
        yield Watched(opened, daemon)


def said(rule: str, alerts: list[dict], place: Path, says: Mapping[str, object]) -> dict[str, object]:
    """What the first of the alerts says of these fields, when all are by this rule."""
    assert {rule} == {alert["rule"] for alert in alerts}
    fields = alerts[0]["output_fields"]
    return {name: _placed(fields[name], place) for name in says}


def _placed(value: object, place: Path) -> object:
    return value.replace(str(place), PLACE) if isinstance(value, str) else value
