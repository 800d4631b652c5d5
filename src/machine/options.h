/* elara's command line: one table drives parsing, help, manual page and shell completion. */
#pragma once
#include "machine/config.h"

enum option_kind {
    OPTION_FLAG, /* bool */
    OPTION_STRING,
    OPTION_UINT,
    OPTION_U64,
    OPTION_SIZE, /* u64, with K M G */
    OPTION_CALL, /* set() */
};

struct option_row {
    const char *name; /* long name without dashes */
    char letter;      /* 0: none */
    u8 kind;          /* enum option_kind */
    const char *arg;  /* its argument's name in the help, NULL: takes none */
    const char *group;
    const char *help;
    size_t field; /* offsetof in struct config */
    bool (*set)(struct config *, const char *val, struct err *e);
};

extern const struct option_row option_rows[];
extern const unsigned option_row_count;

/* Parses the arguments after "run". Unknown words are answered with the nearest option. */
bool options_parse(struct config *c, int argc, char **argv, struct err *e);
/* "a=1,b=2,,3": takes one item from *s (",," is a comma), NUL-terminated in the config's strings;
 * NULL at the end. */
const char *options_item(struct config *c, const char **s);
/* If item begins with key and '=', the value, else NULL. */
const char *options_value(const char *item, const char *key);
