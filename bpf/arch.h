/* Register layouts and ABIs. An ABI's index is its place in monitord.abi.arch.machine_abis(). */

#define NR_SLOTS 640
#define NR_UNKNOWN (NR_SLOTS - 1)
#define SLOTS (ABIS * NR_SLOTS)

#if defined(MACHINE_x86_64)
#define NATIVE ABI_X86_64
#define ABIS 3
#define X32_BIT 0x40000000
#define TS_COMPAT 2
#define USER_CS_64 0x33

/* int $0x80 runs with the registers and the code segment of a 64-bit program: only TS_COMPAT tells. */
static __always_inline u32 arch_abi(void *task, u32 nr) {
    if (TASK_LOAD(u32, task, thread_info__status) & TS_COMPAT)
        return ABI_I386;
    return nr - X32_BIT < NR_SLOTS ? ABI_X32 : ABI_X86_64;
}

static __always_inline u32 arch_index(u32 abi) {
    return abi;
}

static __always_inline u32 arch_plain_nr(u32 abi, u32 nr) {
    return abi == ABI_X32 ? nr & ~X32_BIT : nr;
}

static __always_inline u32 arch_exit_nr(void *regs) {
    return LOAD(u64, regs, pt_regs__orig_ax);
}

static __always_inline u16 arch_foreign(u32 abi, void *regs) {
    if (abi == ABI_X32 || (abi == ABI_I386 && (LOAD(u16, regs, pt_regs__cs)) == USER_CS_64))
        return FLAG_FOREIGN;
    return 0;
}

static __always_inline void arch_args(u32 abi, void *regs, u64 *args) {
    if (abi == ABI_I386) {
        args[0] = (u32)LOAD(u64, regs, pt_regs__bx);
        args[1] = (u32)LOAD(u64, regs, pt_regs__cx);
        args[2] = (u32)LOAD(u64, regs, pt_regs__dx);
        args[3] = (u32)LOAD(u64, regs, pt_regs__si);
        args[4] = (u32)LOAD(u64, regs, pt_regs__di);
        args[5] = (u32)LOAD(u64, regs, pt_regs__bp);
    } else {
        args[0] = LOAD(u64, regs, pt_regs__di);
        args[1] = LOAD(u64, regs, pt_regs__si);
        args[2] = LOAD(u64, regs, pt_regs__dx);
        args[3] = LOAD(u64, regs, pt_regs__r10);
        args[4] = LOAD(u64, regs, pt_regs__r8);
        args[5] = LOAD(u64, regs, pt_regs__r9);
    }
}

#elif defined(MACHINE_aarch64)
#define NATIVE ABI_ARM64
#define ABIS 2
#define X32_BIT 0
#define TIF_32BIT (1 << 22)

static __always_inline u32 arch_abi(void *task, u32 nr) {
    return TASK_LOAD(u64, task, thread_info__flags) & TIF_32BIT ? ABI_ARM : ABI_ARM64;
}

static __always_inline u32 arch_index(u32 abi) {
    return abi - ABI_ARM64;
}

static __always_inline u32 arch_plain_nr(u32 abi, u32 nr) {
    return nr;
}

static __always_inline u32 arch_exit_nr(void *regs) {
    return LOAD(u32, regs, pt_regs__syscallno);
}

static __always_inline u16 arch_foreign(u32 abi, void *regs) {
    return 0; /* 64-bit code cannot make a 32-bit call */
}

static __always_inline void arch_args(u32 abi, void *regs, u64 *args) {
    args[0] = LOAD(u64, regs, pt_regs__orig_x0);
#pragma unroll
    for (int i = 1; i < 6; i++)
        args[i] = *(u64 *)(regs + OFF_pt_regs__regs + 8 * i);
    if (abi == ABI_ARM)
#pragma unroll
        for (int i = 0; i < 6; i++)
            args[i] = (u32)args[i];
}
#else
#error "monitord has register layouts for x86_64 and arm64"
#endif

/* Where (abi, nr) stands in the per-syscall maps: monitord.abi.arch.slot_of(). */
static __always_inline u32 arch_slot(u32 abi, u32 nr) {
    return arch_index(abi) * NR_SLOTS + (nr < NR_UNKNOWN ? nr : NR_UNKNOWN);
}
