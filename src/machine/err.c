/* Messages for the user: formatting, sizes, and the nearest match of a misspelt word. */
#include "machine/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool err_set(struct err *e, int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    e->status = status;
    return false;
}

bool err_more(struct err *e, const char *fmt, ...)
{
    size_t n = strlen(e->text);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text + n, sizeof e->text - n, fmt, ap);
    va_end(ap);
    return false;
}

unsigned err_distance(const char *a, const char *b)
{
    enum { MAX = 40 };
    size_t la = strnlen(a, MAX), lb = strnlen(b, MAX);
    unsigned d[MAX + 1][MAX + 1];
    for (unsigned i = 0; i <= la; i++)
        d[i][0] = i;
    for (unsigned j = 0; j <= lb; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= la; i++)
        for (size_t j = 1; j <= lb; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            unsigned best = d[i - 1][j - 1] + !same;
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[la][lb];
}

const char *err_nearest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    unsigned best_d = (unsigned)strlen(word) / 3 + 2; /* farther than that is another word */
    for (size_t i = 0; i < n; i++) {
        unsigned d = err_distance(word, names[i]);
        size_t len = strlen(word);
        if (len >= 3 && strncasecmp(word, names[i], len) == 0)
            d = 1; /* an abbreviation */
        if (d < best_d || (best && d == best_d && strlen(names[i]) < strlen(best))) {
            best_d = d;
            best = names[i];
        }
    }
    return best;
}

bool err_parse_size(const char *s, u64 *out)
{
    char *end;
    if (!isdigit((unsigned char)s[0]))
        return false;
    errno = 0;
    u64 v = strtoull(s, &end, 0);
    unsigned shift = 0;
    switch (tolower((unsigned char)*end)) {
    case 'k': shift = 10; break;
    case 'm': shift = 20; break;
    case 'g': shift = 30; break;
    case 't': shift = 40; break;
    default: break;
    }
    if (shift) {
        end++;
        if (tolower((unsigned char)end[0]) == 'i' && tolower((unsigned char)end[1]) == 'b')
            end += 2;
        else if (tolower((unsigned char)end[0]) == 'b')
            end++;
    }
    if (errno || *end || (shift && v >> (64 - shift)))
        return false;
    *out = v << shift;
    return true;
}

const char *err_size(u64 n, char *buf)
{
    static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB"};
    if (n < 10240) {
        snprintf(buf, 32, "%llu bytes", (unsigned long long)n);
        return buf;
    }
    u64 whole = n;
    unsigned u = 0, rest = 0;
    while (whole >= 1024 && u < 4) {
        rest = (unsigned)(whole % 1024);
        whole /= 1024;
        u++;
    }
    if (rest * 10 / 1024)
        snprintf(buf, 32, "%llu.%u %s", (unsigned long long)whole, rest * 10 / 1024, unit[u - 1]);
    else
        snprintf(buf, 32, "%llu %s", (unsigned long long)whole, unit[u - 1]);
    return buf;
}
