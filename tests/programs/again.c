/* A pid that is given again at once: first to a process that executes argv[1] with argument "first", then to one that
 * executes nothing, and opens /nowhere/again. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t with_pid(pid_t pid) {
    struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = pid ? (uint64_t)&pid : 0, .set_tid_size = pid != 0};
    return syscall(SYS_clone3, &args, sizeof(args));
}

int main(int argc, char **argv) {
    for (int tries = 0; tries < 100; tries++) {
        pid_t pid = with_pid(0);
        if (!pid) {
            execl(argv[1], "early", "first", NULL);
            _exit(1);
        }
        waitpid(pid, NULL, 0);
        pid_t again = with_pid(pid);
        if (!again) {
            open("/nowhere/again", O_RDONLY);
            _exit(0);
        }
        if (again > 0) /* or somebody else had it */
            waitpid(again, NULL, 0);
    }
    return 0;
}
