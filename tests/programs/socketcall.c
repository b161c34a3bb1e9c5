/* A 32-bit program, without a C library, that makes each call of socketcall(2) at least once, on loopback. */
#define AF_INET 2
#define AF_UNIX 1
#define SOCK_STREAM 1
#define SOL_SOCKET 1
#define SO_KEEPALIVE 9
#define MSG_DONTWAIT 0x40

enum {
    SOCKET = 1,
    BIND,
    CONNECT,
    LISTEN,
    ACCEPT,
    GETSOCKNAME,
    GETPEERNAME,
    SOCKETPAIR,
    SEND,
    RECV,
    SENDTO,
    RECVFROM,
    SHUTDOWN,
    SETSOCKOPT,
    GETSOCKOPT,
    SENDMSG,
    RECVMSG,
    ACCEPT4,
    RECVMMSG,
    SENDMMSG,
};

struct address {
    unsigned short family, port;
    unsigned ip;
    char zero[8];
};

struct vector {
    void *base;
    int size;
};

struct message {
    void *name;
    int name_size;
    struct vector *data;
    int count;
    void *control;
    int control_size, flags, sent;
};

static int call(int nr, long a, long b) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b) : "memory");
    return result;
}

static int made(int which, long a, long b, long c, long d, long e, long f) {
    volatile long args[6] = {a, b, c, d, e, f};
    return call(102, which, (long)args);
}

#define MADE(which, a, b, c, d, e, f) made(which, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

void _start(void) {
    struct address own = {AF_INET, 0, 0x0100007f}, peer;
    int size = sizeof(own), one = 1, pair[2];
    char byte = 'x';
    struct vector data = {&byte, 1};
    struct message message = {0, 0, &data, 1};
    int server = MADE(SOCKET, AF_INET, SOCK_STREAM, 0, 0, 0, 0);
    MADE(BIND, server, &own, sizeof(own), 0, 0, 0);
    MADE(LISTEN, server, 5, 0, 0, 0, 0);
    MADE(GETSOCKNAME, server, &own, &size, 0, 0, 0);
    int client = MADE(SOCKET, AF_INET, SOCK_STREAM, 0, 0, 0, 0);
    MADE(CONNECT, client, &own, sizeof(own), 0, 0, 0);
    MADE(GETPEERNAME, client, &peer, &size, 0, 0, 0);
    int accepted = MADE(ACCEPT, server, &peer, &size, 0, 0, 0);
    MADE(SEND, client, &byte, 1, 0, 7, 7);
    MADE(RECV, accepted, &byte, 1, 0, 7, 7);
    MADE(SENDTO, client, &byte, 1, 0, 0, 0);
    MADE(RECVFROM, accepted, &byte, 1, 0, 0, 0);
    MADE(SENDMSG, client, &message, 0, 0, 0, 0);
    MADE(RECVMSG, accepted, &message, 0, 0, 0, 0);
    MADE(SETSOCKOPT, client, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one), 0);
    MADE(GETSOCKOPT, client, SOL_SOCKET, SO_KEEPALIVE, &one, &size, 0);
    MADE(SENDMMSG, client, &message, 1, 0, 0, 0);
    MADE(RECVMMSG, accepted, &message, 1, MSG_DONTWAIT, 0, 0);
    MADE(SOCKETPAIR, AF_UNIX, SOCK_STREAM, 0, pair, 0, 0);
    MADE(SHUTDOWN, client, 2, 0, 0, 0, 0);
    /* Nobody is there any more. */
    MADE(SHUTDOWN, server, 2, 0, 0, 0, 0);
    int late = MADE(SOCKET, AF_INET, SOCK_STREAM, 0, 0, 0, 0);
    MADE(CONNECT, late, &own, sizeof(own), 0, 0, 0);
    MADE(ACCEPT4, server, 0, 0, 0, 0, 0);
    MADE(0, 0, 0, 0, 0, 0, 0);
    MADE(21, 0, 0, 0, 0, 0, 0);
    call(102, CONNECT, 8); /* its arguments are nowhere */
    call(1, 0, 0);
}
