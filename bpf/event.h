/* The event record: the bytes that travel to the daemon. monitord/abi/event.py is the other side; a test compiles this
 * header and compares every offset. */

#define CELL_PAYLOAD 244 /* + 8 bytes perf_event_header + 4 bytes raw size = one cell of 256 */
#define HEAD_DATA 68     /* bytes of string data in the head cell */
#define MORE_DATA 228    /* bytes of string data in a continuation cell */
#define TEXTS 4
#define TEXT_CAP 8192 /* bytes of string data in one event */

enum { KIND_EVENT = 1, KIND_MORE = 2 };
enum { ABI_X86_64, ABI_I386, ABI_X32, ABI_ARM64, ABI_ARM };
enum { FLAG_UNFINISHED = 1, FLAG_NO_RETURN = 2, FLAG_NO_START = 4, FLAG_FOREIGN = 8 };
enum { CAPTURE_NONE, CAPTURE_STR, CAPTURE_ARGV, CAPTURE_SOCKADDR, CAPTURE_BYTES, CAPTURE_DIRECTORY, CAPTURE_EXE };
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
    u32 uid;
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

_Static_assert(sizeof(struct event) + HEAD_DATA == CELL_PAYLOAD, "a head cell is 256 bytes");
_Static_assert(sizeof(struct more) + MORE_DATA == CELL_PAYLOAD, "a continuation cell is 256 bytes");
