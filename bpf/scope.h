/* Which tasks are watched. The kind of the scope is fixed when the program is compiled: a scope costs what it costs
 * and no other. The daemon itself (SELF_TGID) is never watched. */

/* A constant that is put in when the program is loaded: the two instructions of a 64-bit load are found by the value
 * that is compiled in (MAGIC of monitord/sources/bpf/settings.py). In assembly, because the compiler would reckon with
 * that value. The verifier sees a constant like any other. */
#define TEXT_OF(value) #value
#define LOADED_AS(magic)                                                                                               \
    ({                                                                                                                 \
        u64 value_;                                                                                                    \
        asm("%0 = " TEXT_OF(magic) " ll" : "=r"(value_));                                                              \
        value_;                                                                                                        \
    })

#if defined(SCOPE_CGROUP)
BPF_CGROUP_ARRAY(scope_cgroup, 1); /* holds the cgroup whose id is compared first */

static __always_inline bool scope_has(void *ctx, void *task) {
    void *css_set = TASK_LOAD(void *, task, task_struct__cgroups);
    void *cgroup = TASK_LOAD(void *, css_set, css_set__dfl_cgrp);
    void *node = TASK_LOAD(void *, cgroup, cgroup__kn);
    if (TASK_LOAD(u64, node, kernfs_node__id) == LOADED_AS(SCOPE_NUMBER))
        return true;
    return scope_cgroup.check_current_task(0) == 1; /* a cgroup below it */
}

#elif defined(SCOPE_PID)
/* One byte per possible pid (8 with the map's alignment: 256 KiB for the default pid_max, 32 MiB for the largest):
 * set for a process whose ancestor was given, from fork to the exit of its last thread. */
BPF_ARRAY(scope_pids, u8, SCOPE_PID);

static __always_inline bool scope_has(void *ctx, void *task) {
    u32 tgid = task_tgid(task);
    u8 *marked = scope_pids.lookup(&tgid);
    return marked && *marked;
}

#elif defined(SCOPE_UID)
static __always_inline bool scope_has(void *ctx, void *task) {
    return TASK_LOAD(u32, TASK_LOAD(void *, task, task_struct__cred), cred__uid) == LOADED_AS(SCOPE_NUMBER);
}

#elif defined(SCOPE_PIDNS)
/* A process is in its own pid namespace and in all those above it; 32 is the kernel's MAX_PID_NS_LEVEL. */
static __always_inline bool scope_has(void *ctx, void *task) {
    void *pid = TASK_LOAD(void *, task, task_struct__thread_pid);
    u32 level = TASK_LOAD(u32, pid, pid__level);
    for (u32 i = 0; i <= 32; i++) {
        if (i > OPAQUE(level))
            return false;
        void *upid = pid + OFF_pid__numbers + i * SIZE_upid;
        u64 ns = 0;
        u32 inum = 0;
        read_kernel(&ns, sizeof(ns), upid + OFF_upid__ns);
        read_kernel(&inum, sizeof(inum), (void *)ns + OFF_pid_namespace__inum);
        if (inum == LOADED_AS(SCOPE_NUMBER))
            return true;
    }
    return false;
}

#else
static __always_inline bool scope_has(void *ctx, void *task) {
    return true;
}
#endif

static __always_inline bool in_scope(void *ctx, void *task) {
    return scope_has(ctx, task) && task_tgid(task) != LOADED_AS(SELF_TGID);
}
