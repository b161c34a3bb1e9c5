/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel side of monitord: a table of contents. Each header holds one concern; they are put in here by
 * monitord/sources/bpf/compiler.py, because BCC rewrites map calls only in the main file. */

/* Of a map that other files could use, BCC compiles functions that print and read its keys and values, on the host's
 * processor: a twentieth of all that compiling takes. */
#pragma clang attribute push(__attribute__((internal_linkage)), apply_to = variable(is_global))
#include "event.h"      /* the bytes on the wire */
#include "task.h"       /* reading the kernel's structs */
#include "arch.h"       /* registers and ABIs */
#include "socketcall.h" /* calls within a call */
#include "scope.h"      /* which tasks */
#include "filter.h"     /* which events are wanted */
#include "plan.h"       /* what is done with each call */
#include "counters.h"   /* what is counted of all calls */
#include "inflight.h"   /* a call between enter and exit */
#include "capture.h"    /* strings and structs of the caller */
#include "directory.h"  /* where relative paths start */
#include "places.h"     /* which paths are wanted */
#include "leaf.h"       /* which opened files are wanted */
#include "pids.h"       /* pids in their namespaces */
#include "identity.h"   /* the thread */
#include "descriptor.h" /* files and sockets */
#include "top.h"        /* which opened files are wanted, once their paths are known */
#include "program.h"    /* the executable */
#include "emit.h"       /* into the ring */
#include "lifecycle.h"  /* processes that begin and end */
#include "cgroup.h"     /* cgroups that are made */
#pragma clang attribute pop

/* Who makes the call, as what it returns. */
static __always_inline void task_captures(struct call *call, struct plan *plan, void *task) {
    void *mm = TASK_LOAD(void *, task, task_struct__mm);
    if (plan->extras & EXTRA_TASK)
        identity_capture(call, task);
    if (plan->extras & EXTRA_PROGRAM)
        program_capture(call, task, mm);
}

/* Whether the operator has no use for what this process does, or does here. */
static __always_inline bool is_ignored(u32 ignored, struct call *call, void *task) {
    struct stats *s = my_stats();
    if (!ignored || !s)
        return false;
    if (ignored & IGNORED_NAMES && filter_name(0, task)) {
        s->ignored_names++;
        return true;
    }
    if (ignored & IGNORED_PLACES && places_plain(call) && places_find(call, 0)) {
        s->ignored_places++;
        return true;
    }
    return false;
}

/* The arguments of a call; false when they are not readable. */
static __always_inline bool call_args(u32 abi, bool wrapped, void *regs, u64 *args) {
    if (wrapped)
        return socketcall_args(regs, args);
    arch_args(abi, regs, args);
    return true;
}

/* A call with a plan begins: remember it, with the caller's strings if its registers fit what is wanted. */
static __always_inline int begin(u64 *ctx, void *task, u32 abi, u32 nr) {
    void *regs = (void *)ctx[0];
    bool wrapped = false;
    if (socketcall_wraps(abi, nr)) {
        nr = socketcall_nr(regs);
        wrapped = nr != SOCKETCALL;
    }
    u32 slot = arch_slot(abi, nr);
    struct plan *plan = plans.lookup(&slot);
    struct call *call = inflight_slot();
    if (!plan || !call)
        return 0;
    struct filter *filter = plan_filter(plan);
    if (!filter)
        return 0;
    call->start.nr = nr;
    call->start.abi = abi;
    call->start.want = 0;
    call->start.generation = filter->generation;
    call->start.planned = 1;
    call->start.wrapped = wrapped;
    call->start.flags = arch_foreign(abi, regs);
    if (plan->special & SPECIAL_NO_RETURN)
        count_call(abi, nr);
    if (filter->clauses) {
        if (!call_args(abi, wrapped, regs, call->event.args))
            return 0; /* tried again when it ends, like one whose beginning was not seen */
        call->start.want = filter_begin(filter, call->event.args, task);
    }
    FORGET();
    if (call->start.want) {
        if (plan->special & SPECIAL_EXEC && !directory_of_process(task))
            call->start.flags |= FLAG_THREAD_FS;
        call->event.abi = call->start.abi;
        call->event.data_len = 0;
        __builtin_memset(call->event.text, 0, sizeof(call->event.text)); /* the slot holds another call's */
        if (!plan->at_exit) {
            capture_texts(call, plan, 0);
            directory_captures(call, plan, task);
        }
        descriptor_enter(call, plan, task);
    }
    if (plan->special & SPECIAL_NO_RETURN) {
        call->task = 0;
        u32 alive = filter_result(filter, call->start.want, 0, call->start.flags);
        alive = filter_names(filter, alive, task);
        alive = places_fit(filter, alive, call);
        if (alive && !is_ignored(filter->ignored, call, task)) {
            task_captures(call, plan, task);
            emit(ctx, call, task, 0, call->start.flags | FLAG_NO_RETURN);
        }
        return 0;
    }
    call->start.ts_ns = bpf_ktime_get_boot_ns();
    call->task = (u64)task;
    return 0;
}

