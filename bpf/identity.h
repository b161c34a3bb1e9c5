/* The thread that makes a call: struct task_facts. */

/* kernel_cap_t is two u32 before 6.3, one u64 since; halves can be loaded from both. */
#define IDENTITY_CAPS(cred, member)                                                                                    \
    ((u64) * (u32 *)((void *)(cred) + OFF_cred__##member) | (u64) * (u32 *)((void *)(cred) + OFF_cred__##member + 4)   \
                                                                << 32)

#ifdef HAVE_TASK_BTF
#define IDENTITY_LOAD_CAPS(cred, member) IDENTITY_CAPS(cred, member)
#else
#define IDENTITY_LOAD_CAPS(cred, member) TASK_LOAD(u64, cred, cred__##member)
#endif

/* The number of the controlling terminal as stat(2) has it: new_encode_dev(tty_devnum(tty)). */
static __always_inline u32 identity_tty(void *signal) {
    u64 tty = (u64)TASK_LOAD(void *, signal, signal_struct__tty);
    if (!tty)
        return 0;
    u64 driver = pids_read(tty + OFF_tty_struct__driver);
    u32 major = pids_read(driver + OFF_tty_driver__major);
    u32 minor = (u32)pids_read(driver + OFF_tty_driver__minor_start) + (u32)pids_read(tty + OFF_tty_struct__index);
    return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static __always_inline void identity_session_comm(char *comm, u64 session) {
    u64 link = session ? pids_read(session + OFF_pid__tasks) : 0; /* PIDTYPE_PID is 0 */
    if (link)
        task_comm(comm, (void *)(link - OFF_task_struct__pid_links));
    else
        __builtin_memset(comm, 0, 16);
}

static __always_inline void identity_capture(struct call *call, void *task) {
    struct text *text = &call->event.text[TASK_TEXT];
    u32 at = call->event.data_len;
    text->source = CAPTURE_TASK << 4 | NO_ARGUMENT;
    text->flags = 0;
    text->len = 0;
    struct task_facts *facts = (struct task_facts *)&call->data[BOUND(at, FACTS_CAP + 512)];
    void *cred = TASK_LOAD(void *, task, task_struct__cred);
    facts->cap_effective = IDENTITY_LOAD_CAPS(cred, cap_effective);
    facts->cap_permitted = IDENTITY_LOAD_CAPS(cred, cap_permitted);
    facts->cap_inheritable = IDENTITY_LOAD_CAPS(cred, cap_inheritable);
    facts->cap_bounding = IDENTITY_LOAD_CAPS(cred, cap_bset);
    facts->cap_ambient = IDENTITY_LOAD_CAPS(cred, cap_ambient);
    facts->ruid = TASK_LOAD(u32, cred, cred__uid);
    facts->rgid = TASK_LOAD(u32, cred, cred__gid);
    facts->suid = TASK_LOAD(u32, cred, cred__suid);
    facts->sgid = TASK_LOAD(u32, cred, cred__sgid);
    facts->fsuid = TASK_LOAD(u32, cred, cred__fsuid);
    facts->fsgid = TASK_LOAD(u32, cred, cred__fsgid);
#ifdef OFF_task_struct__loginuid
    facts->loginuid = TASK_LOAD(u32, task, task_struct__loginuid);
    facts->sessionid = TASK_LOAD(u32, task, task_struct__sessionid);
#else /* a kernel without audit */
    facts->loginuid = facts->sessionid = ~0u;
#endif
    void *signal = TASK_LOAD(void *, task, task_struct__signal);
    void *parent = TASK_LOAD(void *, task, task_struct__real_parent);
    u64 thread = pids_of_task(task), of_parent = pids_of_task(parent);
    u64 process = pids_of_task(TASK_LOAD(void *, task, task_struct__group_leader));
    u64 parent_process = pids_of_task(TASK_LOAD(void *, parent, task_struct__group_leader));
    struct pid_space space = pids_space(thread);
    u64 session = pids_of(signal, PID_OF_SESSION), group = pids_of(signal, PID_OF_GROUP);
    facts->sid = pids_host_nr(session);
    facts->pgid = pids_host_nr(group);
    facts->tty = identity_tty(signal);
    facts->vpid = pids_nr(process, space);
    facts->vtid = pids_nr(thread, space);
    facts->vppid = pids_nr(parent_process, space);
    facts->vpgid = pids_nr(group, space);
    facts->vsid = pids_nr(session, space);
    facts->pid_ns = pids_read(space.ns + OFF_pid_namespace__inum);
    facts->pvpid = pids_nr(parent_process, pids_space(of_parent));
    u64 reaper = pids_read(space.ns + OFF_pid_namespace__child_reaper);
    facts->pid_ns_start_ns = reaper ? pids_read(reaper + OFF_task_struct__start_boottime) : 0;
    identity_session_comm(facts->session_comm, session);
    text->len = sizeof(*facts);
    call->event.data_len = at + sizeof(*facts);
    FORGET();
}
