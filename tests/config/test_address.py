import pytest

from monitord.config.address import parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9750", ("127.0.0.1", 9750)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_reads(text, address):
    assert address == parse_address(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is not ADDRESS:PORT"),
        ("9750", "'9750' is not ADDRESS:PORT"),
        ("*:9750", "'*:9750' is not ADDRESS:PORT; write 127.0.0.1:9750, or 0.0.0.0:9750 for every"),
        (":9750", "':9750' is not ADDRESS:PORT"),
        ("::1:9750", "'::1:9750': put the IPv6 address in brackets"),
        ("[]:1", "'[]:1': '' is not a host"),
        ("http://a:1", "'http://a:1': put the IPv6"),
        ("a b:1", "'a b:1': 'a b' is not a host"),
        ("a:", "'a:': '' is not a port"),
        ("a:65536", "'a:65536': '65536' is not a port"),
        ("a:-1", "'a:-1': '-1' is not a port"),
    ],
)
def test_says_what_is_wrong(text, reason):
    assert str(parse_address(text)).startswith(reason)
