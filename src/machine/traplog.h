/* The trap log: one decoded line for each exception. */
#pragma once
#include "cpu/cpu.h"
#include "machine/err.h"

struct traplog;

/* path "-": standard error. */
struct traplog *traplog_new(const char *path, struct err *e);
void traplog_free(struct traplog *t);
void traplog_exception(struct traplog *t, struct cpu *c, const struct exc_info *x);
