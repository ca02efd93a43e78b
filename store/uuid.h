/* UUIDs version 1 made here, see uuid.c. */
#ifndef STORE_UUID_H
#define STORE_UUID_H

#include <stdint.h>

/* Makes a new one: never the same again in any thread, process or fork. */
void uuid_make(uint8_t uuid[16]);

/* The 36 characters of RFC 9562 section 4, and a NUL. */
void uuid_format(const uint8_t uuid[16], char text[37]);

/* 0 when `text` is such characters (either case) and nothing more, else -1. */
int uuid_parse(const char *text, uint8_t uuid[16]);

#endif
