"""
Opens and hands around descriptors of all kinds, and writes down what is true of them: a line of JSON for every fsync.

usage: descriptors.py FILE DIRECTORY [SEED]
"""

import array
import contextlib
import ctypes
import json
import os
import random
import select
import signal
import socket
import sys

CLONE_FILES = 0x400
LIBC = ctypes.CDLL(None, use_errno=True)
NR = {"close_range": 436, "inotify_init1": 294, "io_uring_setup": 425, "signalfd4": 289, "timerfd_create": 283}


def system(name, *args):
    fd = LIBC.syscall(NR[name], *args)
    if fd < 0:
        raise OSError(ctypes.get_errno(), name)
    return fd


def probe(truth, fd):
    """What /proc says, then the call that is looked at."""
    try:
        link = os.fsencode(os.readlink(f"/proc/self/fd/{fd}")).decode("latin-1")
    except OSError:
        link = None
    line = {"pid": os.getpid(), "fd": fd, "link": link}
    if link and link.startswith("socket:"):
        with socket.socket(fileno=os.dup(fd)) as own:
            line |= {"family": own.family, "type": own.type, "protocol": own.proto}
            for side, ask in (("local", own.getsockname), ("remote", own.getpeername)):
                try:
                    name = ask()
                except OSError:
                    name = None
                line[side] = name.decode("latin-1") if isinstance(name, bytes) else name
    elif link:
        stat = os.fstat(fd)
        line |= {"ino": stat.st_ino, "mode": stat.st_mode, "nlink": stat.st_nlink}
    os.write(truth, json.dumps(line, default=repr).encode() + b"\n")
    with contextlib.suppress(OSError):
        os.fsync(fd)


def send(connection, fd):
    connection.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


def receive(connection):
    _, control, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(4))
    (number,) = array.array("i", control[0][2])
    return number


def files(directory):
    """Paths that are not what they seem."""
    os.makedirs(f"{directory}/a/b")
    with open(f"{directory}/a/file", "w") as file:
        file.write("x")
    os.symlink("a", f"{directory}/link")
    os.symlink("../a/file", f"{directory}/a/link")
    yield os.open(f"{directory}/a/file", os.O_RDWR)
    yield os.open(f"{directory}/a/b/../../link/file", os.O_RDONLY)
    yield os.open(f"{directory}/link/link", os.O_RDONLY)
    below = os.open(f"{directory}/a/b", os.O_PATH)
    yield below
    yield os.open("../file", os.O_RDONLY, dir_fd=below)
    os.chdir(f"{directory}/a")
    yield os.open("file", os.O_RDONLY)
    yield os.open(b"odd \xff\n", os.O_CREAT | os.O_WRONLY)
    yield os.open("/", os.O_RDONLY)
    yield os.open("/proc/self/root/etc/hostname", os.O_RDONLY)
    yield os.open("/dev/null", os.O_RDWR)
    yield os.open(f"/proc/self/fd/{below}", os.O_RDONLY)
    gone = os.open(f"{directory}/gone", os.O_CREAT | os.O_RDWR)
    os.unlink(f"{directory}/gone")
    yield gone
    os.mkfifo(f"{directory}/fifo")
    yield os.open(f"{directory}/fifo", os.O_RDWR)
    deep = directory
    for n in range(12):
        deep += f"/{n}"
        os.mkdir(deep)
    yield os.open(deep, os.O_RDONLY)


def sockets(directory):
    server = socket.create_server(("127.0.0.1", 0))
    yield server
    client = socket.create_connection(server.getsockname())
    yield client
    yield server.accept()[0]
    server6 = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = server6.getsockname()[1]
    yield server6
    yield socket.create_connection(("::1", port))
    yield server6.accept()[0]
    yield socket.create_connection(("127.0.0.1", port))
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    yield datagram
    datagram.sendto(b"x", ("127.0.0.1", port))
    yield datagram
    datagram.connect(("127.0.0.1", port))
    yield datagram
    yield from socket.socketpair()
    for name in (f"{directory}/socket".encode(), b"\0monitord-" + os.urandom(8).hex().encode()):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(name)
        listener.listen()
        yield listener
        talker = socket.socket(socket.AF_UNIX)
        talker.connect(name)
        yield talker
        yield listener.accept()[0]
    yield socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    with contextlib.suppress(OSError):
        yield socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)