/* raw_syscalls:sys_enter (struct pt_regs *regs, long id) */
int on_sys_enter(u64 *ctx) {
    u32 nr = ctx[1];
    /* The one look-up that an unwanted call pays. An x32 number lies beyond the gates. */
    u8 *gate = gates.lookup(&nr);
#ifndef LATENCY
    if (gate ? !(*gate & GATE_ENTER) : !(nr & X32_BIT))
        return 0;
#endif
    void *task = CURRENT_TASK();
    u32 abi = arch_abi(task, nr);
    nr = arch_plain_nr(abi, nr);
    bool planned = plan_gate(abi, nr);
#ifndef LATENCY
    if (!planned) /* the gate is another ABI's */
        return 0;
#endif
    if (!in_scope(ctx, task))
        return 0;
    if (planned)
        return begin(ctx, task, abi, nr);
#ifdef LATENCY
    struct call *call = inflight_slot();
    if (!call)
        return 0;
    call->start.nr = nr;
    call->start.abi = abi;
    call->start.want = 0;
    call->start.planned = 0;
    call->start.wrapped = 0;
    call->task = (u64)task;
    call->start.ts_ns = bpf_ktime_get_boot_ns();
#endif
    return 0;
}

/* The child's return from a fork, of which the parent's is counted. */
static __always_inline bool is_child(u32 abi, u32 nr, s64 ret) {
    u32 slot = arch_slot(abi, nr);
    struct plan *plan = plans.lookup(&slot);
    return plan && plan->special & SPECIAL_FORK && ret == 0;
}

/* A call with a plan ends: NULL when no event is wanted by what is known without its path. What is found out goes into
 * the call, and so is nothing that the verifier follows through all that comes after. */
static __always_inline struct call *end(u64 *ctx, void *task, struct call *call, u32 abi, u32 nr, s64 ret) {
    bool wrapped = call && call->start.wrapped;
    if (socketcall_wraps(abi, nr)) {
        nr = socketcall_nr((void *)ctx[0]);
        wrapped = nr != SOCKETCALL;
    }
    u32 slot = arch_slot(abi, nr);
    struct plan *plan = plans.lookup(&slot);
    if (!plan)
        return NULL;
    u32 index = plan->filter;
    struct filter *filter = filters.lookup(&index);
    if (!filter || !filter->clauses)
        return NULL;
    u16 flags = call ? call->start.flags : arch_foreign(abi, (void *)ctx[0]);
    bool late = plan->at_exit;
    u32 alive = call ? call->start.want : 0;
    if (call && call->start.generation == filter->generation) {
        if (!alive) /* its registers did not fit */
            return NULL;
        late |= capture_faulted(call);
    } else if (alive) { /* the filter has been replaced; what was captured is there */
        alive = filter_begin(filter, call->event.args, task);
        late |= capture_faulted(call);
    } else {
        /* Its enter was before the daemon, before the plan, or did not fit the filter of then. */
        call = inflight_slot();
        if (!call || call->task)
            return NULL;
        if (!call_args(abi, wrapped, (void *)ctx[0], call->event.args))
            return NULL;
        alive = filter_begin(filter, call->event.args, task);
        call->start.abi = abi;
        call->start.nr = nr;
        call->event.abi = abi;
        call->event.text[DESCRIPTOR_TEXT].source = call->event.text[TASK_TEXT].source = 0;
        /* What an exec was given is gone; what is in the slot is another call's. */
        call->event.text[0] = (struct text){.source = plan->source[0], .flags = TEXT_FAULT};
        call->event.text[1].source = plan->source[1];
        flags |= FLAG_NO_START;
        late = true;
    }
    alive = filter_result(filter, alive, ret, flags);
    if (!alive)
        return NULL;
    alive = filter_names(filter, alive, task);
    if (!alive)
        return NULL;
    call->start.want = alive;
    call->start.filter = index;
    call->start.late = late;
    call->start.new_program = plan->special & SPECIAL_EXEC && ret == 0;
    call->start.moved = plan->extras & EXTRA_MOVED && ret == 0 && directory_of_process(task);
    call->event.flags = flags;
    call->event.ret = ret;
    return call;
}

