/* getpid by its x32 number; kernels without x32 answer ENOSYS, and the call is seen all the same. */
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    for (int i = 0; i < 23; i++)
        syscall(0x40000000 | SYS_getpid);
    return 0;
}
