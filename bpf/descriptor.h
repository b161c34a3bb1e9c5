/* What is behind a descriptor: struct file_facts and its path, or struct socket_facts. Read from the kernel's own
 * structs when the call is made, and so right for what was inherited, duplicated, or came from another process. Another
 * thread can change the table of descriptors at the same time: evidence, not proof. */

#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define UNIX_NAME 108 /* sun_path */
enum { FAMILY_UNIX = 1, FAMILY_INET = 2, FAMILY_INET6 = 10 };

struct tuple {
    u64 address[4];
    u32 ports;
};

/* struct ovl_inode is the overlay module's own: its upper dentry has stood behind its struct inode since 4.13. */
static __always_inline u16 descriptor_layer(u64 inode, u32 magic) {
    if (magic != OVERLAYFS_SUPER_MAGIC)
        return 0;
    return directory_read(inode + SIZE_inode) ? INODE_OVERLAY | INODE_UPPER : INODE_OVERLAY;
}

static __always_inline void descriptor_file(struct call *call, struct text *text, u64 file, u64 inode, u16 mode) {
    u32 at = call->event.data_len;
    struct file_facts *facts = (struct file_facts *)&call->data[BOUND(at, FACTS_CAP)];
    u64 super = directory_read(inode + OFF_inode__i_sb);
    facts->ino = directory_read(inode + OFF_inode__i_ino);
    facts->magic = directory_read(super + OFF_super_block__s_magic);
    facts->dev = directory_read(super + OFF_super_block__s_dev);
    facts->flags = directory_read(file + OFF_file__f_flags);
    facts->f_mode = directory_read(file + OFF_file__f_mode);
    facts->nlink = directory_read(inode + OFF_inode__i_nlink);
    facts->mode = mode;
    facts->bits = descriptor_layer(inode, facts->magic);
    call->event.data_len = at + sizeof(*facts);
    FORGET();
    directory_capture(call, text, file + OFF_file__f_path);
    text->len += sizeof(*facts);
}

/* One name of a unix socket behind the facts; returns its length. */
static __always_inline u16 descriptor_unix_name(struct call *call, u64 sock) {
#ifdef OFF_unix_sock__addr
    u32 at = call->event.data_len;
    u64 address = sock ? directory_read(sock + OFF_unix_sock__addr) : 0;
    if (!address)
        return 0;
    u32 size = directory_read(address + OFF_unix_address__len);
    size = size > 2 ? size - 2 : 0; /* behind sun_family */
    size = BOUND(size, UNIX_NAME);
    if (read_kernel(&call->data[BOUND(at, FACTS_CAP + 256)], size, (void *)(address + OFF_unix_address__name + 2)))
        return 0;
    call->event.data_len = at + size;
    return size;
#else
    return 0;
#endif
}

static __always_inline void descriptor_socket(struct call *call, struct text *text, u64 file, u64 inode) {
    u32 at = call->event.data_len;
    struct socket_facts *facts = (struct socket_facts *)&call->data[BOUND(at, FACTS_CAP)];
    u64 socket = directory_read(file + OFF_file__private_data);
    u64 sock = directory_read(socket + OFF_socket__sk);
    u16 family = directory_read(sock + OFF_sock_common__skc_family);
    facts->ino = directory_read(inode + OFF_inode__i_ino);
    facts->flags = directory_read(file + OFF_file__f_flags);
    facts->family = family;
    facts->type = directory_read(socket + OFF_socket__type);
    facts->protocol = directory_read(sock + OFF_sock__sk_protocol);
    facts->state = directory_read(sock + OFF_sock_common__skc_state);
    facts->bits = 0;
    facts->local_port = facts->remote_port = 0;
    __builtin_memset(facts->local, 0, 32);
    call->event.data_len = at + sizeof(*facts);
    if (family == FAMILY_UNIX) {
        FORGET();
        u16 own = descriptor_unix_name(call, sock);
        FORGET();
#ifdef OFF_unix_sock__peer
        u16 peer = descriptor_unix_name(call, directory_read(sock + OFF_unix_sock__peer));
#else
        u16 peer = 0;
#endif
        facts->local_port = own;
        facts->remote_port = peer;
    } else if (family == FAMILY_INET || family == FAMILY_INET6) {
        /* As getsockname has it; skc_num is given back as soon as both sides of TCP have closed. */
        facts->local_port = __builtin_bswap16(directory_read(sock + OFF_inet_sock__inet_sport));
        facts->remote_port = __builtin_bswap16(directory_read(sock + OFF_sock_common__skc_dport));
        if (family == FAMILY_INET) {
            *(u32 *)facts->local = directory_read(sock + OFF_sock_common__skc_rcv_saddr);
            *(u32 *)facts->remote = directory_read(sock + OFF_sock_common__skc_daddr);
        }
#ifdef OFF_sock_common__skc_v6_daddr
        if (family == FAMILY_INET6) {
            read_kernel(facts->local, 16, (void *)(sock + OFF_sock_common__skc_v6_rcv_saddr));
            read_kernel(facts->remote, 16, (void *)(sock + OFF_sock_common__skc_v6_daddr));
        }
#endif
    }
    text->source += (CAPTURE_SOCKET - CAPTURE_FILE) << 4;
    text->len = call->event.data_len - at;
}

