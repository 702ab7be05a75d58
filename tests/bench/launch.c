/* SPDX-License-Identifier: MIT */
/*
 * launch FILE LIBRARY PROGRAM...: runs the program with the library preloaded ("" for none). Writes
 * its CPU seconds (user and system), its peak memory in KiB and its exit status into FILE.
 *
 * This is a small program of its own because Linux counts the parent's memory at the fork into the
 * child's peak. A large parent would hide the peak of small programs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int count, char **arguments)
{
    if (count < 4)
        return 2;
    pid_t pid = fork();
    if (pid == 0) {
        if (arguments[2][0] != '\0')
            setenv("LD_PRELOAD", arguments[2], 1);
        execvp(arguments[3], arguments + 3);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
        return 1;
    FILE *file = fopen(arguments[1], "w");
    if (file == NULL)
        return 1;
    fprintf(file, "%.6f %ld %d\n", seconds(usage.ru_utime) + seconds(usage.ru_stime),
            usage.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return fclose(file) == 0 ? 0 : 1;
}
