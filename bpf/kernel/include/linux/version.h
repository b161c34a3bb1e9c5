#pragma once
/* BCC asks which helpers there are; 5.10 is the oldest kernel we support, and nothing newer is assumed. */
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 10, 0)
