/* Telling opened files apart by the first name of their path, whatever links led to them: the directory at the root
 * that they are in (monitord.model.facts.top_of is the reference). It is the last thing that is found out of a path, so
 * this is asked last. */

/* What a name makes possible. (36 + 56 bytes) x 1024. */
BPF_HASH(tops, struct leaf_key, u32, 1024);

/* Those of the clauses that the file behind a descriptor fits, whose path has been captured. */
static __always_inline u32 top_fits(struct filter *f, u32 alive, struct call *call) {
    struct text *text = &call->event.text[DESCRIPTOR_TEXT];
    u32 at = call->start.top;
    bool whole = text->source == (CAPTURE_FILE << 4 | NO_ARGUMENT) && !text->flags && at;
    if (!(alive & f->topped) || !whole)
        return alive;
    struct leaf_key key = {.generation = f->generation};
    if (read_kernel_str(key.name, sizeof(key.name), &call->data[BOUND(at, PATH_CAP)]) < 0)
        return alive;
    u32 *found = tops.lookup(&key);
    return alive & (found ? *found : f->tops_others);
}
