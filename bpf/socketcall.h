/* socketcall(2), by which 32-bit x86 programs reach sockets: its first argument says which call is meant, the second is
 * where the arguments of that lie. It is taken for the direct call that does the same, so that rules see a connect,
 * whichever way it is made. */

#if defined(MACHINE_x86_64)
#define SOCKETCALL 102

/* Which calls there are: include/uapi/linux/net.h. Byte N: how far the direct call's number is from recvmmsg's. accept,
 * send and recv have none; accept4, sendto and recvfrom do the same when the arguments behind are 0. */
#define SOCKETCALLS 20
#define SOCKETCALL_FIRST 337
#define SOCKETCALL_NR_0 0x1f1e1b1a19181600
#define SOCKETCALL_NR_8 0x1c1d242220222017
#define SOCKETCALL_NR_16 0x8001b2321

/* Nibble N: how many arguments it takes. */
#define SOCKETCALL_ARGS_0 0x5526644433323330
#define SOCKETCALL_ARGS_16 0x45433

static __always_inline bool socketcall_wraps(u32 abi, u32 nr) {
    return abi == ABI_I386 && nr == SOCKETCALL;
}

/* The number of the direct call; its own when there is none. */
static __always_inline u32 socketcall_nr(void *regs) {
    u32 which = LOAD(u64, regs, pt_regs__bx);
    if (which - 1 >= SOCKETCALLS)
        return SOCKETCALL;
    u64 numbers = which < 8 ? SOCKETCALL_NR_0 : which < 16 ? SOCKETCALL_NR_8 : SOCKETCALL_NR_16;
    return SOCKETCALL_FIRST + (numbers >> which % 8 * 8 & 255);
}

/* The arguments of that; false when they are not readable. */
static __always_inline bool socketcall_args(void *regs, u64 *args) {
    u32 which = LOAD(u64, regs, pt_regs__bx);
    u32 words[6] = {};
    u64 counts = which < 16 ? SOCKETCALL_ARGS_0 : SOCKETCALL_ARGS_16;
    u32 count = counts >> which % 16 * 4 & 15;
    if (read_user(words, BOUND(count, 6) * 4, (void *)(u64)(u32)LOAD(u64, regs, pt_regs__cx)))
        return false;
#pragma unroll
    for (int i = 0; i < 6; i++)
        args[i] = words[i];
    return true;
}
#else
#define SOCKETCALL 0

static __always_inline bool socketcall_wraps(u32 abi, u32 nr) {
    return false;
}

static __always_inline u32 socketcall_nr(void *regs) {
    return 0;
}

static __always_inline bool socketcall_args(void *regs, u64 *args) {
    return false;
}
#endif
