/* A child that is the caller's sibling. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    if (!syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0))
        _exit(0);
    usleep(100000);
    return 0;
}
