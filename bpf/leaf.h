/* Telling files apart by their last name: of the file that an open has opened, whatever links led to it
 * (monitord.model.facts.leaf_of is the reference). */

#define LEAF_ROOM 32 /* for a name with its NUL; of longer ones as much is compared */

/* What a name makes possible. (36 + 56 bytes) x 16384. */
struct leaf_key {
    u32 generation;
    char name[LEAF_ROOM];
};
BPF_HASH(leaves, struct leaf_key, u32, 16384);

/* As directory_file, by plain loads: this is asked of opens that are rejected, too. */
static __always_inline u64 leaf_file(void *task, s32 fd) {
    void *files = TASK_LOAD(void *, task, task_struct__files);
    void *table = TASK_LOAD(void *, files, files_struct__fdt);
    u32 size = TASK_LOAD(u32, table, fdtable__max_fds);
    u64 descriptors = TASK_LOAD(u64, table, fdtable__fd);
    return (u32)fd < size ? directory_read(descriptors + 8ULL * (u32)fd) : 0;
}

/* The dentry that has the name, or 0: the root directory has none. What is mounted is called as the place where it is;
 * whether something was mounted there before, nobody asks. */
static __always_inline u64 leaf_dentry(u64 file) {
    u64 path[2] = {}; /* struct path has two pointers: one read is cheaper than two */
    read_kernel(path, sizeof(path), (void *)(file + OFF_file__f_path));
    u64 dentry = path[OFF_path__dentry / 8];
    u64 mount = path[OFF_path__mnt / 8] - OFF_mount__mnt;
    if (dentry != directory_read(mount + OFF_mount__mnt + OFF_vfsmount__mnt_root))
        return dentry;
    u64 outer = directory_read(mount + OFF_mount__mnt_parent);
    dentry = directory_read(mount + OFF_mount__mnt_mountpoint);
    bool again = dentry == directory_read(outer + OFF_mount__mnt + OFF_vfsmount__mnt_root);
    return outer == mount || again ? 0 : dentry;
}

/* Those of the clauses that the file behind a descriptor fits, which an open has returned. */
static __always_inline u32 leaf_fits(struct filter *f, u32 alive, void *task, s32 fd) {
    if (!(alive & f->leafed))
        return alive;
    u64 file = leaf_file(task, fd);
    u64 dentry = file ? leaf_dentry(file) : 0; /* no file: another thread has closed it, and nobody knows what it was */
    if (!dentry)
        return alive;
    u32 size = directory_read(dentry + OFF_dentry__d_name_len);
    if (!(f->leaf_sizes >> BOUND(size, LEAF_ROOM - 1) & 1))
        return alive & f->leaves_others;
    struct leaf_key key = {.generation = f->generation};
    u64 name = directory_read(dentry + OFF_dentry__d_name);
    if (read_kernel_str(key.name, sizeof(key.name), (void *)name) < 0)
        return alive;
    u32 *found = leaves.lookup(&key);
    return alive & (found ? *found : f->leaves_others);
}
