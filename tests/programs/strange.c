/* Numbers that are no system call: beyond every table, and negative. */
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    for (int i = 0; i < 29; i++)
        syscall(9999 + i);
    syscall(-1);
    syscall(-7);
    return 0;
}
