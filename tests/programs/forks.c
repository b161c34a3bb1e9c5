/* A fork bomb that ends: a binary tree of processes, DEPTH generations deep, each of which waits for its two children. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (int depth = atoi(argv[1]); depth > 0; depth--) {
		pid_t first = fork(), second = first > 0 ? fork() : 1;
		if (first < 0 || second < 0)
			return 1;
		if (first == 0 || second == 0)
			continue;
		while (wait(NULL) > 0)
			;
		return 0;
	}
	return 0;
}
