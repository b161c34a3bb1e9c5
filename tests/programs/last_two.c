/* Processes whose last two threads end at the same time; argv[1] of them, one after the other. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int there;

static void *end(void *unused) {
    atomic_fetch_add(&there, 1);
    while (atomic_load(&there) < 2)
        ;
    syscall(SYS_exit, 0);
    return NULL;
}

int main(int argc, char **argv) {
    for (int i = 0; i < atoi(argv[1]); i++) {
        if (!fork()) {
            pthread_t id;
            pthread_create(&id, NULL, end, NULL);
            end(NULL);
        }
        wait(NULL);
    }
    return 0;
}
