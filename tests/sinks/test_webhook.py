import json
import socket
import subprocess
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from monitord.config.outputs import WebhookConfig
from monitord.sinks.format import json_line
from monitord.sinks.http_files import NO_CERTIFICATE, PASSPHRASE
from monitord.sinks.http_post import LONGEST_PAUSE_S
from monitord.sinks.webhook import Webhook
from monitord.stages import BusyError, RefusedError, SinkError, UnsureError
from tests.support.alerts import make_alert
from tests.support.daemon import until
from tests.support.receiver import make_certificates, receiving, status

RECORD = json_line(make_alert())

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SECRET = "s3cr3t"


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def opened():
    sinks = []

    def opened(port: int, path: str = "/hook", scheme: str = "http", **config) -> Webhook:
        sinks.append(Webhook(WebhookConfig(url=f"{scheme}://127.0.0.1:{port}{path}", **config)))
        return sinks[-1]

    yield opened
    for sink in sinks:
        sink.close()


def trouble(sink: Webhook, kind: type[SinkError] = SinkError) -> str:
    """What is wrong with writing, of exactly this kind."""
    with pytest.raises(SinkError) as raised:
        sink.write(RECORD)
    assert kind is raised.type
    return str(raised.value)


class TestRequest:
    def test_the_body_is_the_alert(self, receiver, opened):
        opened(receiver.port).write(RECORD)

        assert json.loads(RECORD) == json.loads(receiver.requests[0].body)

    def test_path_and_query_are_those_of_the_url(self, receiver, opened):
        opened(receiver.port, f"/a/{SECRET}?b=c").write(RECORD)

        assert f"/a/{SECRET}?b=c" == receiver.requests[0].path

    def test_an_ipv6_address(self, receiver):
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
            sink = Webhook(WebhookConfig(url=f"http://[::1]:{server.getsockname()[1]}/", timeout_s=1))
            assert f"http://[::1]:{server.getsockname()[1]}: no answer within 1 s" == trouble(sink, UnsureError)

    def test_headers(self, receiver, opened):
        opened(receiver.port, headers=(("X-Team", "security"), ("User-Agent", "ours"))).write(RECORD)
        headers = receiver.requests[0].headers

        assert ("application/json", "security", "ours") == tuple(
            headers[name] for name in ("Content-Type", "X-Team", "User-Agent")
        )

    def test_the_key_is_that_of_the_alert(self, receiver, opened):
        sink = opened(receiver.port)
        for record in (RECORD, RECORD, json_line(make_alert(rule="other"))):
            sink.write(record)
        first, again, other = (request.headers["Idempotency-Key"] for request in receiver.requests)

        assert first == again
        assert first != other

    def test_one_connection_is_enough(self, receiver, opened):
        sink = opened(receiver.port)
        for _ in range(23):
            sink.write(RECORD)

        assert (23, 1) == (len(receiver.requests), receiver.connections)

    def test_headers_of_a_file_are_read_for_every_connection(self, receiver, opened, tmp_path):
        file = tmp_path / "headers"
        file.write_text("# of the collector\n\nAuthorization: Bearer old\n")
        receiver.answer = status(401)
        sink = opened(receiver.port, headers_file=file)
        trouble(sink)
        file.write_text("Authorization: Bearer new\n")
        trouble(sink)

        assert ["Bearer old", "Bearer new"] == [request.headers["Authorization"] for request in receiver.requests]


