/* Waits for a byte on descriptor 3, then becomes the program in its arguments: what runs behind the gate is
 * watched from its first instruction. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char byte;
    fcntl(3, F_SETFD, FD_CLOEXEC);
    if (read(3, &byte, 1) != 1)
        return 126;
    execv(argv[1], argv + 1);
    perror(argv[1]);
    return 127;
}
