/* Where a relative path starts: the caller's working directory, or the directory behind a descriptor. The process may
 * be gone when the daemon reads of it, so the names are taken here: from the inside out, each with its NUL. */

#define DIRECTORY_DEPTH 24 /* names; a deeper directory is flagged as truncated: its outer names are missing */
#define NAME_ROOM 256      /* NAME_MAX with its NUL */
#define AT_FDCWD -100

static __always_inline u64 directory_read(u64 address) {
    u64 value = 0;
    read_kernel(&value, sizeof(value), (void *)address);
    return value;
}

/* The struct file behind a descriptor, or 0. All by read_kernel: it is put in at many places (see bpf/task.h). */
static __always_inline u64 directory_file(void *task, s32 fd) {
    u64 files = directory_read((u64)task + OFF_task_struct__files);
    u64 table = directory_read(files + OFF_files_struct__fdt);
    u32 size = directory_read(table + OFF_fdtable__max_fds);
    if ((u32)fd >= size)
        return 0;
    return directory_read(directory_read(table + OFF_fdtable__fd) + 8ULL * (u32)fd);
}

/* The address of a struct path, or 0. */
static __always_inline u64 directory_of(void *task, s32 dirfd) {
    if (dirfd == AT_FDCWD)
        return directory_read((u64)task + OFF_task_struct__fs) + OFF_fs_struct__pwd;
    u64 file = directory_file(task, dirfd);
    return file ? file + OFF_file__f_path : 0;
}

/* Whether a thread's working directory is that of its process; threads may have their own. */
static __always_inline bool directory_of_process(void *task) {
    void *leader = TASK_LOAD(void *, task, task_struct__group_leader);
    u64 of_leader = directory_read((u64)leader + OFF_task_struct__fs); /* 0: it has ended */
    return !of_leader || of_leader == directory_read((u64)task + OFF_task_struct__fs);
}

static __always_inline void directory_capture(struct call *call, struct text *text, u64 path) {
    text->flags = path ? TEXT_TRUNCATED : TEXT_FAULT;
    text->len = 0;
    call->start.top = 0;
    if (!path)
        return;
    u64 dentry = directory_read(path + OFF_path__dentry);
    u64 mount = directory_read(path + OFF_path__mnt) - OFF_mount__mnt;
    for (int i = 0; i < DIRECTORY_DEPTH; i++) {
        FORGET();
        u64 parent = directory_read(dentry + OFF_dentry__d_parent);
        if (dentry == directory_read(mount + OFF_mount__mnt + OFF_vfsmount__mnt_root)) {
            u64 outer = directory_read(mount + OFF_mount__mnt_parent);
            if (outer == mount) { /* the root of the mount namespace */
                text->flags = 0;
                return;
            }
            dentry = directory_read(mount + OFF_mount__mnt_mountpoint);
            mount = outer;
            continue;
        }
        u32 at = call->event.data_len;
        if (at >= PATH_CAP)
            return;
        u64 name = directory_read(dentry + OFF_dentry__d_name);
        long n = read_kernel_str(&call->data[BOUND(at, PATH_CAP)], NAME_ROOM, (void *)name);
        if (n < 0)
            return;
        text->len += n;
        call->start.top = at;
        call->event.data_len = at + n;
        if (dentry == parent) { /* in no directory: a memfd, a pipe */
            text->flags = TEXT_FAULT;
            return;
        }
        dentry = parent;
    }
}

/* What a successful exec has made the program, or another call the working directory: the file itself, whatever names
 * and links led to it. A memfd has only a name, and TEXT_FAULT for its directory. */
static __always_inline void directory_capture_result(struct call *call, void *task) {
    /* In front of the directory that the program's name starts from: that is the one to be cut. */
    struct text *text = &call->event.text[call->start.new_program ? PATHS : PATHS + 1];
    u64 path = directory_of(task, AT_FDCWD);
    text->source = CAPTURE_DIRECTORY << 4 | NO_ARGUMENT;
    if (call->start.new_program) {
        u64 file = (u64)TASK_LOAD(void *, TASK_LOAD(void *, task, task_struct__mm), mm_struct__exe_file);
        path = file ? file + OFF_file__f_path : 0;
        text->source = CAPTURE_EXE << 4 | NO_ARGUMENT;
    }
    directory_capture(call, text, path);
    FORGET();
}

/* The directories of the relative paths, behind the texts, into the text slots that are free. */
static __always_inline void directory_captures(struct call *call, struct plan *plan, void *task) {
    u32 begin = 0;
    for (int i = 0; i < PATHS; i++) {
        struct text *text = &call->event.text[i], *directory = &call->event.text[i + PATHS];
        u8 dirfd = plan->dirfd[i];
        bool absolute = text->len && call->data[BOUND(begin, TEXT_CAP)] == '/';
        bool relative = !absolute && !(text->flags & (TEXT_FAULT | TEXT_NULL));
        begin += text->len;
        if (i == 0 && directory->source)
            directory = &call->event.text[3]; /* mount has three texts */
        FORGET();
        if (dirfd == DIRFD_NONE || !relative || directory->source)
            continue;
        directory->source = CAPTURE_DIRECTORY << 4 | (text->source & 15);
        directory_capture(call, directory,
                          directory_of(task, dirfd == DIRFD_CWD ? AT_FDCWD : (s32)capture_arg(call, dirfd)));
        FORGET();
        if (directory->flags & TEXT_TRUNCATED) { /* without its outer names it says nothing, and takes room */
            call->event.data_len -= directory->len;
            directory->len = 0;
        }
        FORGET();
    }
}
