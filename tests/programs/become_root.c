/* A set-uid program that makes itself root altogether. */
#include <unistd.h>

int main(void) {
    return setuid(0);
}
