/* Copying strings and structs from the caller. What is copied can be changed by the caller afterwards: evidence,
 * not proof. A page that is not resident cannot be read here; the exit side tries again. */

#define PATH_ROOM 4097 /* PATH_MAX with its NUL, and one more to tell a full one from a longer one */
#define ARGV_CAP 4096  /* bytes of argv */
#define ARGV_COUNT 32  /* strings of the argv of a failed exec; a successful one is read whole from the new program */
#define SOCKADDR_CAP 128

/* All state is kept in the event, in a map, and not in variables: the verifier follows the value of every variable
 * down every branch, and four texts with five outcomes each are too many paths; what lies in a map it forgets. */
#define FORGET() asm volatile("" ::: "memory")

static __always_inline u64 capture_arg(struct call *call, u32 index) {
    return index < 6 ? call->event.args[index] : 0;
}

/* One string. */
static __always_inline void capture_str(struct call *call, struct text *text, u64 pointer) {
    u32 at = call->event.data_len;
    long n = read_user_str(&call->data[BOUND(at, TEXT_CAP)], PATH_ROOM, (void *)pointer);
    if (n < 0) {
        text->flags |= TEXT_FAULT;
    } else if (n > 0) {
        text->len = n - 1;
        call->event.data_len = at + n - 1;
        if (n == PATH_ROOM)
            text->flags |= TEXT_TRUNCATED;
    }
}

/* A block of `size` bytes, SOCKADDR_CAP at most. */
static __always_inline void capture_block(struct call *call, struct text *text, u64 pointer, u32 size) {
    u32 at = call->event.data_len;
    if (size > SOCKADDR_CAP) {
        size = SOCKADDR_CAP;
        text->flags |= TEXT_TRUNCATED;
    }
    if (read_user(&call->data[BOUND(at, TEXT_CAP)], BOUND(size, SOCKADDR_CAP), (void *)pointer)) {
        text->flags |= TEXT_FAULT;
    } else {
        text->len = size;
        call->event.data_len = at + size;
    }
}

/* The strings of an argv, each with its NUL. */
static __always_inline void capture_argv(struct call *call, struct text *text, u64 argv) {
    u64 step = call->event.abi == ABI_X86_64 || call->event.abi == ABI_ARM64 ? 8 : 4;
    if (!argv) {
        text->flags |= TEXT_NULL;
        return;
    }
    for (u32 i = 0; i <= ARGV_COUNT; i++, argv += step) {
        u64 pointer = 0;
        FORGET();
        if (read_user(&pointer, BOUND(step, 8), (void *)argv)) {
            text->flags |= TEXT_FAULT;
            return;
        }
        if (!pointer)
            return;
        u32 at = call->event.data_len, room = ARGV_CAP - text->len;
        if (i == ARGV_COUNT || !room || at > TEXT_CAP) {
            text->flags |= TEXT_TRUNCATED;
            return;
        }
        long n = read_user_str(&call->data[BOUND(at, TEXT_CAP)], BOUND(room, ARGV_CAP), (void *)pointer);
        if (n < 0) {
            text->flags |= TEXT_FAULT;
            return;
        }
        text->len += n;
        call->event.data_len = at + n;
        if (n == room) { /* an argv that fills the cap to the byte is flagged too */
            text->flags |= TEXT_TRUNCATED;
            return;
        }
    }
}

/* After a successful exec the caller's memory is gone; the kernel's own copy of argv lies in the new one. */
static __always_inline u32 capture_new_argv(struct call *call, u32 at, void *task, u8 *flags) {
    void *mm = TASK_LOAD(void *, task, task_struct__mm);
    u64 begin = TASK_LOAD(u64, mm, mm_struct__arg_start);
    u64 end = TASK_LOAD(u64, mm, mm_struct__arg_end);
    u64 size = end - begin;
    if (size > ARGV_CAP) {
        size = ARGV_CAP;
        *flags |= TEXT_TRUNCATED;
    }
    if (read_user(&call->data[BOUND(at, TEXT_CAP)], BOUND(size, ARGV_CAP), (void *)begin)) {
        *flags |= TEXT_FAULT;
        return 0;
    }
    return size;
}

/* The address in a struct msghdr and its size; a 32-bit one has them side by side. */
static __always_inline u64 capture_msg_name(struct call *call, u64 message, u32 *size) {
    u64 head[2] = {};
    read_user(head, sizeof(head), (void *)message);
    if (call->event.abi == ABI_X86_64 || call->event.abi == ABI_ARM64) {
        *size = head[1];
        return head[0];
    }
    *size = head[0] >> 32;
    return (u32)head[0];
}