/* Into the slot for it, behind the texts. */
static __always_inline void descriptor_capture(struct call *call, void *task, u8 arg, s32 fd, u8 late) {
    struct text *text = &call->event.text[DESCRIPTOR_TEXT];
    text->source = CAPTURE_FILE << 4 | arg;
    text->flags = late;
    text->len = 0;
    u64 file = directory_file(task, fd);
    if (!file) {
        text->flags |= TEXT_FAULT;
        return;
    }
    u64 inode = directory_read(file + OFF_file__f_inode);
    u16 mode = directory_read(inode + OFF_inode__i_mode);
    if ((mode & S_IFMT) == S_IFSOCK)
        descriptor_socket(call, text, file, inode);
    else
        descriptor_file(call, text, file, inode, mode);
    FORGET();
}

/* Where the facts of the descriptor begin. */
static __always_inline u32 descriptor_place(struct call *call) {
    return call->event.text[0].len + call->event.text[1].len + call->event.text[2].len + call->event.text[3].len;
}

/* When the call begins. */
static __always_inline void descriptor_enter(struct call *call, struct plan *plan, void *task) {
    if (plan->extras & (EXTRA_FD_ENTER | EXTRA_FD_CHANGE))
        descriptor_capture(call, task, plan->fd, capture_arg(call, plan->fd), 0);
}

static __always_inline bool descriptor_wanted(struct call *call, struct plan *plan) {
    struct text *directory = &call->event.text[PATHS];
    bool deep = directory->source >> 4 == CAPTURE_DIRECTORY && directory->flags & TEXT_TRUNCATED;
    return plan->extras & EXTRA_FD || (deep && plan->extras & EXTRA_FD_DEEP);
}

/* When it returns. `late`: what was read at enter is not there. */
static __always_inline void descriptor_exit(struct call *call, struct plan *plan, void *task, s64 ret, bool late) {
    struct text *text = &call->event.text[DESCRIPTOR_TEXT];
    if (plan->extras & EXTRA_FD_ENTER) {
        if (late) {
            text->source = CAPTURE_FILE << 4 | plan->fd;
            text->flags = TEXT_LATE | TEXT_FAULT;
            text->len = 0;
        }
        return;
    }
    bool returned = plan->fd == NO_ARGUMENT;
    if (!descriptor_wanted(call, plan) || (returned && is_error(ret)))
        return;
    struct tuple before = {};
    u32 at = descriptor_place(call);
    bool compare = !late && text->source >> 4 == CAPTURE_SOCKET;
    if (compare) {
        struct socket_facts *facts = (struct socket_facts *)&call->data[BOUND(at, FACTS_CAP)];
        __builtin_memcpy(before.address, facts->local, 32);
        before.ports = (u32)facts->local_port << 16 | facts->remote_port;
        call->event.data_len = at;
    }
    descriptor_capture(call, task, plan->fd, returned ? ret : (s64)capture_arg(call, plan->fd), 0);
    if (compare && text->source >> 4 == CAPTURE_SOCKET) {
        struct socket_facts *facts = (struct socket_facts *)&call->data[BOUND(at, FACTS_CAP)];
        u64 now[4];
        __builtin_memcpy(now, facts->local, 32);
        bool changed = before.ports != ((u32)facts->local_port << 16 | facts->remote_port);
        changed |= (now[0] ^ before.address[0]) | (now[1] ^ before.address[1]) | (now[2] ^ before.address[2]) |
                   (now[3] ^ before.address[3]);
        facts->bits = SOCKET_COMPARED | (changed ? SOCKET_CHANGED : 0);
    }
    FORGET();
}
