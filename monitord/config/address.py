"""``ADDR:PORT`` of ``metrics.address`` and ``--metrics``."""


def parse_address(text: str) -> tuple[str, int] | str:
    """
    Read an address with its port; an IPv6 address is in brackets, which are taken off.

    :return: host and port, or what is wrong with the text and what to write instead.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or host in ("", "*"):  # getaddrinfo(3) of "*" is this machine's own address
        return f"{text!r} is not ADDRESS:PORT; write 127.0.0.1:9750, or 0.0.0.0:9750 for every interface"
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return f"{text!r}: put the IPv6 address in brackets, as in [::1]:9750"
    if not host or any(letter.isspace() or letter in "[]/" for letter in host):
        return f"{text!r}: {host!r} is not a host; write 127.0.0.1:9750 or [::1]:9750"
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
        return f"{text!r}: {port!r} is not a port; write a number from 0 to 65535 (0 takes any free one)"
    return host, int(port)
