/* 64-bit code that calls the kernel the 32-bit way: getpid (20 there; 20 is writev for 64-bit code) and open (5) of a
 * path below 4 GiB. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static long int80(long nr, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

int main(int argc, char **argv) {
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    strcpy(low, argc > 1 ? argv[1] : "/etc/hostname");
    for (int i = 0; i < 19; i++)
        int80(20, 0, 0, 0);
    int80(5, (long)low, 0, 0);
    int80(5, 0, 0, 0);
    return 0;
}
