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
    MASK = "C017"  # a name of secrets that masks nothing, or everything
    PATH = "C015"  # a text that cannot be a path
    ONE_KEY = "C018"  # an item with other than one key where one is wanted
    REQUIRED = "C030"  # a section without a key that it needs
    CHOICE = "C031"  # not one of the words that a key takes
    URL = "C032"  # a URL that nothing can be posted to
    HEADER = "C033"  # a header that HTTP does not allow, or that is not the operator's to set
    SYSLOG = "C034"  # a place where syslog cannot be
    IGNORE = "C036"  # a name or path that the kernel cannot ignore, or too many
    COMMAND = "C035"  # a command without a program
    FILE = "C037"  # a file that an output names, which cannot be used
