/* A CPU at EL1 with a little mapped memory, for tests that execute words one by one. */
#pragma once
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/bits.h"
#include "core/bus.h"
#include "core/log.h"
#include "cpu/code.h"
#include "cpu/context.h"
#include "cpu/cpu.h"
#include "cpu/exec.h"
#include "cpu/fields.h"
#include "cpu/model.h"

/* 2 MiB of RAM mapped to itself by pages, one of them absent, one read-only, one Device. */
#define RAM    0x40000000ull
#define CODE   (RAM + 0x1000)
#define VBAR   (RAM + 0x2000)
#define TABLES (RAM + 0x8000)
#define DATA   (RAM + 0x10000)
#define HOLE   (RAM + 0x12000)
#define READO  (RAM + 0x14000)
#define DEVICE (RAM + 0x16000)

static struct log quiet;
static struct cpu_env env;
static struct cpu *c;

static inline u8 *ram(u64 a)
{
    struct bus_target t = bus_resolve(env.bus, pa_make(PAS_NS, a));
    return bus_page_ptr(env.bus, t.page) + (a & 0xfff);
}
static inline void put64(u64 a, u64 v) { memcpy(ram(a), &v, 8); }

static inline void setup_cpu(const char *model, bool el2, bool el3)
{
    env = (struct cpu_env){.log = &quiet, .count = 1, .jit_eager = true};
    env.bus = bus_new(&quiet);
    bus_map_ram(env.bus, 1 << PAS_NS, RAM, 0x200000, "ram");
    bus_seal(env.bus);
    struct cpu_config cfg = {.rvbar = CODE};
    char err[200];
    const struct model_request want = {.el2 = el2, .el3 = el3};
    ck_assert_msg(model_lookup(model, &want, &cfg, err, sizeof err), "%s", err);
    c = cpu_new(&env, &cfg);
    env.cpus = &c;
    cpu_reset(c);
    /* 4 KiB pages, 39-bit VA: level 1 -> 2 -> 3 */
    put64(TABLES + 8 * (RAM >> 30), (TABLES + 0x1000) | 3);
    put64(TABLES + 0x1000, (TABLES + 0x2000) | 3);
    for (u64 a = RAM; a < RAM + 0x200000; a += 0x1000) {
        u64 attr = a == DEVICE ? 1 : 0, ap = a == READO ? 2 : 0;
        put64(TABLES + 0x2000 + (a - RAM) / 0x1000 * 8, a == HOLE ? 0 : a | 1 << 10 | 3 << 8 | ap << 6 | attr << 2 | 3);
    }
    c->run = CPU_RUNNING;
    c->sys[MAIR_EL1] = 0x00ff; /* 0: Normal write-back, 1: Device-nGnRnE */
    c->sys[TCR_EL1] = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 25 << 16;
    c->sys[TTBR0_EL1] = TABLES;
    c->sys[VBAR_EL1] = VBAR;
    c->sys[CPACR_EL1] = 3 << 20;
    c->sys[SCTLR_EL1] = SCTLR_M | SCTLR_C | SCTLR_I;
    context_touch(c);
    context_resolve(c);
    for (unsigned i = 0; i < 32; i++)
        for (unsigned k = 0; k < 2; k++)
            c->v[i].d[k] = (2 * i + k + 1) * 0x0102030405060708ull;
    for (unsigned i = 0; i < 0x2000; i++)
        *ram(DATA + i) = (u8)(i * 7 + i / 256);
}

static inline void setup(void) { setup_cpu("max", false, false); }

static inline void teardown(void)
{
    cpu_free(c);
    if (env.code)
        code_cache_free(env.code);
    bus_free(env.bus);
}

/* Executes one word; true: it completed, false: it took an exception. */
static inline bool step(u32 word)
{
    memcpy(ram(CODE), &word, 4);
    ram_written(env.bus, bus_resolve(env.bus, pa_make(PAS_NS, CODE)).page, 0, 4);
    c->pc = CODE;
    c->slice = (struct slice){.left = 1};
    engine_interp.run(c);
    return c->pc == CODE + 4;
}

static inline void ctl(u64 sctlr)
{
    c->sys[SCTLR_EL1] = SCTLR_M | SCTLR_C | SCTLR_I | sctlr;
    context_touch(c);
    context_resolve(c);
}
