/* Cgroups that are made or, of v1, joined, as records among the events: that of a short container is gone when the
 * daemon looks for its path. They are wanted with the records of processes. */

#define CGROUP_PATH 1024                         /* the kernel's own room for it, NUL included; a longer one is cut */
#define CGROUP_ROOM (CGROUP_PATH + CELL_PAYLOAD) /* the last cell runs past the end */
#define CGROUP_V2 0                              /* hierarchy_id of the default hierarchy */

struct cgroup_cell {
    u64 before; /* emit_cell() */
    struct event event;
    char data[CGROUP_ROOM];
};
/* The CPU's slot holds the call that makes it. 1.5 KiB x CPUs. */
BPF_PERCPU_ARRAY(cgroup_cells, struct cgroup_cell, 1);

static __always_inline u64 cgroup_id(void *cgroup) {
    return directory_read(directory_read((u64)cgroup + OFF_cgroup__kn) + OFF_kernfs_node__id);
}

#ifdef SCOPE_CGROUP
#define CGROUP_DEPTH 32

/* Below the one that is watched: whoever makes a container's cgroup need not be in there. */
static __always_inline bool cgroup_in_scope(void *ctx, void *task, void *cgroup) {
    for (int i = 0; i < CGROUP_DEPTH && cgroup; i++) {
        if (cgroup_id(cgroup) == LOADED_AS(SCOPE_NUMBER))
            return true;
        u64 above = directory_read((u64)cgroup + OFF_cgroup__parent);
        cgroup = above ? (void *)directory_read(above + OFF_cgroup_subsys_state__cgroup) : NULL;
    }
    return in_scope(ctx, task);
}
#else
static __always_inline bool cgroup_in_scope(void *ctx, void *task, void *cgroup) {
    return in_scope(ctx, task);
}
#endif

static __always_inline u32 cgroup_hierarchy(void *cgroup) {
    return directory_read(directory_read((u64)cgroup + OFF_cgroup__root) + OFF_cgroup_root__hierarchy_id);
}

/* Sends a record of a cgroup with a path in this hierarchy; who and where is in it. */
static __always_inline void cgroup_emit(void *ctx, struct cgroup_cell *cell, u8 kind, u32 hierarchy, u64 path) {
    struct event *event = &cell->event;
    emit_begin(event, kind);
    event->ret = 0;
    __builtin_memset(event->args, 0, sizeof(event->args));
    event->args[0] = hierarchy;
    __builtin_memset(event->text, 0, sizeof(event->text));
    event->text[0].source = CAPTURE_STR << 4 | NO_ARGUMENT;
    event->data_len = 0;
    long n = read_kernel_str(cell->data, CGROUP_PATH, (void *)path);
    if (n > 0)
        event->text[0].len = event->data_len = n - 1;
    else
        event->text[0].flags = TEXT_FAULT;
    if (n == CGROUP_PATH)
        event->text[0].flags = TEXT_TRUNCATED;
    if (emit_head(ctx, event))
        emit_more(ctx, event, cell->data, CGROUP_ROOM);
}

/* `cgroup` comes from the kernel, `path` is in its hierarchy. */
static __always_inline void cgroup_made(void *ctx, void *cgroup, u64 path) {
    int zero = 0;
    void *task = CURRENT_TASK();
    struct cgroup_cell *cell = cgroup_cells.lookup(&zero);
    if (!lifecycle_wanted() || !cell || cgroup_hierarchy(cgroup) != CGROUP_V2)
        return;
    if (!cgroup_in_scope(ctx, task, cgroup))
        return;
    emit_identity(&cell->event, task);
    cell->event.cgroup_id = cgroup_id(cgroup);
    cgroup_emit(ctx, cell, KIND_CGROUP, CGROUP_V2, path);
}

/* A process was moved to a cgroup v1: the id in its events is that of its cgroup v2 and does not tell. */
static __always_inline void cgroup_joined(void *ctx, void *cgroup, u64 path, void *task) {
    int zero = 0;
    struct cgroup_cell *cell = cgroup_cells.lookup(&zero);
    u32 hierarchy = cgroup_hierarchy(cgroup), tgid = task_tgid(task);
    if (!lifecycle_wanted() || !cell || hierarchy == CGROUP_V2 || TASK_LOAD(u32, task, task_struct__pid) != tgid)
        return;
    if (!in_scope(ctx, task))
        return;
    emit_identity(&cell->event, task);
    cell->event.pid = cell->event.tid = tgid;
    cgroup_emit(ctx, cell, KIND_JOIN, hierarchy, path);
}
