/* churn COUNT RATE SEED: starts that many processes of every kind, RATE per second at most, and waits for its own. Each makes a getppid() whose registers
 * say what is true: 0xc4a1, the pid of the process that it was born to, the pid of that one's parent, and the number n
 * of its name, "n<n>", or 0 for "churn". Prints how many were started. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *self;
static char leaf_args[3][24];
static char *leaf_argv[] = {"leaf", leaf_args[0], leaf_args[1], leaf_args[2], 0};

static void tell(long parent, long grandparent, long name) {
    syscall(SYS_getppid, 0xc4a1L, parent, grandparent, name, 0L, 0L);
}

static void leaf_of(long parent, long grandparent, int killed) {
    sprintf(leaf_args[0], "%ld", parent);
    sprintf(leaf_args[1], "%ld", grandparent);
    sprintf(leaf_args[2], "%d", killed);
}

static void *exec_leaf(void *unused) {
    execv(self, leaf_argv);
    return 0;
}

static void rename_to(long name) {
    char text[16];
    sprintf(text, "n%ld", name);
    prctl(PR_SET_NAME, text);
}

static void nothing(int number) {}

int main(int argc, char **argv) {
    self = "/proc/self/exe";
    char path[4096] = {0};
    readlink(self, path, sizeof path - 1);
    self = path;
    if (argc == 4 && !strcmp(argv[0], "leaf")) {
        tell(atol(argv[1]), atol(argv[2]), 0);
        if (atoi(argv[3]))
            raise(SIGKILL);
        return 0;
    }
    long count = atol(argv[1]);
    double rate = atof(argv[2]);
    srandom(atoi(argv[3]));
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGCHLD, SIG_IGN);
    long me = getpid(), parent = getppid(), started = 0;
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (started < count) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        double at = now.tv_sec - begin.tv_sec + (now.tv_nsec - begin.tv_nsec) / 1e9;
        if (started >= at * rate) {
            usleep(500);
            continue;
        }
        long name = 1 + random() % 10000;
        switch (random() % 7) {
        case 0:
            leaf_of(me, parent, 0);
            if (!vfork()) {
                execv(self, leaf_argv);
                _exit(1);
            }
            started++;
            break;
        case 1: /* another name */
            if (!fork()) {
                rename_to(name);
                tell(me, parent, name);
                _exit(0);
            }
            started++;
            break;
        case 2: /* an orphan: its parent ends before it acts */
            if (!fork()) {
                long middle = getpid();
                rename_to(name);
                if (!fork()) {
                    while (syscall(SYS_getppid, 0L, 0L, 0L, 0L, 0L, 0L) == middle)
                        sched_yield();
                    tell(middle, me, name);
                }
                _exit(0);
            }
            started += 2;
            break;
        case 3: /* killed */
            if (!fork()) {
                leaf_of(me, parent, 1);
                execv(self, leaf_argv);
            }
            started++;
            break;
        case 4: /* a sibling */
            if (!syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0L, 0L, 0L, 0L)) {
                tell(parent, -1, 0);
                _exit(0);
            }
            started++;
            break;
        case 5: /* exec from a thread */
            if (!fork()) {
                pthread_t thread;
                leaf_of(me, parent, 0);
                pthread_create(&thread, 0, exec_leaf, 0);
                pthread_join(thread, 0);
                _exit(1);
            }
            started++;
            break;
        case 6: /* exec behind a fork, in another session, the parent still there */
            if (!fork()) {
                setsid();
                leaf_of(getpid(), me, 0);
                if (!fork())
                    execv(self, leaf_argv);
                usleep(20000);
                _exit(0);
            }
            started += 2;
            break;
        }
    }
    while (wait(NULL) > 0) /* with SIGCHLD ignored, it returns when there is no child any more */
        ;
    printf("%ld\n", started);
    return 0;
}
