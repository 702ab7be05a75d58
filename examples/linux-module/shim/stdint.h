/* SPDX-License-Identifier: MIT */
/* For files that include Linux as well: its own types. */
#include <linux/types.h>
