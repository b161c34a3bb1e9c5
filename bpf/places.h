/* Telling paths apart by how they begin. Only plain ones can be: absolute, and written as they are shown. Of any other
 * the kernel side does not know where it leads (monitord.model.facts.plain_path is the reference). */

#define PLAIN_CAP 255  /* the longest path that is looked through */
#define PLACE_BYTES 60 /* of a path that are compared; longer beginnings are installed cut */

/* What a beginning makes possible; generation 0 are the paths that are ignored. 100 bytes x 16384 at most. */
struct place_key {
    u32 bits; /* of what follows */
    u32 generation;
    char path[PLACE_BYTES];
};
BPF_LPM_TRIE(places, struct place_key, u32, 16384);

#define EACH(byte) (0x0101010101010101ULL * (byte))

/* The top bit of each byte that is zero. */
static __always_inline u64 places_zeros(u64 word) {
    u64 low = EACH(0x7f);
    return ~(((word & low) + low) | word | low);
}

/* Whether the path holds "//", "/./", "/..", "../", or ends with a slash; six bytes at a time, with the two behind
 * them. */
static __always_inline bool places_roundabout(char *path, u32 size) {
    u64 found = 0;
    for (u32 at = 0; at < PLAIN_CAP; at += 6) {
        if (at >= OPAQUE(size))
            break;
        u64 word = *(u64 *)(path + at);
        u32 left = size - at;
        if (left < 8)
            word &= (1ULL << (left * 8 & 63)) - 1;
        u64 slash = places_zeros(word ^ EACH('/')), dot = places_zeros(word ^ EACH('.')), end = places_zeros(word);
        u64 stop = slash | end;
        found |= slash & (stop >> 8);
        found |= slash & (dot >> 8) & ((stop | dot) >> 16);
        found |= dot & (dot >> 8) & (slash >> 16);
    }
    return found & 0x808080808080ULL;
}

/* Whether the trie can be asked about the call's path. */
static __always_inline bool places_plain(struct call *call) {
    struct text *text = &call->event.text[0];
    u32 size = text->len;
    if (text->source >> 4 != CAPTURE_STR || text->flags & ~TEXT_LATE || size > PLAIN_CAP || call->data[0] != '/')
        return false;
    return !places_roundabout(call->data, size);
}

/* What it says of a plain path: NULL when it has nothing like it. */
static __always_inline u32 *places_find(struct call *call, u32 generation) {
    struct place_key key = {.generation = generation};
    u32 size = call->event.text[0].len;
    u32 compared = size < PLACE_BYTES ? size : PLACE_BYTES;
    read_kernel(key.path, BOUND(compared, PLACE_BYTES), call->data);
    /* The NUL behind a whole path is compared too: a mark that ends with one is about one path. */
    compared += compared < PLACE_BYTES;
    key.bits = 32 + 8 * compared;
    return places.lookup(&key);
}

/* Those of the clauses that the call's path fits. */
static __always_inline u32 places_fit(struct filter *f, u32 alive, struct call *call) {
    if (!(alive & f->placed) || !places_plain(call))
        return alive;
    u32 *found = places_find(call, f->generation);
    return alive & (found ? *found : f->places_others);
}
