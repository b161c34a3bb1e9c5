/* Moves from directory to directory, DIRECTORY/0 to DIRECTORY/19, and says by getppid(MAGIC, number) where it is. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAGIC 0xC4A2
#define PLACES 20
#define TIMES 1000

static const char *directory;

static void say(int where) {
    syscall(SYS_getppid, MAGIC, where);
}

/* By chdir or fchdir. */
static void go(int where) {
    char path[4096];
    snprintf(path, sizeof(path), "%s/%d/../%d", directory, (where + 1) % PLACES, where);
    if (where % 3 == 0) {
        int fd = open(path, O_PATH | O_DIRECTORY);
        if (fd < 0 || fchdir(fd))
            abort();
        close(fd);
    } else if (chdir(path)) {
        abort();
    }
}

/* A child per move, without waiting for it. */
static void forks(void) {
    for (int i = 0; i < TIMES; i++) {
        int where = rand() % PLACES;
        go(where);
        pid_t child = fork();
        if (!child) {
            say(where);
            _exit(0);
        }
        say(where);
        if (i % 10 == 9)
            while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
    }
    while (wait(NULL) > 0)
        ;
}

static int turns[2][2];

/* The other process, which is told through a pipe where to go, or where it is. */
static int other(void *unused) {
    int message[2];
    while (read(turns[0][0], message, sizeof(message)) == sizeof(message) && message[1] >= 0) {
        if (message[0] == 'g')
            go(message[1]);
        if (message[0] == 'u' && unshare(CLONE_FS))
            abort();
        say(message[1]);
        write(turns[1][1], message, sizeof(message));
    }
    return 0;
}

static void tell(int what, int where) {
    int message[2] = {what, where};
    write(turns[0][1], message, sizeof(message));
    if (where >= 0)
        read(turns[1][0], message, sizeof(message));
}

static void shares(void) {
    pipe(turns[0]);
    pipe(turns[1]);
    go(0);
    char *stack = malloc(1 << 16);
    pid_t child = clone(other, stack + (1 << 16), CLONE_FS | SIGCHLD, NULL);
    int where = 0;
    for (int i = 0; i < 40; i++) {
        where = rand() % PLACES;
        if (i % 2) {
            go(where);
            tell('s', where);
        } else {
            tell('g', where);
        }
        say(where);
    }
    tell('u', where);
    for (int i = 0; i < 20; i++) {
        go(rand() % PLACES);
        tell('s', where);
    }
    tell('e', -1);
    waitpid(child, NULL, 0);
}

static void *on_its_own(void *unused) {
    if (unshare(CLONE_FS))
        abort();
    go(7);
    return NULL;
}

static void thread(void) {
    pthread_t id;
    go(3);
    pthread_create(&id, NULL, on_its_own, NULL);
    pthread_join(id, NULL);
    say(3);
    if (!fork()) {
        say(3);
        _exit(0);
    }
    wait(NULL);
}

/* The thread becomes the process, and its directory that of the process: DIRECTORY/7/mover is this program. */
static void *elsewhere(void *unused) {
    on_its_own(NULL);
    execl("./mover", "mover", "is", directory, NULL);
    abort();
}

static void executes(void) {
    pthread_t id;
    go(3);
    say(3);
    pthread_create(&id, NULL, elsewhere, NULL);
    pause();
}

int main(int argc, char **argv) {
    directory = argv[2];
    srand(4711);
    if (!strcmp(argv[1], "is"))
        say(7);
    else if (!strcmp(argv[1], "executes"))
        executes();
    else if (!strcmp(argv[1], "forks"))
        forks();
    else if (!strcmp(argv[1], "shares"))
        shares();
    else
        thread();
    return 0;
}