def others():
    yield from os.pipe()
    yield os.memfd_create("a name")
    yield os.eventfd(0)
    with select.epoll() as poll:
        yield os.dup(poll.fileno())
    yield system("timerfd_create", 1, 0)
    yield system("inotify_init1", 0)
    yield system("signalfd4", -1, ctypes.byref(ctypes.c_uint64(1)), 8, 0)
    yield os.pidfd_open(os.getpid())
    with contextlib.suppress(OSError):
        yield system("io_uring_setup", 4, ctypes.create_string_buffer(120))


def shared(truth):
    """Two processes with one table of descriptors: what one opens and closes the other has and has not."""
    opened, go_on = os.pipe(), os.pipe()
    pid = LIBC.syscall(56, CLONE_FILES | signal.SIGCHLD, 0, 0, 0, 0)
    if not pid:
        fd = os.open("/etc/hostname", os.O_RDONLY)
        os.write(opened[1], str(fd).encode())
        os.read(go_on[0], 1)
        os.close(fd)
        os.write(opened[1], b"closed")
        os.read(go_on[0], 1)
        os._exit(0)
    fd = int(os.read(opened[0], 10))
    probe(truth, fd)
    os.write(go_on[1], b"x")
    os.read(opened[0], 10)
    probe(truth, fd)
    os.write(go_on[1], b"x")
    os.waitpid(pid, 0)


def wander(truth, seed):
    """Two processes that open, duplicate, close and pass descriptors to each other, in random order."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    connection = theirs if child == 0 else ours
    (ours if child == 0 else theirs).close()
    chance = random.Random(f"{seed} {child == 0}")
    own = [os.open("/etc/passwd", os.O_RDONLY)]
    for turn in range(40):
        fd = chance.choice(own)
        match chance.randrange(8):
            case 0:
                own.append(os.open(chance.choice(["/etc", "/usr/bin/env", "/dev/zero"]), os.O_RDONLY))
            case 1:
                own.append(os.dup(fd))
            case 2:
                own.append(os.dup2(fd, chance.randrange(100, 110)))
            case 3 if len(own) > 1:
                os.close(fd)
                own = [other for other in own if other != fd]
            case 4:
                system("close_range", 100, 110, 0)
                own = [other for other in own if not 100 <= other <= 110] or [os.eventfd(0)]
            case 5:
                own += os.pipe()
            case 6:
                if not os.fork():
                    for inherited in own:
                        probe(truth, inherited)
                    os._exit(0)
                os.wait()
            case 7:
                own += [socket.socket().detach()]
        own = list(dict.fromkeys(own))
        probe(truth, chance.choice(own))
        probe(truth, chance.randrange(90, 115))
        if turn % 5 == 0:
            send(connection, chance.choice(own))
            own.append(receive(connection))
            probe(truth, own[-1])
    connection.close()
    if child == 0:
        os._exit(0)
    os.wait()
    keep = os.open("/etc/group", os.O_RDONLY)
    os.set_inheritable(keep, True)
    gone = os.open("/etc/group", os.O_RDONLY)
    os.execv(sys.executable, [sys.executable, "-S", "-E", __file__, f"/proc/self/fd/{truth}", "", f"{keep} {gone}"])


def main():
    file, directory, seed = sys.argv[1], sys.argv[2], sys.argv[3]
    truth = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    if " " in seed:  # behind the exec
        for fd in map(int, seed.split()):
            probe(truth, fd)
        return
    if seed == "shared":
        shared(truth)
        return
    probe(truth, 0)  # from before anybody looked
    os.set_inheritable(truth, True)
    if seed != "0":
        wander(truth, seed)
        return
    kept = []
    for made in (*files(directory), *others()):
        kept.append(made)
        probe(truth, made)
    for made in sockets(directory):
        kept.append(made)
        probe(truth, made.fileno())


main()
