/* Stands for the kernel's generated configuration: BCC passes it to the compiler before everything else. */
#define CONFIG_BPF_SYSCALL 1
