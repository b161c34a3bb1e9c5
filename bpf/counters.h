/* The count lane: totals per syscall in per-CPU maps, read by the daemon when it is scraped. */

/* 5 KiB x ABIs x CPUs. One value per ABI, so that the daemon reads all with a few look-ups. A call that is in
 * `latencies` is not counted here again. */
struct calls {
    u64 n[NR_SLOTS];
};
BPF_PERCPU_ARRAY(calls, struct calls, ABIS);

/* slot << 12 | errno -> calls; (8 bytes x CPUs + 64) x 8192. */
BPF_PERCPU_HASH(errors, u32, u64, 8192);

/* What the programs could not do, and how many events they saw. */
struct stats {
    u64 seq;           /* events admitted on this CPU: the sequence number of the last one */
    u64 lost_ring;     /* no room in the ring */
    u64 lost_texts;    /* continuation cells that did not fit: the event went, a string did not */
    u64 spill_failed;  /* no room to keep a call over a context switch: enter-time data lost */
    u64 errors_failed; /* no room in `errors` */
    u64 ignored_names; /* events wanted by rules and dropped for the operator */
    u64 ignored_places;
};
BPF_PERCPU_ARRAY(stats, struct stats, 1);

static __always_inline struct stats *my_stats(void) {
    int zero = 0;
    return stats.lookup(&zero);
}

static __always_inline void count_call(u32 abi, u32 nr) {
    u32 index = arch_index(abi);
    struct calls *mine = calls.lookup(&index);
    if (mine)
        mine->n[BOUND(nr, NR_UNKNOWN)]++;
}

static __always_inline void count_error(u32 abi, u32 nr, s64 ret) {
    u32 key = arch_slot(abi, nr) << 12 | (u32)-ret;
    u64 *mine = errors.lookup(&key);
    if (mine) {
        (*mine)++;
        return;
    }
    u64 one = 1;
    if (errors.insert(&key, &one)) {
        mine = errors.lookup(&key); /* another CPU was first */
        struct stats *s = my_stats();
        if (mine)
            (*mine)++;
        else if (s)
            s->errors_failed++;
    }
}

#ifdef LATENCY
/* monitord.model.counts.BUCKET_BOUNDS_NS: powers of two from 2^6 to 2^37 ns, and one for the rest. */
#define BUCKETS 33
#define FIRST_BOUND_BITS 6

struct latency {
    u64 sum_ns;
    u64 bucket[BUCKETS];
};
BPF_PERCPU_ARRAY(latencies, struct latency, SLOTS); /* 272 bytes x slots (1920 on x86_64) x CPUs: 510 KiB per CPU */

static __always_inline u32 bucket_of(u64 ns) {
    if (ns <= 1 << FIRST_BOUND_BITS)
        return 0;
    u64 v = ns - 1; /* bounds are inclusive */
    u32 bits = 0;
    if (v >> 32) {
        v >>= 32;
        bits += 32;
    }
    if (v >> 16) {
        v >>= 16;
        bits += 16;
    }
    if (v >> 8) {
        v >>= 8;
        bits += 8;
    }
    if (v >> 4) {
        v >>= 4;
        bits += 4;
    }
    if (v >> 2) {
        v >>= 2;
        bits += 2;
    }
    bits += v >> 1; /* floor(log2) */
    return bits + 1 - FIRST_BOUND_BITS;
}

static __always_inline void count_latency(u32 abi, u32 nr, u64 ns) {
    u32 slot = arch_slot(abi, nr);
    struct latency *mine = latencies.lookup(&slot);
    if (!mine)
        return;
    mine->sum_ns += ns;
    mine->bucket[BOUND(bucket_of(ns), BUCKETS - 1)]++;
}
#endif
