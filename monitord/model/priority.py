"""How bad what an alert says is."""

import enum


class Priority(enum.IntEnum):
    """Falco's priorities, syslog's numbers: the lower, the worse."""

    EMERGENCY = 0
    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFORMATIONAL = 6
    DEBUG = 7

    @property
    def label(self) -> str:
        """As Falco writes it: ``Warning``."""
        return self.name.capitalize()

    @staticmethod
    def parse(text: str) -> "Priority | None":
        """The priority of a name in any case (``info`` is Informational), or None."""
        name = text.strip().upper()
        return Priority.INFORMATIONAL if name == "INFO" else Priority.__members__.get(name)
