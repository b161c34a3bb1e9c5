/* The file that the process executes: struct program_facts. */

#define MAY_WRITE_GROUP 020
#define MAY_WRITE_OTHER 02
enum { CAP_BIT_DAC_OVERRIDE = 1, CAP_BIT_FOWNER = 3 };

static __always_inline s64 program_ns(u64 inode, u32 seconds, u32 nanoseconds) {
    /* The highest bit of the nanoseconds is the kernel's own mark, since 6.13. */
    return (s64)directory_read(inode + seconds) * 1000000000 + ((u32)directory_read(inode + nanoseconds) & 0x7fffffff);
}

/* Whether the thread may write to the file, or give itself the permission: by owner, mode and capabilities. */
static __always_inline bool program_writable(void *task, struct program_facts *facts) {
    void *cred = TASK_LOAD(void *, task, task_struct__cred);
    u32 caps = TASK_LOAD(u32, cred, cred__cap_effective);
    return TASK_LOAD(u32, cred, cred__fsuid) == facts->uid || facts->mode & MAY_WRITE_OTHER ||
           (facts->mode & MAY_WRITE_GROUP && TASK_LOAD(u32, cred, cred__fsgid) == facts->gid) ||
           caps & (1 << CAP_BIT_DAC_OVERRIDE | 1 << CAP_BIT_FOWNER);
}

/* Behind the facts of the thread, in the same slot. */
static __always_inline void program_capture(struct call *call, void *task) {
    struct text *text = &call->event.text[TASK_TEXT];
    u32 at = call->event.data_len;
    void *mm = TASK_LOAD(void *, task, task_struct__mm);
    u64 file = mm ? (u64)TASK_LOAD(void *, mm, mm_struct__exe_file) : 0;
    if (at >= TEXT_CAP || !file || !text->len)
        return;
    struct program_facts *facts = (struct program_facts *)&call->data[BOUND(at, TEXT_CAP)];
    u64 inode = directory_read(file + OFF_file__f_inode);
    u64 super = directory_read(inode + OFF_inode__i_sb);
    facts->ino = directory_read(inode + OFF_inode__i_ino);
    facts->ctime_ns = program_ns(inode, OFF_inode__ctime_sec, OFF_inode__ctime_nsec);
    facts->mtime_ns = program_ns(inode, OFF_inode__mtime_sec, OFF_inode__mtime_nsec);
    facts->dev = directory_read(super + OFF_super_block__s_dev);
    facts->uid = directory_read(inode + OFF_inode__i_uid);
    facts->gid = directory_read(inode + OFF_inode__i_gid);
    facts->nlink = directory_read(inode + OFF_inode__i_nlink);
    facts->mode = directory_read(inode + OFF_inode__i_mode);
    facts->pad = 0;
    u16 bits = program_writable(task, facts) ? INODE_WRITABLE : 0;
    facts->bits = bits | descriptor_layer(inode, directory_read(super + OFF_super_block__s_magic));
    text->len += sizeof(*facts);
    call->event.data_len = at + sizeof(*facts);
    FORGET();
}
