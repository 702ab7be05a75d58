/* SPDX-License-Identifier: MIT */
/* Functions that glibc exports without a header. Another libc may not have them: then they are
 * NULL. */
#ifndef HOSTED_LIBC_H
#define HOSTED_LIBC_H

/* The lock of stdio's list of streams. It is recursive. */
extern void _IO_list_lock(void) __attribute__((__weak__));
extern void _IO_list_unlock(void) __attribute__((__weak__));
extern void _IO_list_resetlock(void) __attribute__((__weak__));

#endif
