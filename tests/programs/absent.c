/* System calls whose path lies on a page that is not resident: it is mapped from the file in argv[1], whose text is
 * a path, and never touched. With "exec" in argv[2], that path is executed; from argv[3], if there is one, by a descriptor
 * that the exec closes if there is an argv[4]. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int fd = open(argv[1], O_RDONLY);
    char *path = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    if (argc > 2 && !strcmp(argv[2], "exec")) {
        char *arguments[] = {"absent", "from a page that was not there", NULL};
        if (argc > 3) {
            int from = open(argv[3], argc > 4 ? O_PATH | O_CLOEXEC : O_PATH);
            dup2(from, 400);
            syscall(SYS_execveat, argc > 4 ? from : 400, path, arguments, environ, AT_EMPTY_PATH);
        }
        execv(path, arguments);
        return 1;
    }
    return open(path, O_RDONLY) < 0;
}