/* What is left to ask, and to read, of a call that ended; then it is sent. */
static __always_inline void deliver(void *ctx, struct call *call, void *task) {
    u32 slot = arch_slot(call->start.abi, call->start.nr), index = call->start.filter;
    struct plan *plan = plans.lookup(&slot);
    struct filter *filter = filters.lookup(&index);
    if (!plan || !filter)
        return;
    call->start.want = leaf_fits(filter, call->start.want, task, call->event.ret);
    if (!call->start.want)
        return;
    FORGET();
    bool new_program = call->start.new_program;
    if (call->start.late && !new_program)
        capture_texts(call, plan, plan->at_exit && is_error(call->event.ret) ? TEXT_LATE | TEXT_NULL : TEXT_LATE);
    FORGET();
    call->start.want = places_fit(filter, call->start.want, call);
    if (!call->start.want)
        return;
    FORGET();
    if (call->start.new_program) {
        capture_new_program(call, task);
        FORGET();
        directory_capture_result(call, task);
    }
    FORGET();
    if (call->start.new_program || call->start.late)
        directory_captures(call, plan, task);
    FORGET();
    if (call->start.moved)
        directory_capture_result(call, task);
    FORGET();
    if (call->start.new_program && plan->extras & EXTRA_ENVIRONMENT)
        capture_environment(call, task);
    FORGET();
    descriptor_exit(call, plan, task, call->event.ret, call->start.late && !plan->at_exit);
    FORGET();
    if (!top_fits(filter, call->start.want, call))
        return;
    FORGET();
    /* What executes or moves is learned from, too: that it is ignored makes no difference. */
    if (is_ignored(call->start.new_program | call->start.moved ? 0 : filter->ignored, call, task))
        return;
    FORGET();
    task_captures(call, plan, task);
    FORGET();
    emit(ctx, call, task, call->event.ret, call->event.flags);
}

/* raw_syscalls:sys_exit (struct pt_regs *regs, long ret) */
int on_sys_exit(u64 *ctx) {
    void *task = CURRENT_TASK();
    if (!in_scope(ctx, task))
        return 0;
    s64 ret = ctx[1];
    struct call *call = NULL;
    u32 abi, nr;
    bool planned;
#ifdef LATENCY
    call = inflight_take((u64)task);
    if (call) {
        abi = call->start.abi;
        nr = call->start.nr;
        planned = call->start.planned;
        count_latency(abi, call->start.wrapped ? SOCKETCALL : nr, bpf_ktime_get_boot_ns() - call->start.ts_ns);
    } else
#endif
    {
        nr = arch_exit_nr((void *)ctx[0]);
        abi = arch_abi(task, nr);
        nr = arch_plain_nr(abi, nr);
        planned = plan_gate(abi, nr) || nr == ~0u; /* -1 is what sigreturn leaves behind */
#ifndef LATENCY
        if (planned)
            call = inflight_take((u64)task);
        if (call) { /* an exec changes the number */
            abi = call->start.abi;
            nr = call->start.nr;
        }
#endif
        if (planned && !call && is_child(abi, nr, ret))
            return 0;
        count_call(abi, call && call->start.wrapped ? SOCKETCALL : nr);
    }
    if (is_error(ret))
        count_error(abi, call && call->start.wrapped ? SOCKETCALL : nr, ret);
    if (planned) {
        call = end(ctx, task, call, abi, nr, ret);
        FORGET();
        if (call)
            deliver(ctx, call, task);
    }
    return 0;
}

