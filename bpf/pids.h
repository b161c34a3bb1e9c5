/* Pids of a task as its own pid namespace counts them. An id beyond the initial namespace is one of an array in struct
 * pid, which plain loads do not reach. */

enum { PID_OF_GROUP = 2, PID_OF_SESSION = 3 }; /* PIDTYPE_* of signal_struct.pids, since 4.19 */

struct pid_space {
    u64 ns;
    u32 level; /* 0: the initial namespace */
};

static __always_inline u64 pids_read(u64 address) {
    u64 value = 0;
    read_kernel(&value, sizeof(value), (void *)address);
    return value;
}

/* The struct pid of a task. Opaque, or the compiler would load it where it is used: in each branch. */
static __always_inline u64 pids_of_task(void *task) {
    return OPAQUE((u64)TASK_LOAD(void *, task, task_struct__thread_pid));
}

/* The struct pid of a process group or session. */
static __always_inline u64 pids_of(void *signal, u32 type) {
    return pids_read((u64)signal + OFF_signal_struct__pids + 8 * type);
}

static __always_inline u32 pids_host_nr(u64 pid) {
    return pid ? pids_read(pid + OFF_pid__numbers + OFF_upid__nr) : 0;
}

/* The namespace of a struct pid. */
static __always_inline struct pid_space pids_space(u64 pid) {
    struct pid_space space;
    space.level = pids_read(pid + OFF_pid__level);
    space.ns = pids_read(pid + OFF_pid__numbers + (u64)space.level * SIZE_upid + OFF_upid__ns);
    return space;
}

/* 0 for what the namespace does not hold. */
static __always_inline u32 pids_nr(u64 pid, struct pid_space space) {
    if (!space.level)
        return pids_host_nr(pid);
    if (!pid || (u32)pids_read(pid + OFF_pid__level) < space.level)
        return 0;
    u64 upid = pid + OFF_pid__numbers + (u64)space.level * SIZE_upid;
    return pids_read(upid + OFF_upid__ns) == space.ns ? pids_read(upid + OFF_upid__nr) : 0;
}
