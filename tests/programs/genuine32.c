/* A 32-bit program, without a C library: getpid and exit by int $0x80 are its own calls. */
void _start(void) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20));
    __asm__ volatile("int $0x80" : : "a"(1), "b"(0));
}
