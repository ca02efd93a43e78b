/* UUIDs version 1 made here, and read from text, see uuid.c; written: evlog_uuid_text. */
#ifndef STORE_UUID_H
#define STORE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes a new one: never the same again in any thread, process or fork. */
void uuid_make(uint8_t uuid[16]);

/* The same, of who has just read the time of day (clock_wall_us). */
void uuid_make_at(int64_t now_us, uint8_t uuid[16]);

#define UUID_TEXT_SIZE 36

/*
 * Whether `text` is the 36 characters of RFC 9562 section 4, of either case, and nothing more; only
 * then sets `uuid`.
 */
bool uuid_parse(const char *text, size_t size, uint8_t uuid[16]);

#endif