static __always_inline void capture_text(struct call *call, struct plan *plan, u32 i, u8 late) {
    struct text *text = &call->event.text[i];
    u8 source = plan->source[i], kind = source >> 4;
    u64 pointer = capture_arg(call, source & 15);
    text->source = source;
    text->len = 0;
    text->flags = late;
    if (!source || late & TEXT_NULL)
        return;
    u32 size = plan->size;
    if (kind == CAPTURE_MSGHDR) {
        text->source = CAPTURE_SOCKADDR << 4 | (source & 15);
        pointer = pointer ? capture_msg_name(call, pointer, &size) : 0;
        if (!size)
            pointer = 0;
    }
    if (!pointer) {
        text->flags |= TEXT_NULL;
    } else if (call->event.data_len >= TEXT_CAP) {
        text->flags |= TEXT_TRUNCATED;
    } else if (kind == CAPTURE_STR) {
        capture_str(call, text, pointer);
    } else {
        if (kind == CAPTURE_SOCKADDR) {
            size = capture_arg(call, (source & 15) + 1);
            if (plan->at_exit) /* accept: a pointer to the size */
                read_user(&size, sizeof(size), (void *)capture_arg(call, (source & 15) + 1));
        }
        capture_block(call, text, pointer, size);
    }
}

/* execve and execveat: the file's name and argv. */
static __always_inline void capture_exec(struct call *call, struct plan *plan, u8 late) {
    struct text *name = &call->event.text[0], *argv = &call->event.text[1];
    *name = (struct text){.source = plan->source[0], .flags = late};
    *argv = (struct text){.source = plan->source[1], .flags = late};
    call->event.text[2].source = call->event.text[3].source = 0;
    call->event.data_len = 0;
    capture_str(call, name, capture_arg(call, name->source & 15));
    FORGET();
    capture_argv(call, argv, capture_arg(call, argv->source & 15));
    FORGET();
}

/* All texts of a plan, into an event whose args are set. `late` is TEXT_LATE when called at exit, with TEXT_NULL when
 * the kernel has not filled in what it should. */
static __always_inline void capture_texts(struct call *call, struct plan *plan, u8 late) {
    if (plan->special & SPECIAL_EXEC) {
        capture_exec(call, plan, late);
        return;
    }
    call->event.data_len = 0;
    for (u32 i = 0; i < 4; i++) {
        capture_text(call, plan, i, late);
        FORGET();
    }
}

/* Whether a string could not be read at enter: at exit the kernel has read it too, so the page is there. */
static __always_inline bool capture_faulted(struct call *call) {
    return (call->event.text[0].flags | call->event.text[1].flags | call->event.text[2].flags |
            call->event.text[3].flags) &
           TEXT_FAULT;
}

/* The name of a program as the kernel has it, read as capture_str would have: where it is relative to a descriptor, the
 * kernel has put /dev/fd/N in front of it, and a slash unless it is empty. */
static __always_inline void capture_kernels_name(struct call *call, void *binprm) {
    struct text *text = &call->event.text[0];
    void *name = LOAD(void *, binprm, linux_binprm__filename);
    if (LOAD(void *, binprm, linux_binprm__fdpath)) {
        char next = 0;
        name += sizeof("/dev/fd/N") - 1;
        for (u32 i = 0, fd = call->event.args[0]; i < 9 && fd >= 10; i++, fd /= 10)
            name++;
        read_kernel(&next, 1, name);
        name += next == '/';
    }
    long n = read_kernel_str(call->data, PATH_ROOM, name);
    if (n > 0) {
        text->len = n - 1;
        text->flags = TEXT_LATE;
    }
}

/* A successful exec: argv from the new program's memory. */
static __always_inline void capture_new_program(struct call *call, void *task) {
    u8 flags = TEXT_LATE;
    u32 at = call->event.text[0].len;
    u32 len = capture_new_argv(call, at, task, &flags);
    call->event.text[1].flags = flags;
    call->event.text[1].len = len;
    call->event.text[2].source = call->event.text[3].source = 0;
    call->event.data_len = at + len;
    FORGET();
}

/* The environment that the new program was given, whole or not at all: of a longer one /proc can tell. In the slot of a
 * descriptor. The greatest name and arguments leave half of the room for it. */
#define ENVIRONMENT_STEP 1024
#define ENVIRONMENT_STEPS 8

static __always_inline void capture_environment(struct call *call, void *task) {
    struct text *text = &call->event.text[DESCRIPTOR_TEXT];
    void *mm = TASK_LOAD(void *, task, task_struct__mm);
    u64 from = TASK_LOAD(u64, mm, mm_struct__env_start);
    u64 whole = TASK_LOAD(u64, mm, mm_struct__env_end) - from;
    u32 at = call->event.data_len, left = whole;
    text->source = CAPTURE_ENVIRONMENT << 4 | NO_ARGUMENT;
    text->flags = TEXT_TRUNCATED;
    text->len = 0;
    if (whole > ENVIRONMENT_STEP * ENVIRONMENT_STEPS || at + left > PATH_CAP)
        return;
    for (u32 i = 0; i < ENVIRONMENT_STEPS && left; i++) {
        /* What the compiler knows of `left`, older verifiers forget. */
        u32 size = BOUND(OPAQUE(left), ENVIRONMENT_STEP);
        if (read_user(&call->data[BOUND(at, PATH_CAP)], size, (void *)from)) {
            text->flags = TEXT_FAULT;
            return;
        }
        at += size;
        from += size;
        left -= size;
    }
    text->len = at - call->event.data_len;
    text->flags = 0;
    call->event.data_len = at;
    FORGET();
}
