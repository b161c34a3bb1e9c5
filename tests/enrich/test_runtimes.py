"""Questions to docker: a server on a unix socket that speaks the Docker Engine API as it is documented."""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from monitord.enrich.runtimes.asking import AGAIN_S
from monitord.enrich.runtimes.docker_answers import inspection_of
from monitord.model.inspection import Inspection, Mount, Pod
from monitord.model.placement import Placement
from monitord.model.value import Missing
from tests.support.daemon import PATIENCE_S, until
from tests.support.threads import no_threads

ID = "4f0c" * 16
OTHER = "a1b2" * 16
IMAGE = "c0de" * 16
CONTAINER = {
    "Id": ID,
    "Name": "/web",
    "Image": f"sha256:{IMAGE}",
    "State": {"StartedAt": "2026-02-03T04:05:06.000000007Z"},
    "Config": {
        "Image": "registry.example.org:5000/shop/nginx:1.25",
        "Labels": {"io.kubernetes.pod.name": "web-0", "tier": "front"},
        "Healthcheck": {"Test": ["CMD-SHELL", "true"]},
    },
    "HostConfig": {"Privileged": True, "PidMode": "host", "NetworkMode": "bridge", "IpcMode": "private"},
    "NetworkSettings": {"IPAddress": "172.17.0.2"},
    "Mounts": [{"Source": "/srv", "Destination": "/data", "Mode": "z", "RW": False, "Propagation": "rprivate"}],
}
DESCRIBED = Inspection(
    name="web",
    image="registry.example.org:5000/shop/nginx:1.25",
    image_id=IMAGE,
    repository="registry.example.org:5000/shop/nginx",
    tag="1.25",
    digest="sha256:d1",
    privileged=True,
    mounts=(Mount("/srv", "/data", "z", False, "rprivate"),),
    start_ns=1_770_091_506_000_000_007,
    ip="172.17.0.2",
    labels={"io.kubernetes.pod.name": "web-0", "tier": "front"},
    pod=Pod("web-0"),
    healthcheck="true",
    host_pid=True,
    host_network=False,
    host_ipc=False,
)


class Engine(socketserver.ThreadingUnixStreamServer):
    """What answers; `asked` is every path, in order, but for that of docker's ping."""

    daemon_threads = True

    def __init__(self, path, answers) -> None:
        super().__init__(str(path), Handler)
        self.answers = answers
        self.asked: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/_ping":
            self.server.asked.append(self.path)
        self.server.hold.wait(PATIENCE_S)
        answer = self.server.answers.get(self.path)
        body = answer if isinstance(answer, bytes) else json.dumps(answer or {"message": "no such"}).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass

    def address_string(self):
        return "local"


@pytest.fixture
def engine(tmp_path):
    answers = {
        "/_ping": b"OK",
        f"/containers/{ID}/json": CONTAINER,
        f"/images/sha256:{IMAGE}/json": {"RepoDigests": ["x@sha256:d1"]},
    }
    server = Engine(tmp_path / "engine.sock", answers)
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()


def in_docker(full_id):
    return Placement(full_id, "docker")


def answer(runtimes, full_id=ID):
    """What is known once somebody has answered."""
    return until(lambda: (found := runtimes.inspection(in_docker(full_id))) is not Missing.LATE and found)


class TestAsking:
    def test_a_container_is_described(self, engine, asking):
        assert DESCRIBED == answer(asking(engine.server_address))

    def test_the_first_event_does_not_wait(self, engine, asking):
        engine.hold.clear()
        runtimes = asking(engine.server_address)

        assert [Missing.LATE] * 7 == [runtimes.inspection(in_docker(ID)) for _ in range(7)]
        assert {"described": 0, "unknown": 0, "failed": 0} == runtimes.results, "the first has waited for its answer"
        engine.hold.set()
        until(lambda: len(engine.asked) == 2)

    def test_without_a_thread_it_is_asked_later(self, engine, asking):
        now_s = [0.0]
        runtimes = asking(engine.server_address, clock=lambda: now_s[0])
        with no_threads():
            assert Missing.LATE is runtimes.inspection(in_docker(ID))
        now_s[0] = AGAIN_S

        assert DESCRIBED == answer(runtimes)

    def test_a_container_is_asked_for_once(self, engine, asking):
        runtimes = asking(engine.server_address)
        answer(runtimes)
        for _ in range(7):
            runtimes.inspection(in_docker(ID))

        assert [f"/containers/{ID}/json", f"/images/sha256:{IMAGE}/json"] == engine.asked

    def test_who_does_not_know_it_is_asked_again_later(self, engine, asking):
        now_s = [0.0]
        runtimes = asking(engine.server_address, clock=lambda: now_s[0])
        assert Missing.UNKNOWN is answer(runtimes, OTHER)
        engine.answers[f"/containers/{OTHER}/json"] = CONTAINER
        assert Missing.UNKNOWN is runtimes.inspection(in_docker(OTHER))
        now_s[0] += 11

        until(lambda: isinstance(runtimes.inspection(in_docker(OTHER)), Inspection))

    def test_the_next_runtime_is_asked_when_one_is_dead(self, engine, asking, tmp_path, caplog):
        dead = tmp_path / "nobody.sock"

        assert DESCRIBED == answer(asking(dead, engine.server_address))
        assert f"{dead} has no answer: [Errno 2] No such file or directory; it is asked when it is there" in caplog.text

    @pytest.mark.parametrize(
        "body", [b"not json", b"[" * 100_000, b"[]", b"\xff", b'{"Config": 7, "Mounts": [7]}', b""]
    )
    def test_an_odd_answer_harms_nobody(self, engine, asking, body):
        engine.answers[f"/containers/{ID}/json"] = body
        runtimes = asking(engine.server_address)

        found = answer(runtimes)
        assert found is Missing.UNKNOWN or found.name is Missing.UNKNOWN
        engine.answers[f"/containers/{OTHER}/json"] = CONTAINER
        assert DESCRIBED == answer(runtimes, OTHER)

    def test_without_a_socket_nobody_is_asked(self, asking):
        assert Missing.UNKNOWN is asking().inspection(in_docker(ID))

    def test_a_name_is_not_asked_for(self, engine, asking):
        """Of LXC, nspawn; and of containerd, which docker does not know: it could hold a path."""
        runtimes = asking(engine.server_address)
        assert Missing.UNKNOWN is runtimes.inspection(Placement("../../x", "lxc"))
        until(lambda: runtimes.inspection(Placement("../../x", "containerd")) is Missing.UNKNOWN)
        assert [] == engine.asked


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx", ("nginx", Missing.UNKNOWN, Missing.UNKNOWN)),
        ("host:5000/nginx", ("host:5000/nginx", Missing.UNKNOWN, Missing.UNKNOWN)),
        ("a/b:1@sha256:d", ("a/b", "1", "sha256:d")),
        ("sha256:" + IMAGE, (Missing.UNKNOWN,) * 3),
    ],
)
def test_image_names(image, expected):
    found = inspection_of({"Config": {"Image": image}}, None)

    assert expected == (found.repository, found.tag, found.digest)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T02:00:01.5+02:00", 1_500_000_000),
        ("0001-01-01T00:00:00Z", Missing.UNKNOWN),
        ("yesterday", Missing.UNKNOWN),
        ("2026-13-01T00:00:00Z", Missing.UNKNOWN),
    ],
)
def test_start_times(text, expected):
    assert expected == inspection_of({"State": {"StartedAt": text}}, None).start_ns
