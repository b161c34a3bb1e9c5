"""What every protocol offers."""

from typing import Protocol

from monitord.model.inspection import Inspection


class Runtime(Protocol):
    """
    A container runtime behind a socket.

    :ivar protocol: in which it is asked, for people.
    """

    protocol: str

    def inspection(self, full_id: str) -> Inspection | None:
        """
        What it says of a container; None when it does not know it.

        :raises OSError: it does not answer.
        :raises ValueError: what it answers is no answer, or it refuses.
        """
