/* SPDX-License-Identifier: MIT */
/* The shortest input that fails; see shrink_linux.h. */
#include "tests/fuzz/shrink_linux.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/framework/test.h"

#define STRING_BYTES 4096u
#define SECONDS_PER_TRY 20u

static void be_silent(void)
{
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
}

static bool fails(fuzz_target *target, const uint8_t *bytes, size_t count, bool tracing)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (!tracing)
            be_silent();
        alarm(SECONDS_PER_TRY); /* an endless run is a failure */
        fuzz_tracing = tracing;
        target(bytes, count);
        fflush(stdout);
        _exit(test_failures() > 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status != 0;
}

/* Removes each piece of this length without which the target still fails. Returns the new length.
 */
static size_t remove_pieces(fuzz_target *target, uint8_t *bytes, size_t count, size_t piece)
{
    static uint8_t shorter[STRING_BYTES];
    for (size_t at = 0; at + piece <= count;) {
        memcpy(shorter, bytes, at);
        memcpy(shorter + at, bytes + at + piece, count - at - piece);
        if (fails(target, shorter, count - piece, false)) {
            count -= piece;
            memcpy(bytes, shorter, count);
        } else {
            at += piece;
        }
    }
    return count;
}

static void make_zero(fuzz_target *target, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t old = bytes[i];
        bytes[i] = 0;
        if (old != 0 && !fails(target, bytes, count, false))
            bytes[i] = old;
    }
}

size_t shrink(fuzz_target *target, uint8_t *bytes, size_t count)
{
    size_t before;
    do {
        before = count;
        for (size_t piece = count / 2; piece > 0; piece /= 2)
            count = remove_pieces(target, bytes, count, piece);
    } while (count < before);
    make_zero(target, bytes, count);
    return count;
}

static void print_as_c(const char *name, fuzz_target *target, const uint8_t *bytes, size_t count)
{
    printf("\n/* The %s target fails with these %zu bytes. The calls: */\nstatic void "
           "program(void)\n{\n",
           name, count);
    fails(target, bytes, count, true);
    printf("}\n\n/*");
    for (size_t i = 0; i < count; i++)
        printf(" %02x", bytes[i]);
    printf(" */\n");
}

static void store(const char *name, unsigned seed, const uint8_t *bytes, size_t count)
{
    char file_name[200];
    mkdir("build", 0777);
    mkdir("build/fuzz", 0777);
    snprintf(file_name, sizeof file_name, "build/fuzz/%s-%u", name, seed);
    FILE *file = fopen(file_name, "wb");
    if (file == NULL || fwrite(bytes, 1, count, file) != count)
        perror(file_name);
    if (file != NULL)
        fclose(file);
    printf("/* stored in %s; add it to tests/fuzz/corpus/%s */\n", file_name, name);
}

int shrink_random(const char *name, fuzz_target *target, unsigned seed, unsigned count)
{
    static uint8_t bytes[STRING_BYTES];
    for (unsigned i = 0; i < count; i++) {
        size_t length = fuzz_random_string(bytes, sizeof bytes, seed + i);
        if (!fails(target, bytes, length, false))
            continue;
        printf("seed %u fails, with %zu bytes\n", seed + i, length);
        length = shrink(target, bytes, length);
        print_as_c(name, target, bytes, length);
        store(name, seed + i, bytes, length);
        return 1;
    }
    printf("%s: %u inputs, seeds from %u on: no failure\n", name, count, seed);
    return 0;
}

int shrink_file(const char *name, fuzz_target *target, const char *file_name)
{
    static uint8_t bytes[STRING_BYTES];
    FILE *file = fopen(file_name, "rb");
    if (file == NULL) {
        perror(file_name);
        return 2;
    }
    size_t count = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (!fails(target, bytes, count, false)) {
        printf("%s does not fail\n", file_name);
        return 0;
    }
    count = shrink(target, bytes, count);
    print_as_c(name, target, bytes, count);
    return 1;
}

/* ---- a test of shrink() ---- */

static void fails_with_7_after_3(const uint8_t *bytes, size_t count)
{
    bool seen_3 = false;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == 7 && seen_3)
            abort();
        seen_3 = seen_3 || bytes[i] == 3;
    }
}

TEST(shrink_finds_the_shortest_failing_input)
{
    uint8_t bytes[1000];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 251);
    EXPECT(shrink(fails_with_7_after_3, bytes, sizeof bytes) == 2);
    EXPECT(bytes[0] == 3 && bytes[1] == 7);
}
