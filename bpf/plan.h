/* What is done with each call: which filter it has, and how its strings are found. Written by the daemon while events
 * flow (monitord/sources/bpf/plan.py), read at enter and exit. */

/* Calls whose registers at exit do not tell what was called, or that do not return. */
enum { SPECIAL_TRACK = 1, SPECIAL_FORK = 2, SPECIAL_NO_RETURN = 4, SPECIAL_EXEC = 8 };

/* What is sent along that the caller did not pass. */
enum {
    EXTRA_TASK = 1,          /* struct task_facts */
    EXTRA_FD = 2,            /* the file or socket behind the descriptor, when the call returns */
    EXTRA_FD_ENTER = 4,      /* it is gone then, or another: read at enter */
    EXTRA_FD_CHANGE = 8,     /* a socket whose addresses the call may change: compared with those at enter */
    EXTRA_PROGRAM = 16,      /* with EXTRA_TASK: struct program_facts */
    EXTRA_MOVED = 32,        /* the working directory that a successful call has made */
    EXTRA_FD_DEEP = 64,      /* as EXTRA_FD, where a path starts from a directory too deep to be told */
    EXTRA_ENVIRONMENT = 128, /* of the program that an exec has started */
};

/* At most the first two texts of a plan are paths. */
#define PATHS 2
enum { DIRFD_NONE = 254, DIRFD_CWD = 255 }; /* not a path; relative to the working directory only */

struct plan {
    u8 filter;            /* in `filters`; 0: no event is wanted */
    u8 special;           /* SPECIAL_* */
    u8 at_exit;           /* the kernel fills the buffers in: nothing to read at enter */
    u8 size;              /* of a CAPTURE_BYTES */
    u8 source[ARG_TEXTS]; /* CAPTURE_* << 4 | argument, 0 behind the last one */
    u8 dirfd[PATHS];      /* for the first texts: what a path is relative to, an argument or one of DIRFD_* */
    u8 extras;            /* EXTRA_* */
    u8 fd;                /* the argument with the descriptor of EXTRA_FD; NO_ARGUMENT: the one that it returns */
};

BPF_ARRAY(plans, struct plan, SLOTS); /* 31 KiB */

/* A look-up by number lets all calls without a plan go. The low half has a bit per ABI index for a plan that begins
 * at enter; the high half for any plan: one that asks for foreign calls only is looked at when the call ends, where
 * the ABI is known anyway, or every native call of that number would pay for asking at enter. */
#define GATES 1024
#define GATE_ENTER 15
BPF_ARRAY(gates, u8, GATES); /* 8 KiB */

static __always_inline bool plan_gate(u32 abi, u32 nr) {
    u8 *gate = gates.lookup(&nr);
    return gate && *gate & 16 << arch_index(abi);
}

static __always_inline struct filter *plan_filter(struct plan *plan) {
    u32 index = plan->filter;
    return filters.lookup(&index);
}
