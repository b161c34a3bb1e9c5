/* System calls whose path lies on a page that is not resident: it is mapped from the file in argv[1], whose text is
 * a path, and never touched. With "exec" in argv[2], that path is executed. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int fd = open(argv[1], O_RDONLY);
    char *path = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    if (argc > 2 && !strcmp(argv[2], "exec")) {
        char *arguments[] = {"absent", "from a page that was not there", NULL};
        execv(path, arguments);
        return 1;
    }
    return open(path, O_RDONLY) < 0;
}
