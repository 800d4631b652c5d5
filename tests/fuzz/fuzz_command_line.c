/* Both command lines: words separated by NUL (or line end); the first byte chooses.  Nothing is opened. */
#include "fuzz.h"
#include "machine/options.h"
#include "machine/qemu.h"

enum { WORDS = 64 };

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
    struct config c;
    struct err e = {0};
    char *argv[WORDS + 1];
    int argc = 0;
    if (!n)
        return 0;
    char *text = malloc(n);
    if (!text)
        abort();
    memcpy(text, data + 1, n - 1);
    text[n - 1] = 0;
    for (size_t at = 0; at < n && argc < WORDS; at++) {
        char *w = text + at;
        at += strcspn(w, "\n");
        text[at] = 0;
        at = (size_t)(w - text) + strlen(w);
        argv[argc++] = w;
    }
    argv[argc] = NULL;
    bool ok;
    if (data[0] & 1) {
        ok = qemu_parse(&c, argc, argv, &e);
    } else {
        config_defaults(&c);
        ok = options_parse(&c, argc, argv, &e);
    }
    if (ok)
        (void)config_finish(&c, &e);
    config_free(&c);
    free(text);
    return 0;
}