/* sched:sched_switch (bool preempt, struct task_struct *prev, ...) */
int on_sched_switch(u64 *ctx) {
    inflight_spill(ctx[1]);
    return 0;
}

/* A task was killed inside a call: it counts as one that succeeded. */
static __always_inline void unfinished(u64 *ctx, struct call *call, void *task) {
    u32 slot = arch_slot(call->start.abi, call->start.nr);
    struct plan *plan = plans.lookup(&slot);
    struct filter *filter = plan ? plan_filter(plan) : NULL;
    if (!filter)
        return;
    u32 alive = call->start.want;
    if (call->start.generation != filter->generation)
        alive = filter_begin(filter, call->event.args, task);
    alive = filter_result(filter, alive, 0, call->start.flags);
    alive = filter_names(filter, alive, task);
    alive = places_fit(filter, alive, call);
    if (alive && !is_ignored(filter->ignored, call, task))
        emit(ctx, call, task, 0, call->start.flags | FLAG_UNFINISHED);
}

/* sched:sched_process_exit (struct task_struct *task): a killed task makes no sys_exit. */
int on_process_exit(u64 *ctx) {
    void *task = CURRENT_TASK();
    void *leader = TASK_LOAD(void *, task, task_struct__group_leader);
    void *signal = TASK_LOAD(void *, task, task_struct__signal);
    struct call *call = inflight_take((u64)task);
    if (call && call->start.want && in_scope(ctx, task))
        unfinished(ctx, call, task);
    /* Asked once: between two answers another thread may end, and unmark the process before its end is told. */
    if (TASK_LOAD(u32, signal, signal_struct__live))
        return 0; /* other threads go on */
    lifecycle_exit(ctx, leader, signal);
#ifdef SCOPE_PID
    u32 tgid = task_tgid(task);
    u8 *marked = scope_pids.lookup(&tgid);
    if (marked && *marked)
        *marked = 0;
#endif
    return 0;
}

/* sched:sched_process_exec (struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm): a program's name
 * that could not be read at enter is in the kernel's hands now, and the caller's memory is about to go. */
int on_process_exec(u64 *ctx) {
    void *task = CURRENT_TASK();
    struct call *call = inflight_take((u64)task);
    if (!call)
        return 0;
    if (call->start.want && call->event.text[0].flags & TEXT_FAULT)
        capture_kernels_name(call, (void *)ctx[2]);
    call->task = (u64)task;
    return 0;
}

/* cgroup:cgroup_mkdir (struct cgroup *cgrp, const char *path) */
int on_cgroup_mkdir(u64 *ctx) {
    cgroup_made(ctx, (void *)ctx[0], ctx[1]);
    return 0;
}

/* cgroup:cgroup_attach_task (struct cgroup *dst_cgrp, const char *path, struct task_struct *task, bool threadgroup) */
int on_cgroup_join(u64 *ctx) {
    cgroup_joined(ctx, (void *)ctx[0], ctx[1], (void *)ctx[2]);
    return 0;
}

/* sched:sched_process_fork (struct task_struct *parent, struct task_struct *child): the child has not run yet. The
 * first is the caller, whoever the child's parent will be. */
int on_process_fork(u64 *ctx) {
    void *caller = (void *)ctx[0], *child = (void *)ctx[1];
#ifdef SCOPE_PID
    u32 ancestor = LOAD(u32, caller, task_struct__tgid), tgid = LOAD(u32, child, task_struct__tgid);
    u8 *marked = scope_pids.lookup(&ancestor);
    if (marked && *marked) { /* descendants are in scope */
        u8 one = 1;
        scope_pids.update(&tgid, &one);
    }
#endif
    lifecycle_fork(ctx, caller, child);
    return 0;
}
