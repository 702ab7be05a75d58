/* SPDX-License-Identifier: MIT */
/*
 * Checks the guest's options before a guest is started (make run ARGS="..."), by the guest's own
 * parser:
 *
 *     check_options WORDS     prints the first wrong word and all options, and exits with 2
 */
#include <stdio.h>

#include "boot/options.h"

int main(int count, char **arguments)
{
    char list[512];
    struct options options = options_parse(count > 1 ? arguments[1] : "");
    if (options.error[0] == 0)
        return 0;
    options_list(list, sizeof list);
    printf("%s\nOptions: %s\n", options.error, list);
    return 2;
}