class TestConnection:
    def test_one_that_the_server_closed_is_made_anew_before_it_is_used(self, receiver, opened):
        def closing(handler, number):
            status(204)(handler, number)
            handler.close_connection = True  # without telling

        receiver.answer = closing
        sink = opened(receiver.port)
        for number in range(3):
            sink.write(RECORD)
            until(lambda number=number: receiver.closed > number)

        assert (3, 3) == (len(receiver.requests), receiver.connections)

    def test_a_long_answer_is_not_read(self, receiver, opened):
        def long(handler, number):
            handler.send_response(200)
            handler.send_header("Content-Length", str(1 << 30))
            handler.end_headers()
            handler.wfile.write(bytes(1 << 10))
            time.sleep(30)

        receiver.answer = long
        sink = opened(receiver.port)
        sink.write(RECORD)
        receiver.answer = None
        sink.write(RECORD)

        assert 2 == len(receiver.requests)

    def test_an_answer_in_chunks_leaves_it_open(self, receiver, opened):
        def chunked(handler, number):
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

        receiver.answer = chunked
        sink = opened(receiver.port)
        for _ in range(3):
            sink.write(RECORD)

        assert (3, 1) == (len(receiver.requests), receiver.connections)

    @pytest.mark.parametrize("header", [("Content-Length", "100"), ("Transfer-Encoding", "chunked")])
    def test_an_answer_that_breaks_off_is_an_answer(self, receiver, opened, header):
        def broken(handler, number):
            handler.send_response(200)
            handler.send_header(*header)
            handler.end_headers()
            handler.wfile.write(b"5\r\nhel")
            handler.close_connection = True

        receiver.answer = broken
        sink = opened(receiver.port)
        for _ in range(2):
            sink.write(RECORD)

        assert (2, 2) == (len(receiver.requests), receiver.connections)

    def test_reopen_makes_a_new_one(self, receiver, opened):
        sink = opened(receiver.port)
        sink.write(RECORD)
        sink.reopen()
        sink.write(RECORD)

        assert 2 == receiver.connections


