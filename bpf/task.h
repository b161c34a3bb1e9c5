/* Reading the kernel's structs. Programs here are BTF-typed: a pointer that the kernel passes is followed with
 * plain loads, which cost a nanosecond, where read_kernel costs four to nine. OFF_struct__member comes
 * from the running kernel's BTF (monitord/sources/bpf/btf.py).
 *
 * For each pointer loaded from a task the verifier looks through all types of the kernel for those that may be trusted,
 * on every way that it follows to there: half a millisecond each time (seen on 6.18). So load before the ways part, or,
 * what is seldom needed, by read_kernel. */

/* The kernel's bpf_probe_read_*, under names that BCC does not know: of each call of those it asks /proc/kallsyms
 * whether the kernel has them, which was a third of all the time that compiling took. All have them since 5.5. */
static long (*read_user)(void *to, u32 size, const void *from) = (void *)BPF_FUNC_probe_read_user;
static long (*read_user_str)(void *to, u32 size, const void *from) = (void *)BPF_FUNC_probe_read_user_str;
static long (*read_kernel)(void *to, u32 size, const void *from) = (void *)BPF_FUNC_probe_read_kernel;
static long (*read_kernel_str)(void *to, u32 size, const void *from) = (void *)BPF_FUNC_probe_read_kernel_str;

#define LOAD(type, base, member) (*(type *)((void *)(base) + OFF_##member))

#ifdef HAVE_TASK_BTF
static void *(*current_task_btf)(void) = (void *)158; /* bpf_get_current_task_btf, since 5.11 */
#define CURRENT_TASK() current_task_btf()
#else
/* 5.10 has no typed current task: the same loads, by helper. */
#define CURRENT_TASK() ((void *)bpf_get_current_task())
#endif

#ifdef HAVE_TASK_BTF
#define TASK_LOAD(type, base, member) LOAD(type, base, member)
#else
#define TASK_LOAD(type, base, member)                                                                                  \
    ({                                                                                                                 \
        type value_ = 0;                                                                                               \
        read_kernel(&value_, sizeof(value_), (void *)(base) + OFF_##member);                                           \
        value_;                                                                                                        \
    })
#endif

static __always_inline u32 task_tgid(void *task) {
    return TASK_LOAD(u32, task, task_struct__tgid);
}

/* The name of a task. What a longer name has left can stand behind its NUL (seen on 5.10). */
static __always_inline void task_comm(char *comm, void *task) {
    __builtin_memset(comm, 0, 16);
    read_kernel_str(comm, 16, task + OFF_task_struct__comm);
}

/* A value that the compiler must take as it comes. A loop that ends at a constant or at such a value keeps its counter,
 * which the verifier follows; from a value that it knows, the compiler would count down to zero, and the verifiers of
 * Linux 6.1 and before do not see that this ends. */
#define OPAQUE(value)                                                                                                  \
    ({                                                                                                                 \
        u64 value_ = value;                                                                                            \
        asm volatile("" : "+r"(value_));                                                                               \
        value_;                                                                                                        \
    })

/* A length or index, `most` at most. In assembly, because the compiler would drop a check that it knows the outcome of,
 * or compare the constant with the value, which verifiers of Linux 6.1 and before do not follow. */
#define BOUND(value, most)                                                                                             \
    ({                                                                                                                 \
        u64 bound_ = value;                                                                                            \
        asm volatile("if %0 <= %1 goto +1\n\t%0 = %1" : "+r"(bound_) : "i"(most));                                     \
        bound_;                                                                                                        \
    })
