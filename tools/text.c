/*
 * Text made safe to show: a terminal obeys what it is shown, so an event could clear the
 * screen, retitle the window or turn the text around ("Trojan Source", CVE-2021-42574).
 */
#include "text.h"

#include <stdint.h>
#include <string.h>

/* The code point at `text` and its size; size 1 and UINT32_MAX where there is none. */
static size_t decode(const unsigned char *text, size_t size, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = *text < 0x80 ? 1 : *text < 0xc0 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;
    *code = UINT32_MAX;
    if (length == 1)
        *code = *text;
    if (length < 2 || length > size || *text >= 0xf8)
        return 1;
    uint32_t value = *text & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 1;
        value = value << 6 | (text[i] & 0x3f);
    }
    if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 1;
    *code = value;
    return length;
}

static int is_dangerous(uint32_t code)
{
    return code == UINT32_MAX || code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c ||
           code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* The columns a terminal gives to a character: East Asian wide ones and pictures take two. */
static size_t columns(uint32_t code)
{
    static const uint32_t wide[][2] = {
        {0x1100, 0x115f}, {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c},
        {0xac00, 0xd7a3}, {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff01, 0xff60},
        {0xffe0, 0xffe6}, {0x16fe0, 0x1b2fb}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd},
    };
    if (code < 0x300)
        return 1;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (code >= wide[i][0] && code <= wide[i][1])
            return 2;
    return (code >= 0x300 && code <= 0x36f) || code == 0x200d ? 0 : 1;
}

#define ESCAPE_SIZE sizeof "\\uffffffff"

/* How a character is written; `escape` is its escape, or empty where it is written as it is. */
static size_t escape(unsigned char byte, uint32_t code, int keep_newlines,
                     char escape[ESCAPE_SIZE])
{
    *escape = 0;
    if (!is_dangerous(code) || (code == '\n' && keep_newlines))
        return columns(code);
    if (code == UINT32_MAX)
        return (size_t)sprintf(escape, "\\x%02x", byte);
    return (size_t)sprintf(escape, "\\u%04x", (unsigned)code);
}

size_t text_width(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + size;
    size_t width = 0;
    while (at < end) {
        uint32_t code;
        char escaped[ESCAPE_SIZE];
        size_t length = decode(at, (size_t)(end - at), &code),
               shown = escape(*at, code, 0, escaped);
        width += shown;
        at += length;
    }
    return width;
}

/* Where to cut so that the text and an ellipsis fit; the end when all of it does. */
static const unsigned char *cut(const unsigned char *text, size_t size, size_t width_max)
{
    const unsigned char *at = text, *end = text + size, *last = text;
    size_t width = 0;
    while (at < end) {
        uint32_t code;
        char escaped[ESCAPE_SIZE];
        size_t length = decode(at, (size_t)(end - at), &code);
        width += escape(*at, code, 0, escaped);
        if (width > width_max)
            return last;
        at += length;
        if (width < width_max)
            last = at;
    }
    return end;
}

void text_put(FILE *out, const char *text, size_t size, int keep_newlines, size_t width_max)
{
    const unsigned char *at = (const unsigned char *)text, *run = at, *end = at + size;
    const unsigned char *stop = width_max ? cut(at, size, width_max) : end;
    while (at < stop) {
        uint32_t code;
        char escaped[ESCAPE_SIZE];
        size_t length = decode(at, (size_t)(end - at), &code);
        escape(*at, code, keep_newlines, escaped);
        if (*escaped) {
            fwrite(run, 1, (size_t)(at - run), out);
            fputs(escaped, out);
            run = at + length;
        }
        at += length;
    }
    fwrite(run, 1, (size_t)(stop - run), out);
    if (stop < end)
        fputs("\xe2\x80\xa6", out);
}
