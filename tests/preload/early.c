/* SPDX-License-Identifier: MIT */
/* A test program for the hosted library, linked with a library that starts early: earlylib.c. */
#include "tests/preload/earlylib.h"
#include "tests/preload/test.h"

static void fork_handlers_allocate(void)
{
    unsigned before = early_handlers_ran;
    pid_t pid = fork();
    if (pid == 0) {
        call_free(call_malloc(100));
        _exit(early_handlers_ran == before + 2 ? 0 : 1);
    }
    int status = -1;
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    EXPECT(early_handlers_ran == before + 2);
}

int main(void)
{
    alarm(100); /* a fork that waits for itself never ends */
    run("early library: its fork handlers allocate", fork_handlers_allocate);
    return finish();
}
