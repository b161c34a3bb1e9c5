/* The file that the process executes: struct program_facts. */

#define MAY_WRITE_GROUP 020
#define MAY_WRITE_OTHER 02
#define SB_RDONLY 1
#define S_IMMUTABLE 8
#define GROUPS 32 /* of the supplementary groups that are looked at */
#define EXTENTS 5 /* of a map of ids; where there are more, it has pointers in their place */
#define EXTENT_SIZE 12
enum { CAP_BIT_DAC_OVERRIDE = 1, CAP_BIT_FOWNER = 3 };

static __always_inline s64 program_ns(u64 inode, u32 seconds, u32 nanoseconds) {
    /* The highest bit of the nanoseconds is the kernel's own mark, since 6.13. */
    return (s64)directory_read(inode + seconds) * 1000000000 + ((u32)directory_read(inode + nanoseconds) & 0x7fffffff);
}

static __always_inline bool program_in_group(u64 cred, u32 gid) {
    u64 groups = directory_read(cred + OFF_cred__group_info);
    u32 count = directory_read(groups + OFF_group_info__ngroups);
    for (u32 i = 0; i < GROUPS; i++) {
        if (i >= OPAQUE(count))
            break;
        if ((u32)directory_read(groups + OFF_group_info__gid + 4 * i) == gid)
            return true;
    }
    return false;
}

/* Whether a user has an id in a user namespace: capabilities there mean nothing for files of others. */
static __always_inline bool program_mapped(u64 namespace, u32 uid) {
    u32 count = directory_read(namespace + OFF_user_namespace__nr_extents);
    if (!(u32)directory_read(namespace + OFF_user_namespace__level) || count > EXTENTS)
        return true;
    for (u32 i = 0; i < EXTENTS; i++) {
        if (i >= OPAQUE(count))
            break;
        u64 extent = namespace + OFF_user_namespace__extent + EXTENT_SIZE * i + 4; /* lower_first, count */
        u64 range = directory_read(extent);
        if (uid - (u32)range < range >> 32)
            return true;
    }
    return false;
}

/* Whether the thread may write to the file, or give itself the permission: by owner, mode, groups and capabilities. */
static __always_inline bool program_writable(void *task, struct program_facts *facts, u64 inode, u64 super) {
    u64 cred = (u64)TASK_LOAD(void *, task, task_struct__cred);
    if (directory_read(super + OFF_super_block__s_flags) & SB_RDONLY ||
        directory_read(inode + OFF_inode__i_flags) & S_IMMUTABLE)
        return false;
    if ((u32)directory_read(cred + OFF_cred__fsuid) == facts->uid || facts->mode & MAY_WRITE_OTHER)
        return true;
    if (facts->mode & MAY_WRITE_GROUP)
        if ((u32)directory_read(cred + OFF_cred__fsgid) == facts->gid || program_in_group(cred, facts->gid))
            return true;
    return directory_read(cred + OFF_cred__cap_effective) & (1 << CAP_BIT_DAC_OVERRIDE | 1 << CAP_BIT_FOWNER) &&
           program_mapped(directory_read(cred + OFF_cred__user_ns), facts->uid);
}

/* Behind the facts of the thread, in the same slot. */
static __always_inline void program_capture(struct call *call, void *task, void *mm) {
    struct text *text = &call->event.text[TASK_TEXT];
    u32 at = call->event.data_len;
    u64 file = mm ? (u64)TASK_LOAD(void *, mm, mm_struct__exe_file) : 0;
    if (!file || !text->len)
        return;
    struct program_facts *facts = (struct program_facts *)&call->data[BOUND(at, FACTS_CAP + 768)];
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
    FORGET();
    u16 bits = program_writable(task, facts, inode, super) ? INODE_WRITABLE : 0;
    facts->bits = bits | descriptor_layer(inode, directory_read(super + OFF_super_block__s_magic));
    text->len += sizeof(*facts);
    call->event.data_len = at + sizeof(*facts);
    FORGET();
}
