"""Falco's own rules: not part of this project; tests that use them are skipped where they are not."""

from pathlib import Path

FALCO_RULES = next(
    (found for parent in Path(__file__).parents if (found := parent / "shared/data/falco/falco_rules.yaml").exists()),
    Path("falco_rules.yaml"),
)
