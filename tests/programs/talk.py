"""Sockets that connect, accept, send and receive in every way; the addresses go to standard output as JSON."""

import array
import contextlib
import ctypes
import json
import os
import socket
import sys

said = {}


def say(name, sock):
    said[name] = sock.getsockname()


server = socket.create_server(("127.0.0.1", 0))
say("server", server)
client = socket.socket()
client.connect(server.getsockname())
say("client", client)
peer, _ = server.accept()
client.send(b"a")
client.sendmsg([b"b"])
peer.recv(2)
client.sendto(b"elsewhere", ("192.0.2.1", 22))
copy = ctypes.CDLL(None).dup(client.fileno())
os.dup2(copy, 200)
os.close(copy)
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 0))
say("datagrams", datagrams)
loose = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
loose.sendto(b"c", datagrams.getsockname())
say("loose", loose)
loose.sendmsg([b"d"], [], 0, datagrams.getsockname())
datagrams.recvfrom(1)
datagrams.recvmsg(1)
loose.connect(datagrams.getsockname())
loose.send(b"e")
with contextlib.suppress(OSError):
    refused = socket.socket()
    refused.connect(("127.0.0.1", 1))
with contextlib.suppress(OSError):
    datagrams.setblocking(False)
    datagrams.recv(1)
    datagrams.recvfrom(1)
six = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
port = six.getsockname()[1]
said["six"] = port
four = socket.create_connection(("127.0.0.1", port))
say("four", four)
six.accept()
left, right = socket.socketpair()
left.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [client.fileno()]))])
unix = socket.socket(socket.AF_UNIX)
unix.bind(sys.argv[1])
unix.listen()
talker = socket.socket(socket.AF_UNIX)
talker.connect(sys.argv[1])
talker.send(b"f")
ended = socket.create_connection(server.getsockname())
answered, _ = server.accept()
say("ended", ended)
ended.shutdown(socket.SHUT_WR)
answered.recv(1)
answered.shutdown(socket.SHUT_WR)
ended.recv(1)
said["ended by"] = ended.detach(), answered.detach()
for fd in said["ended by"]:
    os.close(fd)
sys.stdout.write(json.dumps(said))
