/* SPDX-License-Identifier: MIT */
/* What those functions return that can fail for more than one reason. */
#ifndef QUARRY_STATUS_H
#define QUARRY_STATUS_H

enum quarry_status {
    QUARRY_OK = 0,
    QUARRY_BAD_SETUP, /* a field of the setup, or an argument, is out of range */
    QUARRY_NO_MEMORY, /* no memory for Quarry's tables */
};

#endif
