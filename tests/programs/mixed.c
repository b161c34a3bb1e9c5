/* The same calls every time: errors, signals, forks of each kind, threads that end one after the other, execs that fail
 * and one that succeeds. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void handler(int signal) {
}

static void *thread(void *argument) {
    for (int i = 0; i < 11; i++)
        syscall(SYS_gettid);
    return NULL;
}

static void deny_uname(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_uname, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    for (int i = 0; i < 5; i++)
        syscall(SYS_uname, 0);
}

int main(int argc, char **argv) {
    for (int i = 0; i < 101; i++)
        syscall(SYS_getppid);
    for (int i = 0; i < 7; i++)
        open("/no/such/file", O_RDONLY);
    for (int i = 0; i < 3; i++)
        close(-1);
    signal(SIGUSR1, handler);
    for (int i = 0; i < 13; i++)
        raise(SIGUSR1);
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        if (!child) {
            syscall(SYS_getuid);
            _exit(i);
        }
        waitpid(child, NULL, 0);
    }
    pid_t child = vfork();
    if (!child) {
        execl("/no/such/program", "x", NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    child = fork();
    if (!child) {
        syscall(SYS_execveat, AT_FDCWD, "/bin/true", (char *[]){"true", NULL}, environ, 0);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    for (int i = 0; i < 3; i++) {
        pthread_t id;
        pthread_create(&id, NULL, thread, NULL);
        while (pthread_tryjoin_np(id, NULL))
            ;
    }
    child = fork();
    if (!child) {
        deny_uname();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    for (int i = 0; i < 17; i++) {
        char byte;
        write(pair[0], "x", 1);
        read(pair[1], &byte, 1);
    }
    execl("/bin/echo", "echo", "done", NULL);
    return 1;
}
