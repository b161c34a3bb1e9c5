/* Processes that begin and end, as records among the events. monitord.abi.event.Kind says what is in them. */

BPF_ARRAY(lifecycle, u8, 1); /* whether somebody wants them */

static __always_inline bool lifecycle_wanted(void) {
    int zero = 0;
    u8 *wanted = lifecycle.lookup(&zero);
    return wanted && *wanted;
}

struct lifecycle_cell {
    u64 before; /* emit_cell() */
    struct event event;
    char data[HEAD_DATA];
};
/* The CPU's slot may hold the call that the process is in. 252 bytes x CPUs. */
BPF_PERCPU_ARRAY(lifecycle_cells, struct lifecycle_cell, 1);

#define SIGNAL_GROUP_EXIT 4

/* Processes whose last threads ended side by side: each of these finds no other alive. 1024 at a time are plenty. */
struct ended {
    u64 start_ns;
    u64 tgid;
};
BPF_TABLE("lru_hash", struct ended, u8, ended, 1024); /* 80 KiB */

static __always_inline bool lifecycle_ended(void *signal, void *leader) {
    struct ended key = {TASK_LOAD(u64, leader, task_struct__start_boottime), task_tgid(leader)};
    u8 one = 1;
    /* Those that have ended are counted until they are reaped, and whoever is reaped has been here. */
    if (TASK_LOAD(u32, signal, signal_struct__nr_threads) < 2)
        return ended.lookup(&key) != NULL;
    return ended.insert(&key, &one);
}

/* The record of a process, `task` being its leader; NULL when nobody wants it. */
static __always_inline struct event *lifecycle_begin(void *ctx, void *task, u8 kind) {
    int zero = 0;
    struct lifecycle_cell *cell = lifecycle_cells.lookup(&zero);
    if (!lifecycle_wanted() || !cell || !in_scope(ctx, task))
        return NULL;
    struct event *event = &cell->event;
    void *parent = TASK_LOAD(void *, task, task_struct__real_parent);
    void *parent_leader = TASK_LOAD(void *, parent, task_struct__group_leader);
    void *cred = TASK_LOAD(void *, task, task_struct__cred);
    void *css_set = TASK_LOAD(void *, task, task_struct__cgroups);
    void *cgroup = TASK_LOAD(void *, css_set, css_set__dfl_cgrp);
    void *node = TASK_LOAD(void *, cgroup, cgroup__kn);
    emit_begin(event, kind);
    event->start_ns = TASK_LOAD(u64, task, task_struct__start_boottime);
    event->cgroup_id = TASK_LOAD(u64, node, kernfs_node__id);
    event->pid = event->tid = task_tgid(task);
    event->ppid = task_tgid(parent);
    event->uid = TASK_LOAD(u32, cred, cred__euid);
    event->gid = TASK_LOAD(u32, cred, cred__egid);
    event->data_len = 0;
    task_comm(event->comm, task);
    task_comm(event->parent_comm, parent_leader);
    return event;
}

static __always_inline void lifecycle_fork(void *ctx, void *caller, void *child) {
    if (TASK_LOAD(u32, child, task_struct__pid) != task_tgid(child))
        return; /* a thread */
    struct event *event = lifecycle_begin(ctx, child, KIND_FORK);
    if (!event)
        return;
    void *parent = TASK_LOAD(void *, child, task_struct__real_parent);
    event->ret = 0;
    event->args[0] = task_tgid(caller);
    event->args[1] = TASK_LOAD(u64, TASK_LOAD(void *, caller, task_struct__group_leader), task_struct__start_boottime);
    event->args[2] = TASK_LOAD(u64, TASK_LOAD(void *, parent, task_struct__group_leader), task_struct__start_boottime);
    void *signal = TASK_LOAD(void *, child, task_struct__signal);
    u64 pid = pids_of_task(child);
    event->args[3] = pids_nr(pid, pids_space(pid));
    event->args[4] = pids_host_nr(pids_of(signal, PID_OF_SESSION));
    event->args[5] = pids_host_nr(pids_of(signal, PID_OF_GROUP));
    if (directory_read((u64)child + OFF_task_struct__fs) == directory_read((u64)caller + OFF_task_struct__fs))
        event->flags |= FLAG_SHARED_FS;
    if (!directory_of_process(caller))
        event->flags |= FLAG_THREAD_FS;
    emit_head(ctx, event);
}

/* The last thread of a process, `signal` being what its threads share, has ended. */
static __always_inline void lifecycle_exit(void *ctx, void *leader, void *signal) {
    struct event *event = lifecycle_begin(ctx, leader, KIND_EXIT);
    if (!event || lifecycle_ended(signal, leader))
        return;
    if (TASK_LOAD(u32, signal, signal_struct__flags) & SIGNAL_GROUP_EXIT)
        event->ret = TASK_LOAD(u32, signal, signal_struct__group_exit_code);
    else
        event->ret = TASK_LOAD(u32, leader, task_struct__exit_code);
#pragma unroll
    for (int i = 0; i < 6; i++)
        event->args[i] = 0;
    emit_head(ctx, event);
}
