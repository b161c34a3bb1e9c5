/* A call between enter and exit. It is kept in a slot of its CPU, which costs a few stores; only when the task is
 * switched out inside the call is it spilled to a hash, keyed by the task's address: unlike the tid, that does not
 * change when a thread other than the leader executes a program. */

#define DATA_ROOM (FACTS_CAP + 1088) /* facts of descriptor, thread and program; the last cell runs past the end */

struct start {
    u64 ts_ns;
    u32 nr;
    u8 abi;
    u8 planned; /* it has a plan */
    u8 flags;   /* FLAG_FOREIGN */
    u8 pad;
    u32 want;       /* clauses of the filter that it fitted when it began; 0: nothing else is known */
    u32 generation; /* of that filter */
    /* Known when it ends. */
    u8 filter;
    u8 late; /* strings are to be read now */
    u8 new_program;
    u8 moved;   /* the process has another working directory */
    u8 wrapped; /* made by socketcall, for which it counts */
    u8 pad2;
    u16 top; /* where the outermost name of the path begins that was captured last; 0: it has none */
};

struct call {
    u64 task;
    struct start start;
    struct event event;
    char data[DATA_ROOM];
};
BPF_PERCPU_ARRAY(slots, struct call, 1); /* 13.6 KiB x CPUs */

/* Most calls that block have no strings, or short ones. */
#define SHORT_DATA 800
struct short_call {
    u64 task;
    struct start start;
    struct event event;
    char data[SHORT_DATA];
};
BPF_HASH(starts, u64, struct start, 32768);          /* 3 MiB: every thread blocked in a call, latency on */
BPF_HASH(short_calls, u64, struct short_call, 4096); /* 4 MiB: threads blocked in a call with a plan */
BPF_HASH(long_calls, u64, struct call, 256);         /* 3.5 MiB: those with more than SHORT_DATA bytes of strings */

static __always_inline struct call *inflight_slot(void) {
    int zero = 0;
    return slots.lookup(&zero);
}

/* The task is being switched out: move its call to where any CPU finds it. */
static __always_inline void inflight_spill(u64 task) {
    struct call *slot = inflight_slot();
    if (!slot || slot->task != task)
        return;
    slot->task = 0;
    long failed;
    if (!slot->start.want)
        failed = starts.update(&task, &slot->start);
    else if (slot->event.data_len <= SHORT_DATA)
        failed = short_calls.update(&task, (struct short_call *)slot);
    else
        failed = long_calls.update(&task, slot);
    struct stats *s = my_stats();
    if (failed && s)
        s->spill_failed++;
}

/* The call that a task is in, out of wherever it is; NULL when its enter was not seen. */
static __always_inline struct call *inflight_take(u64 task) {
    struct call *slot = inflight_slot();
    if (!slot)
        return NULL;
    if (slot->task == task) {
        slot->task = 0;
        return slot;
    }
    struct start *start = starts.lookup(&task);
    if (start) {
        slot->start = *start;
        starts.delete(&task);
        return slot;
    }
    struct short_call *short_call = short_calls.lookup(&task);
    if (short_call) {
        read_kernel(slot, sizeof(*short_call), short_call);
        slot->task = 0;
        short_calls.delete(&task);
        return slot;
    }
    struct call *long_call = long_calls.lookup(&task);
    if (long_call) {
        read_kernel(slot, sizeof(*long_call), long_call);
        slot->task = 0;
        long_calls.delete(&task);
        return slot;
    }
    return NULL;
}
