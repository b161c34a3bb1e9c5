"""Connections that stay open between alerts."""

import select
import socket


def dead(connection: socket.socket) -> bool:
    """
    Whether the other side has closed a connection on which it has nothing to say.

    Asked before every use: what is written into a connection that the other side has closed is lost without an error.
    """
    poll = select.poll()  # select() takes no descriptors above 1023
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def why(error: OSError | UnicodeError) -> str:
    """What an error of a connection is to an operator."""
    if isinstance(error, UnicodeError):
        return "not a host name"
    if isinstance(error, TimeoutError):
        return "timed out"
    return (error.strerror or str(error)).lower()
