/* argv[2] calls, one after the other: "getppid", "quiet" (getppid, read and write: what no rule asks for), "open"
 * (argv[3], and close; the descriptor is not counted twice), "write" (the same, opened as by a shell's >).
 * Prints nanoseconds per turn. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

int main(int argc, char **argv) {
    long turns = atol(argv[2]);
    double begin = now_ns();
    if (!strcmp(argv[1], "getppid"))
        for (long i = 0; i < turns; i++)
            syscall(SYS_getppid);
    else if (!strcmp(argv[1], "quiet")) {
        int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_WRONLY);
        char byte = 0;
        for (long i = 0; i < turns; i++) {
            syscall(SYS_getppid);
            if (read(zero, &byte, 1) != 1 || write(null, &byte, 1) != 1)
                return 1;
        }
    } else {
        int flags = strcmp(argv[1], "write") ? O_RDONLY : O_WRONLY | O_CREAT;
        for (long i = 0; i < turns; i++)
            close(open(argv[3], flags, 0600));
    }
    printf("%.2f\n", (now_ns() - begin) / turns);
    return 0;
}
