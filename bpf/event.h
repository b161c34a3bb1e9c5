/* The event record: the bytes that travel to the daemon. monitord/abi/event.py is the other side; a test compiles this
 * header and compares every offset. */

#define CELL_PAYLOAD 244 /* + 8 bytes perf_event_header + 4 bytes raw size = one cell of 256 */
#define HEAD_DATA 60     /* bytes of string data in the head cell */
#define MORE_DATA 228    /* bytes of string data in a continuation cell */
#define TEXTS 6
#define ARG_TEXTS 4       /* the first ones: strings of the caller, the directories they start from, the executable */
#define DESCRIPTOR_TEXT 4 /* CAPTURE_FILE or CAPTURE_SOCKET; CAPTURE_ENVIRONMENT of execs, which have no descriptor */
#define TASK_TEXT 5       /* CAPTURE_TASK */
/* Of the string data of one event: no string of the caller's begins behind the first, no name of a path that the kernel
 * side reads behind the second, and nothing else behind the third. What the caller writes, however long, hides none of
 * what is read of files and threads. */
#define TEXT_CAP 8192
#define PATH_CAP 12288
#define FACTS_CAP (PATH_CAP + 256)

enum { KIND_EVENT = 1, KIND_MORE = 2, KIND_FORK = 3, KIND_EXIT = 4, KIND_CGROUP = 5, KIND_JOIN = 6 };
enum { ABI_X86_64, ABI_I386, ABI_X32, ABI_ARM64, ABI_ARM };
enum { FLAG_UNFINISHED = 1, FLAG_NO_RETURN = 2, FLAG_NO_START = 4, FLAG_FOREIGN = 8 };
enum { FLAG_SHARED_FS = 16, FLAG_THREAD_FS = 32 }; /* of KIND_FORK; the second of execs, too */
enum {
    CAPTURE_NONE,
    CAPTURE_STR,
    CAPTURE_ARGV,
    CAPTURE_SOCKADDR,
    CAPTURE_BYTES,
    CAPTURE_DIRECTORY,
    CAPTURE_EXE,
    CAPTURE_FILE,
    CAPTURE_SOCKET,
    CAPTURE_TASK,
    CAPTURE_MSGHDR, /* in plans alone: the address that a struct msghdr names, sent as CAPTURE_SOCKADDR */
    CAPTURE_ENVIRONMENT,
};
#define NO_ARGUMENT 15 /* the index of what is of no argument: a descriptor that the call returned, the executable */
enum { TEXT_TRUNCATED = 1, TEXT_FAULT = 2, TEXT_LATE = 4, TEXT_NULL = 8 };

struct text {
    u16 len;
    u8 source; /* CAPTURE_* in the high nibble, argument index in the low one */
    u8 flags;  /* TEXT_* */
};

/* String data follows the head, texts one behind the other, without NUL. */
struct event {
    u8 kind;
    u8 abi;
    u16 flags;
    s32 nr;
    u64 seq;
    u64 ts_ns;
    u64 duration_ns;
    s64 ret;
    u64 args[6];
    u64 start_ns;
    u64 cgroup_id;
    u32 pid;
    u32 tid;
    u32 ppid;
    u32 uid; /* effective, and so the group */
    u32 gid;
    u16 cells;
    u16 data_len;
    struct text text[TEXTS];
    char comm[16];
    char parent_comm[16];
};

struct more {
    u8 kind;
    u8 abi;
    u16 index;
    u32 pad;
    u64 seq;
};

enum { INODE_WRITABLE = 1, INODE_OVERLAY = 2, INODE_UPPER = 4 };

/* The file behind a descriptor; its path follows as in CAPTURE_DIRECTORY, and TEXT_* say how that was read. */
struct file_facts {
    u64 ino;
    u32 magic; /* of the file system: what tells anonymous inodes, pipes, memory files */
    u32 dev;   /* the kernel's major << 20 | minor */
    u32 flags; /* O_*, as fcntl(F_GETFL) has them */
    u32 f_mode;
    u32 nlink;
    u16 mode; /* S_IF* and permissions */
    u16 bits; /* INODE_* */
};

enum { SOCKET_COMPARED = 1, SOCKET_CHANGED = 2 };

/* A socket. For unix sockets the ports are the lengths of the two names that follow: its own, its peer's. */
struct socket_facts {
    u64 ino;
    u32 flags; /* O_* */
    u16 family;
    u16 type;
    u16 protocol;
    u8 state; /* of sk_state: TCP_*, also for other protocols */
    u8 bits;  /* SOCKET_* */
    u16 local_port;
    u16 remote_port;
    u8 local[16]; /* network order; IPv4 in the first four bytes */
    u8 remote[16];
};

/* The file that the process executes; behind the facts of the thread. */
struct program_facts {
    u64 ino;
    s64 ctime_ns;
    s64 mtime_ns;
    u32 dev;
    u32 uid;
    u32 gid;
    u32 nlink;
    u16 mode;
    u16 bits; /* INODE_* */
    u32 pad;
};

/* What the head does not say of the thread that makes the call, when the event is sent. */
struct task_facts {
    u64 cap_effective;
    u64 cap_permitted;
    u64 cap_inheritable;
    u64 cap_bounding;
    u64 cap_ambient;
    u64 pid_ns_start_ns; /* of the first process of its pid namespace, CLOCK_BOOTTIME; 0: it has gone */
    u32 ruid;
    u32 rgid;
    u32 suid;
    u32 sgid;
    u32 fsuid;
    u32 fsgid;
    u32 loginuid;  /* ~0: none */
    u32 sessionid; /* audit's; ~0: none */
    u32 sid;       /* session and process group, in the initial pid namespace */
    u32 pgid;
    u32 tty;  /* as stat(2) encodes a device; 0: none */
    u32 vpid; /* in the pid namespace of the task */
    u32 vtid;
    u32 vppid;
    u32 vpgid;
    u32 vsid;
    u32 pid_ns;            /* its inode number */
    u32 pvpid;             /* of the parent, in the pid namespace of the parent */
    char session_comm[16]; /* of the session's leader; empty when it has gone */
};

_Static_assert(sizeof(struct event) + HEAD_DATA == CELL_PAYLOAD, "a head cell is 256 bytes");
_Static_assert(sizeof(struct more) + MORE_DATA == CELL_PAYLOAD, "a continuation cell is 256 bytes");
