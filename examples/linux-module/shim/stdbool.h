/* SPDX-License-Identifier: MIT */
/* For files that also include Linux's headers: Linux's types. */
#include <linux/types.h>
