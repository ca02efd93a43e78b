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

void text_put(FILE *out, const char *text, size_t size, int keep_newlines, size_t width_max)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + size, *run = at;
    size_t width = 0;
    while (at < end) {
        uint32_t code;
        size_t length = decode(at, (size_t)(end - at), &code);
        if (width_max && ++width == width_max && at + length < end) {
            fwrite(run, 1, (size_t)(at - run), out);
            fputs("\xe2\x80\xa6", out);
            return;
        }
        if (is_dangerous(code) && !(code == '\n' && keep_newlines)) {
            fwrite(run, 1, (size_t)(at - run), out);
            if (code == UINT32_MAX)
                fprintf(out, "\\x%02x", *at);
            else
                fprintf(out, "\\u%04x", (unsigned)code);
            run = at + length;
        }
        at += length;
    }
    fwrite(run, 1, (size_t)(end - run), out);
}
