/* The state visitor (snap.h). The hash is two independent multiply-rotate lanes over 8-byte words:
 * fast enough for gigabytes of guest RAM, repeatable, not cryptographic. */
#include "core/snap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

static void hash_word(struct snap *s, u64 w)
{
    s->hash[0] = (s->hash[0] ^ w) * 0x9e3779b97f4a7c15ull;
    s->hash[0] ^= s->hash[0] >> 29;
    s->hash[1] = (s->hash[1] + w) * 0xc2b2ae3d27d4eb4full;
    s->hash[1] = s->hash[1] << 31 | s->hash[1] >> 33;
}

static void hash_bytes(struct snap *s, const u8 *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        u64 w;
        memcpy(&w, p, 8);
        hash_word(s, w);
    }
    if (n) {
        u64 w = 0;
        memcpy(&w, p, n);
        hash_word(s, w ^ (u64)n << 56);
    }
}

static void save(struct snap *s, const void *p, size_t n)
{
    if (s->cap - s->pos < n) {
        s->cap = (s->cap + n) * 2;
        s->buf = realloc(s->buf, s->cap);
        CHECK(s->buf);
    }
    memcpy(s->buf + s->pos, p, n);
    s->pos += n;
}

static void dump(struct snap *s, const char *key, const u8 *p, size_t n)
{
    char line[160];
    int k = snprintf(line, sizeof line, "  %-24s", key);
    for (size_t i = n > 32 ? 32 : n; i-- > 0;)
        k += snprintf(line + k, sizeof line - (size_t)k, "%02x", p[i]);
    if (n > 32)
        snprintf(line + k, sizeof line - (size_t)k, " (+%zu bytes)", n - 32);
    if (s->dump)
        s->dump(s->dump_arg, line);
}

void snap_bytes(struct snap *s, const char *key, void *p, size_t n)
{
    switch (s->mode) {
    case SNAP_SAVE: save(s, p, n); break;
    case SNAP_LOAD:
        if (s->failed || s->cap - s->pos < n) {
            s->failed = true;
            return;
        }
        memcpy(p, s->buf + s->pos, n);
        s->pos += n;
        break;
    case SNAP_DUMP: dump(s, key, p, n); break;
    case SNAP_HASH: hash_bytes(s, p, n); break;
    }
}

void snap_bool(struct snap *s, const char *key, bool *b)
{
    u8 v = *b;
    snap_bytes(s, key, &v, 1);
    if (s->mode == SNAP_LOAD) {
        s->failed |= v > 1;
        *b = v != 0;
    }
}

void snap_section(struct snap *s, const char *name)
{
    char want[32] = {0}, got[32];
    snprintf(want, sizeof want, "%s", name);
    if (s->mode == SNAP_DUMP && s->dump) {
        s->dump(s->dump_arg, want);
        return;
    }
    memcpy(got, want, sizeof got);
    snap_bytes(s, "section", got, sizeof got);
    if (s->mode == SNAP_LOAD && memcmp(got, want, sizeof got) != 0)
        s->failed = true;
}

u64 snap_hash(const struct snap *s)
{
    u64 h = s->hash[0] ^ (s->hash[1] << 17 | s->hash[1] >> 47);
    h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
    return h ^ h >> 33;
}

void snap_free(struct snap *s)
{
    free(s->buf);
    s->buf = NULL;
    s->cap = s->pos = 0;
}
