"""What a reload changed, in words."""

from monitord.rules.rule import RuleSet

SHOWN = 10
"""Names per kind of change; more are counted."""


def changes(old: RuleSet, new: RuleSet) -> str:
    """``2 added (A, B), 1 changed (C)``, of the rules that are on; a rule that is switched on is added."""
    before = {rule.name: rule for rule in old.rules if rule.enabled}
    after = {rule.name: rule for rule in new.rules if rule.enabled}
    kinds = {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "changed": [name for name, rule in after.items() if before.get(name, rule) != rule],
    }
    said = [f"{len(names)} {kind} ({_shown(names)})" for kind, names in kinds.items() if names]
    return ", ".join(said) or f"no change, {len(after)} are on"


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
