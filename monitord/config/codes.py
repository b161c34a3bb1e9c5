"""The codes of the configuration's mistakes. A code keeps its meaning for ever: people search for it."""

import enum


class Code(enum.StrEnum):
    """What is wrong with monitord.yaml."""

    UNREADABLE = "C001"  # the file cannot be read
    NOT_YAML = "C002"  # the file is not YAML
    NOT_A_SECTION = "C003"  # a section is not a mapping of keys to values
    UNKNOWN_KEY = "C004"  # a key that monitord does not know
    REPEATED_KEY = "C005"  # a key that is there twice
    WRONG_TYPE = "C006"  # a number where a text is wanted, and the like
    SCOPE = "C010"  # a scope that does not parse
    ADDRESS = "C011"  # an address that does not parse
    RING_PAGES = "C012"  # a ring size the kernel cannot map
    OUT_OF_RANGE = "C013"  # a number outside its range
    PRIORITY = "C014"  # not one of the priorities
    PATH = "C015"  # a text that cannot be a path