class TestTrouble:
    def test_a_server_that_is_not_there(self, opened):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

        assert f"http://127.0.0.1:{port}: connection refused" == trouble(opened(port, f"/{SECRET}"))

    def test_a_host_that_has_no_address(self):
        sink = Webhook(WebhookConfig(url="http://no-such-host.invalid/"))

        assert trouble(sink).startswith("http://no-such-host.invalid: ")

    @pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..b"])
    def test_a_host_that_cannot_be_one(self, host):
        assert f"http://{host}: not a host name" == trouble(Webhook(WebhookConfig(url=f"http://{host}/")))

    def test_no_answer_leaves_it_open_whether_it_came(self, receiver, opened):
        receiver.answer = lambda handler, number: time.sleep(5)
        sink = opened(receiver.port, timeout_s=1)

        assert f"http://127.0.0.1:{receiver.port}: no answer within 1 s" == trouble(sink, UnsureError)

    @pytest.mark.parametrize("dribble", [b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyyyy", CONTINUE * 20])
    def test_neither_does_one_that_never_ends(self, receiver, opened, dribble):
        def answer(handler, number):
            for at in range(0, len(dribble), len(dribble) // 20):
                handler.wfile.write(dribble[at : at + len(dribble) // 20])
                time.sleep(0.2)

        receiver.answer = answer
        sink = opened(receiver.port, timeout_s=1)
        begin_s = time.monotonic()

        assert f"http://127.0.0.1:{receiver.port}: no answer within 1 s" == trouble(sink, UnsureError)
        assert time.monotonic() < begin_s + 3

    def test_what_dribbles_behind_the_status_is_not_waited_for(self, receiver, opened):
        def answer(handler, number):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(20):
                handler.wfile.write(b"1\r\nx\r\n")
                time.sleep(0.2)

        receiver.answer = answer
        sink = opened(receiver.port, timeout_s=1)
        begin_s = time.monotonic()
        sink.write(RECORD)

        assert time.monotonic() < begin_s + 3
        receiver.answer = None
        sink.write(RECORD)
        assert 2 == receiver.connections

    def test_so_does_a_connection_that_breaks(self, receiver, opened):
        receiver.answer = lambda handler, number: handler.connection.shutdown(socket.SHUT_RDWR)

        assert "the connection broke" in trouble(opened(receiver.port), UnsureError)

    def test_so_does_an_answer_that_is_not_http(self, receiver, opened):
        receiver.answer = lambda handler, number: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")

        assert "answers without HTTP" in trouble(opened(receiver.port), UnsureError)

    @pytest.mark.parametrize("code", [400, 413, 422])
    def test_what_the_server_refuses_is_told_apart(self, receiver, opened, code):
        receiver.answer = status(code)

        assert f": answers {code} " in trouble(opened(receiver.port), RefusedError)

    def test_what_it_says_beside_the_number_is_not_for_our_log(self, receiver, opened):
        receiver.answer = lambda handler, number: handler.wfile.write(b"HTTP/1.1 500 \x1b[2J\r\n\r\n")

        assert trouble(opened(receiver.port)).endswith(": answers 500 Internal Server Error")

    @pytest.mark.parametrize(("text", "pause_s"), [("7", 7), ("86400", LONGEST_PAUSE_S), ("9" * 400, LONGEST_PAUSE_S)])
    def test_a_pause_that_the_server_wants_is_said(self, receiver, opened, text, pause_s):
        receiver.answer = status(429, **{"Retry-After": text})

        assert trouble(opened(receiver.port), BusyError).endswith(f", and wants a pause of {pause_s:.0f} s")

    def test_a_pause_until_a_time_of_the_clock(self, receiver, opened):
        receiver.answer = status(503, **{"Retry-After": formatdate(time.time() + 100, usegmt=True)})
        with pytest.raises(BusyError) as raised:
            opened(receiver.port).write(RECORD)

        assert 50 < raised.value.pause_s <= 100

    @pytest.mark.parametrize(
        "text", ["", "0", "soon", "-3", "1.5", "Wed, 99 Foo 2026", "Thu, 01 Jan 1970 00:00:00 GMT"]
    )
    def test_one_that_cannot_be_read_or_is_over_is_none(self, receiver, opened, text):
        receiver.answer = status(503, **{"Retry-After": text})

        assert trouble(opened(receiver.port)).endswith("503 Service Unavailable")

    @pytest.mark.parametrize("code", [404, 408, 429, 500, 503])
    def test_what_may_work_later_is_to_be_tried_again(self, receiver, opened, code):
        receiver.answer = status(code)

        assert f": answers {code} " in trouble(opened(receiver.port))

    def test_redirects_are_not_followed(self, receiver, opened):
        receiver.answer = status(302, Location="/other")
        message = trouble(opened(receiver.port))

        assert message.endswith("answers 302 Found, which is not followed; change outputs.webhook.url")
        assert 1 == len(receiver.requests)

    def test_it_works_again_afterwards(self, receiver, opened):
        receiver.answer = status(503)
        sink = opened(receiver.port)
        trouble(sink)
        receiver.answer = None
        sink.write(RECORD)

        assert 2 == len(receiver.requests)


class TestTls:
    def test_a_server_of_the_ca(self, certificates, opened):
        with receiving(certificates.server()) as receiver:
            sink = opened(receiver.port, scheme="https", ca_file=certificates.cert("ca"))
            for _ in range(3):
                sink.write(RECORD)

        assert (3, 1) == (len(receiver.requests), receiver.connections)

    @pytest.mark.parametrize(
        ("server", "ca", "reason"),
        [
            ("server", None, "unable to get local issuer certificate; see outputs.webhook.ca_file"),
            ("server", "other", "unable to get local issuer certificate; see outputs.webhook.ca_file"),
            (
                "elsewhere",
                "ca",
                "IP address mismatch, certificate is not valid for '127.0.0.1'; see outputs.webhook.url",
            ),
            (
                "expired",
                "ca",
                "certificate has expired; the server needs another, or this machine's clock is wrong",
            ),
        ],
    )
    def test_a_wrong_certificate(self, certificates, opened, server, ca, reason):
        with receiving(certificates.server(server)) as receiver:
            sink = opened(receiver.port, f"/{SECRET}", "https", ca_file=ca and certificates.cert(ca))
            message = trouble(sink)

        assert f"https://127.0.0.1:{receiver.port}: its certificate is refused: {reason}" == message
        assert [] == receiver.requests

    def test_a_server_that_asks_who_we_are(self, certificates, opened):
        with receiving(certificates.server(client_ca="ca")) as receiver:
            opened(
                receiver.port,
                scheme="https",
                ca_file=certificates.cert("ca"),
                client_cert=certificates.cert("client"),
                client_key=certificates.key("client"),
            ).write(RECORD)

        assert 1 == len(receiver.requests)

    def test_and_is_not_told(self, certificates, opened):
        with receiving(certificates.server(client_ca="ca")) as receiver:
            sink = opened(receiver.port, scheme="https", ca_file=certificates.cert("ca"))
            with pytest.raises(SinkError, match=r"outputs\.webhook\.client_cert"):
                sink.write(RECORD)

        assert [] == receiver.requests

    def test_a_new_certificate_is_read_with_the_next_connection(self, certificates, opened, tmp_path):
        ca = tmp_path / "ca.pem"
        ca.write_bytes(certificates.cert("other").read_bytes())
        with receiving(certificates.server()) as receiver:
            sink = opened(receiver.port, scheme="https", ca_file=ca)
            trouble(sink)
            ca.write_bytes(certificates.cert("ca").read_bytes())
            sink.write(RECORD)

        assert 1 == len(receiver.requests)

    def test_a_server_without_tls(self, receiver, opened):
        assert "no TLS: wrong version number" in trouble(opened(receiver.port, scheme="https"))

    def test_a_server_that_says_nothing(self, certificates, opened):
        with socket.create_server(("127.0.0.1", 0)) as server:
            sink = opened(server.getsockname()[1], scheme="https", timeout_s=1)

            assert trouble(sink).endswith(": timed out")


class TestFiles:
    """What is wrong with them is said when the output is opened."""

    @pytest.fixture
    def refused(self, opened):
        def refused(**files) -> str:
            with pytest.raises(SinkError) as raised:
                opened(1, scheme="https", **files)
            return str(raised.value)

        return refused

    @pytest.mark.parametrize("key", ["ca_file", "client_cert", "headers_file"])
    def test_one_that_is_not_there(self, refused, key):
        assert f"cannot use outputs.webhook.{key}: /no/such: no such file or directory" == refused(
            **{key: Path("/no/such")}
        )

    def test_a_key_that_is_not_there(self, refused, certificates):
        said = refused(client_cert=certificates.cert("client"), client_key=Path("/no/such"))

        assert "cannot use outputs.webhook.client_key: /no/such: no such file or directory" == said

    @pytest.mark.parametrize("key", ["ca_file", "client_cert"])
    @pytest.mark.parametrize("text", ["", "no certificate\n"])
    def test_one_that_is_no_pem(self, refused, tmp_path, key, text):
        (tmp_path / "pem").write_text(text)

        assert f"cannot use outputs.webhook.{key}: {tmp_path}/pem: {NO_CERTIFICATE}" == refused(
            **{key: tmp_path / "pem"}
        )

    def test_a_certificate_without_a_key(self, refused, certificates):
        cert = certificates.cert("client")

        assert f"client_cert: {cert}: no private key in it, and no client_key names one" in refused(client_cert=cert)

    def test_a_key_that_is_none(self, refused, certificates):
        cert = certificates.cert("client")

        assert f"client_key: {cert}: no private key in it" in refused(client_cert=cert, client_key=cert)

    def test_a_key_of_another_certificate(self, refused, certificates):
        said = refused(client_cert=certificates.cert("client"), client_key=certificates.key("server"))

        assert said.endswith("server.key: the key belongs to another certificate than client_cert")

    @pytest.mark.parametrize("form", [(), ("-traditional",)])
    def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(self, certificates, refused, tmp_path, form):
        locked, key = tmp_path / "locked.key", certificates.key("client")
        lock = ["openssl", "pkey", *form, "-aes256", "-in", key, "-out", locked, "-passout", "pass:x"]
        subprocess.run(lock, check=True)

        assert f"client_key: {locked}: {PASSPHRASE}" in (
            refused(client_cert=certificates.cert("client"), client_key=locked)
        )

    @pytest.mark.parametrize(
        ("line", "wrong"),
        [(SECRET, "not a line of the form"), (f"a b: {SECRET}", "cannot be the name"), ("Host: x", "is set by")],
    )
    def test_a_line_that_is_no_header(self, refused, tmp_path, line, wrong):
        (tmp_path / "headers").write_text(f"A: b\n{line}\n")
        said = refused(headers_file=tmp_path / "headers")

        assert said.startswith(f"cannot use outputs.webhook.headers_file: {tmp_path}/headers:2: ")
        assert wrong in said
        assert SECRET not in said
