"""The codes of mistakes in files of rule tests. They are a promise: a code is never given another meaning."""

import enum


class Code(enum.StrEnum):
    """What kind of mistake it is, for people to search."""

    SHAPE = "T001"  # YAML of another shape than tests have
    KEY = "T002"  # a key that means nothing here, or is not there
    EVENT = "T003"  # an event that cannot be
    RULE = "T004"  # a rule that is not there
    VALUE = "T005"  # a value that its key does not take
    NONE = "T006"  # no test where some were asked for
