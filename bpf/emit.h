/* Sending an event: who and what, the next sequence number, and the cells into the CPU's ring. */

BPF_PERF_OUTPUT(events);

/* For a CPU without a ring: one that came online after the daemon gave up the privilege to open rings. Shared by such
 * CPUs. A record is the 4 bytes before the cell's payload, which mean nothing, and the payload: with the 8 bytes of its
 * own header in front the size of a cell. 256 KiB. */
#define SPARE_PAGES 64
BPF_RINGBUF_OUTPUT(spare, SPARE_PAGES);
#define SEQ_CPU_SHIFT 48 /* in the spare ring the sequence number says whose it is */
#define NO_WAKEUP 1      /* BPF_RB_NO_WAKEUP: the reader comes round anyway */

/* One cell, whose sequence number is at `seq`. Returns 0, or a negative number when no ring has room. */
static __always_inline long emit_cell(void *ctx, void *payload, u64 *seq) {
    long failed = events.perf_submit(ctx, payload, CELL_PAYLOAD);
    if (!failed || failed == -28) /* ENOSPC */
        return failed;
    *seq |= (u64)bpf_get_smp_processor_id() << SEQ_CPU_SHIFT;
    return spare.ringbuf_output(payload - 4, 4 + CELL_PAYLOAD, NO_WAKEUP);
}

static __always_inline void emit_identity(struct event *event, void *task) {
    void *leader = TASK_LOAD(void *, task, task_struct__group_leader);
    void *parent = TASK_LOAD(void *, task, task_struct__real_parent);
    void *parent_leader = TASK_LOAD(void *, parent, task_struct__group_leader);
    u64 id = bpf_get_current_pid_tgid();
    void *cred = TASK_LOAD(void *, task, task_struct__cred);
    event->pid = id >> 32;
    event->tid = id;
    event->ppid = task_tgid(parent);
    event->uid = TASK_LOAD(u32, cred, cred__euid);
    event->gid = TASK_LOAD(u32, cred, cred__egid);
    event->start_ns = TASK_LOAD(u64, leader, task_struct__start_boottime);
    event->cgroup_id = bpf_get_current_cgroup_id();
    task_comm(event->comm, leader);
    task_comm(event->parent_comm, parent_leader);
}

/* Every event gets a number, sent or not: a gap that the daemon sees is a loss, counted here by its reason. Data of
 * data_len bytes follows the event; sends what of it is in the head cell. */
static __always_inline bool emit_head(void *ctx, struct event *event) {
    struct stats *s = my_stats();
    if (!s)
        return false;
    u32 size = event->data_len, cells = 1;
    if (size > HEAD_DATA)
        cells += (size - HEAD_DATA + MORE_DATA - 1) / MORE_DATA;
    event->cells = cells;
    event->seq = ++s->seq;
    long failed = emit_cell(ctx, event, &event->seq);
    if (failed)
        s->lost_ring++;
    return !failed;
}

/* The cells behind the head, for an event whose `data` follows it and has `room` bytes. Each continuation header is
 * written over the end of what was just sent. */
static __always_inline void emit_more(void *ctx, struct event *event, char *data, const u32 room) {
    u32 cells = event->cells;
    for (u32 i = 1; i <= (room - HEAD_DATA) / MORE_DATA; i++) {
        if (i >= OPAQUE(cells))
            return;
        u32 at = HEAD_DATA + (i - 1) * MORE_DATA - sizeof(struct more);
        struct more *more = (struct more *)&data[BOUND(at, room - CELL_PAYLOAD)];
        more->kind = KIND_MORE;
        more->abi = event->abi;
        more->index = i;
        more->seq = event->seq;
        if (emit_cell(ctx, more, &more->seq)) {
            struct stats *s = my_stats();
            if (s)
                s->lost_texts++;
            return;
        }
    }
}

/* A record of no call, which is numbered with the events: of what happens now. */
static __always_inline void emit_begin(struct event *event, u8 kind) {
    event->kind = kind;
    event->abi = NATIVE;
    event->flags = 0;
    event->nr = -1;
    event->ts_ns = bpf_ktime_get_boot_ns();
    event->duration_ns = 0;
}

static __always_inline void emit(void *ctx, struct call *call, void *task, s64 ret, u16 flags) {
    struct event *event = &call->event;
    u64 now = bpf_ktime_get_boot_ns();
    emit_identity(event, task);
    event->kind = KIND_EVENT;
    event->abi = call->start.abi;
    event->nr = call->start.nr;
    event->flags = flags;
    event->ret = ret;
    event->ts_ns = now;
    event->duration_ns = flags & (FLAG_UNFINISHED | FLAG_NO_RETURN | FLAG_NO_START) ? 0 : now - call->start.ts_ns;
    if (emit_head(ctx, event))
        emit_more(ctx, event, call->data, DATA_ROOM);
}
