/* Which events are wanted. Written by the daemon while events flow (monitord/sources/bpf/filters.py), read at enter and
 * exit. monitord.model.interest.Interest.admits() is the reference.
 *
 * A filter holds up to 32 clauses, a bit each in every mask here; an event is wanted if it fits any. What is cheap to
 * ask and known early is asked first: registers and user when the call begins, which spares it the copying of strings;
 * result, name of the process and path when it ends. Tests that clauses share are made once. */

#define TESTS 16
#define RESULT_TESTS 8
#define FILTERS 256 /* one byte of a plan names a filter, so that a plan changes at one stroke */

/* Holds for a value in [base, base + width), of the first 64 for those whose bit is set. */
struct test {
    u64 mask;
    u64 base;
    u64 width;
    u64 bits;
    u32 clauses; /* those that ask for it */
    u8 source;   /* monitord.model.facts.Source: an argument, or UID */
    u8 negate;
    u8 pad[2];
};
#define SOURCE_UID 6

struct filter {
    u32 generation; /* no two filters have had the same */
    u32 clauses;
    u32 success; /* clauses that a call fits which succeeded, or never returned */
    u32 failure;
    u32 foreign;       /* clauses for calls by 64-bit code alone */
    u32 native;        /* and for others alone */
    u32 named;         /* clauses that ask for the name */
    u32 names_others;  /* clauses that names fit which are not in `names` */
    u32 placed;        /* clauses that ask for the path */
    u32 places_others; /* clauses that paths fit which begin with nothing in `places` */
    u32 leafed;        /* clauses that ask for the file that an open has opened */
    u32 leaves_others; /* clauses that files fit whose last name is not in `leaves` */
    u32 topped;        /* clauses that ask for the directory at the root that it is in */
    u32 tops_others;   /* clauses that files fit whose directory is not in `tops` */
    u32 leaf_sizes;    /* a bit for each length of what is there, of those from LEAF_ROOM - 1 on the last one */
    u8 tests;
    u8 result_tests;
    u8 ignored; /* IGNORED_* */
    u8 pad;
    struct test test[TESTS];
    struct test result_test[RESULT_TESTS]; /* of the errno of failures */
};
enum { IGNORED_NAMES = 1, IGNORED_PLACES = 2 };

BPF_ARRAY(filters, struct filter, FILTERS); /* 254 KiB; the first one wants nothing */

/* What a name makes possible; generation 0 are the names that are ignored. (24 + 64 bytes) x 16384. */
struct name_key {
    u32 generation;
    char comm[16];
};
BPF_HASH(names, struct name_key, u32, 16384);

static __always_inline bool is_error(s64 ret) {
    return (u64)ret >= -4095UL;
}

/* All arithmetic: a branch for each outcome of each test would be too many paths for the verifier. */
static __always_inline u32 filter_test(struct test *t, u64 value, u32 alive) {
    u64 at = (value & t->mask) - t->base;
    u64 beyond = at >> 6;
    u64 is_far = (beyond | -beyond) >> 63;
    u64 inside = ((~at & t->width) | (~(at ^ t->width) & (at - t->width))) >> 63; /* the borrow of at - width */
    u64 holds = inside & (t->bits >> (at & 63) | is_far);
    u64 fails = (holds ^ 1 ^ t->negate) & 1;
    return alive & ~(t->clauses & (u32)-fails);
}

/* When a call begins: the clauses that its registers and its user fit. */
static __always_inline u32 filter_begin(struct filter *f, u64 *args, void *task) {
    u32 alive = f->clauses;
    u32 count = f->tests;
    if (!count)
        return alive;
    u64 uid = TASK_LOAD(u32, TASK_LOAD(void *, task, task_struct__cred), cred__euid);
    for (u32 i = 0; i < TESTS; i++) {
        if (i >= OPAQUE(count))
            break;
        struct test *t = &f->test[i];
        u32 source = t->source;
        u64 value = source < SOURCE_UID ? args[BOUND(source, 5)] : uid;
        alive = filter_test(t, value, alive);
    }
    return alive;
}

/* When it ends: those of them that its result fits. */
static __always_inline u32 filter_result(struct filter *f, u32 alive, s64 ret, u16 flags) {
    alive &= ~(flags & FLAG_FOREIGN ? f->native : f->foreign);
    if (!is_error(ret))
        return alive & f->success;
    alive &= f->failure;
    u32 count = f->result_tests;
    for (u32 i = 0; i < RESULT_TESTS; i++) {
        if (i >= OPAQUE(count))
            break;
        alive = filter_test(&f->result_test[i], -ret, alive);
    }
    return alive;
}

/* The name that the event will carry: of the process, when the call returns. */
static __always_inline u32 *filter_name(u32 generation, void *task) {
    struct name_key key = {.generation = generation};
    void *leader = TASK_LOAD(void *, task, task_struct__group_leader);
    read_kernel_str(key.comm, sizeof(key.comm), leader + OFF_task_struct__comm);
    return names.lookup(&key);
}

static __always_inline u32 filter_names(struct filter *f, u32 alive, void *task) {
    if (!(alive & f->named))
        return alive;
    u32 *found = filter_name(f->generation, task);
    return alive & (found ? *found : f->names_others);
}
