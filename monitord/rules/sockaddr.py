"""struct sockaddr as it was copied from the caller."""

import ipaddress
import sys

from monitord.dataclass import dataclass
from monitord.model.text import text_of

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10


@dataclass(frozen=True, slots=True)
class Sockaddr:
    """
    An address.

    :ivar family: AF_*; AF_INET for an IPv4 address in IPv6's form (``::ffff:10.0.0.1``).
    :ivar host: the IP address as text; empty for other families.
    :ivar path: of a unix socket, ``@`` standing for the NUL of an abstract one; empty for other families.
    """

    family: int
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_ip(self) -> bool:
        """Whether it is of IPv4 or IPv6."""
        return bool(self.host)

    @property
    def type_name(self) -> str:
        """As Falco's ``fd.type``: ``ipv4``, ``ipv6``, ``unix``, or ``other``."""
        return {_AF_UNIX: "unix", _AF_INET: "ipv4", _AF_INET6: "ipv6"}.get(self.family, "other")

    @property
    def type_char(self) -> str:
        """As Falco's ``fd.typechar``."""
        return {_AF_UNIX: "u", _AF_INET: "4", _AF_INET6: "6"}.get(self.family, "o")

    def __str__(self) -> str:
        if self.family == _AF_INET6 and self.host:
            return f"[{self.host}]:{self.port}"
        if self.host:
            return f"{self.host}:{self.port}"
        return self.path if self.family == _AF_UNIX else f"family {self.family}"


def read_sockaddr(data: bytes) -> Sockaddr:
    """The address in some bytes; too few of them make one of family 0 or without host."""
    family = int.from_bytes(data[:2], sys.byteorder) if len(data) >= 2 else 0
    port = int.from_bytes(data[2:4], "big")
    if family == _AF_INET and len(data) >= 8:
        return Sockaddr(family, str(ipaddress.IPv4Address(data[4:8])), port)
    if family == _AF_INET6 and len(data) >= 24:
        mapped = ipaddress.IPv6Address(data[8:24]).ipv4_mapped
        if mapped is not None:  # an IPv6 socket talks IPv4: rules see IPv4, as in Falco
            return Sockaddr(_AF_INET, str(mapped), port)
        return Sockaddr(family, str(ipaddress.IPv6Address(data[8:24])), port)
    if family == _AF_UNIX:
        path = data[2:]
        if path[:1] == b"\0":
            return Sockaddr(family, path="@" + text_of(path[1:].rstrip(b"\0")))
        return Sockaddr(family, path=text_of(path.split(b"\0", 1)[0]))
    return Sockaddr(family)
