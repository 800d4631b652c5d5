/* Random A32 and T32 instructions against an independent implementation.
 *
 * Makes a small static Arm program of blocks: load a random state, execute random instructions made from the tables'
 * bit pictures, store the state.  qemu-arm runs it as a process; Elara runs the same bytes at EL0 in AArch32 state
 * under an AArch64 EL1; the memory they leave must be equal.  Skipped where qemu-arm is not installed.
 *
 * ELARA_ORACLE_BLOCKS=n, ELARA_ORACLE_SEED=n, ELARA_ORACLE_ROWS=text: as in test_exec_oracle. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bits.h"
#include "core/bus.h"
#include "core/clock.h"
#include "core/log.h"
#include "cpu/aa32.h"
#include "cpu/context.h"
#include "cpu/fields.h"

enum {
    BASE = 0x400000,
    CODE = BASE + 0x1000,
    INSNS = 8,
    STATE = 256 + 64, /* d0-d31, r0-r11, r14, CPSR, -, FPSCR */
    DATA_SIZE = 4096,
    RAM = 64 << 20,
    TABLE = 0x10000,
    R_BASE = 12, /* the harness's and the base of A32 and T32 accesses; 16-bit ones have R7 */
};

struct image {
    u8 *mem;
    u32 size, code_end, blocks, states, results, data;
    u32 *insn; /* [blocks][INSNS]: word */
    u8 *isa;
};

static u64 rng_state;
static u64 rnd(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state * 0x2545f4914f6cdd1d;
}

static u32 interesting(void)
{
    static const u32 v[] = {0,      1,      2,  ~0u, 1u << 31, (1u << 31) - 1, 0x80,      0x7f, 0x8000, 0x7fff, 0xff,
                            0xffff, 0x8080, 31, 32,  33,       0x7fff8000,     0x80007fff};
    u64 r = rnd();
    return (r & 7) < 4 ? v[(r >> 8) % ARRAY_LEN(v)] : (r & 7) == 4 ? (u32)rnd() & 0xff : (u32)rnd();
}

/* Doubles and singles that meet. */
static u64 interesting_fp(void)
{
    static const u32 s[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
                            0x7fc00000, 0x7f800001, 0x00000001, 0x807fffff, 0x4f000000, 0xcf000000,
                            0x7f7fffff, 0x3f000000, 0x40490fdb, 0x5f000000};
    static const u64 d[] = {0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0x7ff8000000000000,
                            0x7ff0000000000001, 0x0000000000000001, 0x41dfffffffc00000, 0x41e0000000000000,
                            0xc1e0000000000000, 0x3fe0000000000000, 0x36a0000000000000, 0x47efffffffffffff};
    u64 r = rnd();
    switch (r & 3) {
    case 0: return (u64)s[(r >> 8) % ARRAY_LEN(s)] << 32 | s[(r >> 16) % ARRAY_LEN(s)];
    case 1: return d[(r >> 8) % ARRAY_LEN(d)];
    case 2: return (u64)interesting() << 32 | interesting();
    default: return rnd();
    }
}

/* ---- making instructions -------------------------------------------------------------------- */

static bool usable(const struct a64_row *r)
{
    static const char *const no[] = {
        "HINT", "SVC", "HVC", "SMC",  "BKPT", "ERET", "MSR",  "MRS",     "CPS",   "SET", "RFE",   "SRS",   "MCR",
        "MRC",  "STC", "LDC", "BX",   "BL",   "HLT",  "UDF",  "SUBS_PC", "TB",    "IT",  "LDM_u", "STM_u", "LDMDB_",
        "PUSH", "POP", "CB",  "LDRT", "STRT", "VMSR", "VMRS", "MRRC",    "CLREX", "DSB", "DMB",   "ISB",   "PL"};
    const char *only = getenv("ELARA_ORACLE_ROWS"), *name = r->name + 4;
    if (!r->picture || (only && !strstr(r->name, only)))
        return false;
    if (r->flags & A64_BRANCH)
        return false;
    for (unsigned k = 0; k < ARRAY_LEN(no); k++)
        if (!strncmp(name, no[k], strlen(no[k])) || !strcmp(name, "SB"))
            return false;
    bool ordinary = !strstr(name, "EX") && !strstr(name, "_l") && !strstr(name, "sp");
    return ordinary;
}

static u32 make(const struct a64_row *r, enum aa32_isa isa)
{
    bool mem = r->flags & (A64_LOAD | A64_STORE), v = r->flags & A64_V, list = r->imm == IMM_LIST;
    u32 word = 0, reg = 0, bits_i = 0;
    for (const char *p = r->picture; *p; p++)
        bits_i += *p == 'i' || *p == 'I';
    u32 imm = (u32)rnd();
    if (mem && !v)
        imm &= list ? ~0xf080u : 0x3f;
    if (mem && list && isa == ISA_T16)
        imm &= 0x7f;
    char last = 0;
    int left = 0;
    for (const char *p = r->picture; *p; p++) {
        char ch = *p;
        if (ch == ' ')
            continue;
        word <<= 1;
        if (strchr("dnma", ch)) {
            if (ch != last) {
                unsigned width = 0;
                for (const char *q = p; *q == ch || *q == ' '; q++)
                    width += *q == ch;
                left = (int)width;
                reg = (u32)rnd() % (width < 4 ? 1u << width : 12);
                if (width < 3)
                    reg = 0;
                if (v)
                    reg = (u32)rnd() & 31;
                if (mem && ch == 'n' && (!v || width == 4))
                    reg = isa == ISA_T16 ? 7 : R_BASE;
                if (mem && ch == 'm' && !v)
                    reg = 6;
            }
            word |= reg >> --left & 1;
        } else if (ch == 'i' || ch == 'I') {
            word |= imm >> --bits_i & 1;
        } else if (ch == '0' || ch == '1') {
            word |= (u32)(ch - '0');
        } else if (ch == 'c') {
            word |= p == r->picture || last != 'c' ? 1u : 0u;
            if (p > r->picture)
                word |= p == r->picture + 1 || p == r->picture + 2;
        } else if (ch != '-') {
            word |= (u32)(rnd() & 1);
        }
        last = ch;
    }
    return word;
}

/* Forms that are CONSTRAINED UNPREDICTABLE, or leave the data buffer. */
static bool avoid(const struct aa32_insn *i, const struct a64_row *r)
{
    const struct op *o = &i->op;
    const char *n = r->name + 4;
    bool mem = r->flags & (A64_LOAD | A64_STORE), v = r->flags & A64_V;
    if (!v && (o->rd == 13 || o->rn == 13 || o->rm == 13 || o->ra == 13 || o->rd == REG_PC || o->rm == REG_PC ||
               (o->rn == REG_PC && strncmp(n, "SXT", 3) && strncmp(n, "UXT", 3))))
        return true;
    if (mem && !v && r->imm != IMM_LIST) {
        if ((o->y & 5) == 1)
            return true;
        if (o->rd == o->rn || o->rd == o->ra || (!strncmp(n, "LDRD", 4) && (o->rd & 1)) || o->rd == 6)
            return true;
        if (!strncmp(n, "LDRD", 4) || !strncmp(n, "STRD", 4))
            if ((o->imm & 3) || (o->rd & 1) || o->rd > 8 || (o->rd | 1) == 7 || strstr(n, "_r"))
                return true;
        if (strstr(n, "_r") && (o->x || o->imm > 3))
            return true;
        if ((o->rd == 7 || o->rd == 12) && o->rn == o->rd)
            return true;
    }
    if (r->imm == IMM_LIST &&
        (bit(o->imm, o->rn & 15) || bit(o->imm, 13) || bit(o->imm, 15) || !(o->imm & (o->imm - 1))))
        return true;
    if (v && (!strncmp(n, "VUZP", 4) || !strncmp(n, "VZIP", 4) || !strncmp(n, "VTRN", 4) || !strncmp(n, "VSWP", 4)) &&
        o->rd == o->rm)
        return true;
    if (strstr(n, "ULL") || strstr(n, "MLAL") || strstr(n, "UMAAL") || strstr(n, "SLD"))
        if (o->rd == o->ra)
            return true;
    return false;
}

/* ---- the program ---------------------------------------------------------------------------- */

static void emit(struct image *im, u32 w)
{
    memcpy(im->mem + (im->code_end - BASE), &w, 4);
    im->code_end += 4;
}
static void emit16(struct image *im, u16 w)
{
    memcpy(im->mem + (im->code_end - BASE), &w, 2);
    im->code_end += 2;
}
static void emit_mov(struct image *im, unsigned reg, u32 val)
{
    emit(im, 0xe3000000 | (val >> 12 & 15) << 16 | reg << 12 | (val & 0xfff));
    emit(im, 0xe3400000 | val >> 28 << 16 | reg << 12 | (val >> 16 & 0xfff));
}
static void emit_mov_t(struct image *im, unsigned reg, u32 val)
{
    for (unsigned k = 0; k < 2; k++, val >>= 16) {
        emit16(im, (u16)((k ? 0xf2c0 : 0xf240) | (val >> 11 & 1) << 10 | (val >> 12 & 15)));
        emit16(im, (u16)((val >> 8 & 7) << 12 | reg << 8 | (val & 0xff)));
    }
}

static void emit_load_state(struct image *im, u32 addr)
{
    emit_mov(im, R_BASE, addr);
    emit(im, 0xecbc0b20); /* vldmia r12!, {d0-d15} */
    emit(im, 0xecfc0b20); /* vldmia r12!, {d16-d31} */
    emit(im, 0xe59c003c); /* ldr r0, [r12, #60] */
    emit(im, 0xeee10a10); /* vmsr fpscr, r0 */
    emit(im, 0xe59c0034); /* ldr r0, [r12, #52] */
    emit(im, 0xe12cf000); /* msr cpsr_fs, r0 */
    emit(im, 0xe59ce030); /* ldr lr, [r12, #48] */
    emit(im, 0xe89c0fff); /* ldm r12, {r0-r11} */
}
static void emit_store_state(struct image *im, u32 addr)
{
    emit_mov(im, R_BASE, addr);
    emit(im, 0xecac0b20);
    emit(im, 0xecec0b20);
    emit(im, 0xe88c0fff); /* stm r12, {r0-r11} */
    emit(im, 0xe58ce030);
    emit(im, 0xe10f0000); /* mrs r0, cpsr */
    emit_mov(im, 1, 0xf80f0000);
    emit(im, 0xe0000001);
    emit(im, 0xe58c0034);
    emit(im, 0xeef10a10); /* vmrs r0, fpscr */
    emit(im, 0xe58c003c);
}

static void build(struct image *im, unsigned blocks, const struct cpu *c)
{
    static const struct a64_row *rows[3][1024];
    static unsigned count[3];
    for (unsigned t = 0; t < 3; t++) {
        unsigned n;
        const struct a64_row *all = aa32_table((enum aa32_isa)t, &n);
        count[t] = 0;
        for (unsigned k = 1; k < n; k++)
            if (usable(&all[k]))
                rows[t][count[t]++] = &all[k];
    }
    u32 block_bytes = 4 * (40 + INSNS * 7);
    im->blocks = blocks;
    im->states = (u32)align_up(CODE + blocks * block_bytes + 64, 4096);
    im->results = im->states + blocks * STATE;
    im->data = (u32)align_up(im->results + blocks * STATE, 4096);
    im->size = im->data + DATA_SIZE - BASE;
    im->mem = calloc(1, im->size);
    im->insn = calloc(blocks * INSNS, sizeof *im->insn);
    im->isa = calloc(blocks * INSNS, 1);
    im->code_end = CODE;
    for (u32 k = 0; k < DATA_SIZE; k += 8) {
        u64 v = interesting_fp();
        memcpy(im->mem + im->data - BASE + k, &v, 8);
    }
    for (unsigned b = 0; b < blocks; b++) {
        u8 *state = im->mem + im->states - BASE + b * STATE;
        for (unsigned k = 0; k < 32; k++) {
            u64 v = interesting_fp();
            memcpy(state + 8 * k, &v, 8);
        }
        for (unsigned k = 0; k < 16; k++) {
            u32 v = interesting();
            if (k == 13)
                v = (u32)rnd() & 0xf80f0000;
            if (k == 15)
                v = (u32)rnd() & 0x03c00000 & (u32) - (rnd() & 1);
            memcpy(state + 256 + 4 * k, &v, 4);
        }
        emit_load_state(im, im->states + b * STATE);
        bool thumb = count[ISA_A32] == 0 || (b & 1);
        if (count[ISA_T16] + count[ISA_T32] == 0)
            thumb = false;
        if (thumb) {
            emit(im, 0xe28fc001); /* add r12, pc, #1 */
            emit(im, 0xe12fff1c); /* bx r12 */
        }
        for (unsigned k = 0; k < INSNS; k++) {
            struct aa32_insn i;
            enum aa32_isa isa = !thumb                                               ? ISA_A32
                                : !count[ISA_T32] || (count[ISA_T16] && (rnd() & 1)) ? ISA_T16
                                                                                     : ISA_T32;
            const struct a64_row *r;
            u32 w;
            do {
                r = rows[isa][rnd() % count[isa]];
                w = make(r, isa);
                aa32_decode(c, isa, w, &i);
            } while (!i.op.row || aa32_row(&i) != r || avoid(&i, r));
            im->insn[b * INSNS + k] = w;
            im->isa[b * INSNS + k] = (u8)isa;
            if (r->flags & (A64_LOAD | A64_STORE)) {
                u32 at = im->data + DATA_SIZE / 2;
                if (thumb) {
                    emit_mov_t(im, isa == ISA_T16 ? 7 : R_BASE, at);
                    emit_mov_t(im, 6, (u32)rnd() & 0x3c);
                } else {
                    emit_mov(im, R_BASE, at);
                    emit_mov(im, 6, (u32)rnd() & 0x3c);
                }
            }
            if (isa == ISA_T16) {
                emit16(im, (u16)w);
            } else if (isa == ISA_T32) {
                emit16(im, (u16)(w >> 16));
                emit16(im, (u16)w);
            } else {
                emit(im, w);
            }
        }
        if (thumb) {
            if (im->code_end & 2)
                emit16(im, 0xbf00);
            emit16(im, 0x4778); /* bx pc */
            emit16(im, 0xbf00);
        }
        emit_store_state(im, im->results + b * STATE);
    }
    emit_mov(im, 0, 1); /* write(1, results, size); exit(0) */
    emit_mov(im, 1, im->results);
    emit_mov(im, 2, BASE + im->size - im->results);
    emit_mov(im, 7, 4);
    emit(im, 0xef000000);
    emit_mov(im, 0, 0);
    emit_mov(im, 7, 1);
    emit(im, 0xef000000);
    ck_assert_uint_le(im->code_end, im->states);
}

static void elf_header(struct image *im)
{
    u32 w[] = {0x464c457f, 0x00010101, 0, 0, 0x00280002, 1,    CODE,     52,       0, 0x05000400, 0x00200034,
               1,          0,          1, 0, BASE,       BASE, im->size, im->size, 7, 4096};
    memcpy(im->mem, w, sizeof w);
}

/* ---- the two runs --------------------------------------------------------------------------- */

static void run_oracle(const struct image *im, u8 *out)
{
    char path[] = "/tmp/elara-aa32-XXXXXX", cmd[128];
    int fd = mkstemp(path);
    ck_assert_int_eq(write(fd, im->mem, im->size), im->size);
    fchmod(fd, 0700);
    close(fd);
    snprintf(cmd, sizeof cmd, "qemu-arm -cpu max %s", path);
    FILE *f = popen(cmd, "r");
    size_t want = BASE + im->size - im->results, got = f ? fread(out, 1, want, f) : 0;
    int status = f ? pclose(f) : -1;
    if (!getenv("ELARA_ORACLE_KEEP"))
        unlink(path);
    ck_assert_msg(got == want, "the oracle stopped with status %x after %zu bytes", status, got);
}

static void stop(void *arg, struct cpu *c, const struct exc_info *e)
{
    *(struct exc_info *)arg = *e;
    c->run = CPU_HALTED;
}

static struct cpu_env env;
static struct log logger;
static struct clock clk;
static struct exc_info last;

static struct cpu *make_cpu(void)
{
    struct cpu_config cfg = {0};
    memset(&cfg.feat, 0xff, sizeof cfg.feat);
    static const u16 off[] = {FEAT_EL2, FEAT_EL3, FEAT_MTE, FEAT_MTE2, FEAT_MTE3, FEAT_AFP, FEAT_RPRES, FEAT_LSE2};
    for (unsigned k = 0; k < ARRAY_LEN(off); k++)
        cfg.feat.w[off[k] / 64] &= ~(1ull << off[k] % 64);
    env.bus = bus_new(&logger);
    bus_map_ram(env.bus, 1 << PAS_NS, 0, RAM, "ram");
    bus_seal(env.bus);
    env.clock = &clk;
    env.log = &logger;
    env.count = 1;
    env.hook_arg = &last;
    env.on_exception = stop;
    static struct cpu *c;
    c = cpu_new(&env, &cfg);
    env.cpus = &c;
    cpu_reset(c);
    u64 block = 0 | 1 << 10 | 3 << 8 | 1 << 6 | 1;
    bus_load(env.bus, PAS_NS, TABLE, &block, 8);
    c->sys[MAIR_EL1] = 0xff;
    c->sys[TCR_EL1] = 25 | 1 << 23 | 1 << 8 | 1 << 10 | 3 << 12 | 2ull << 32;
    c->sys[TTBR0_EL1] = TABLE;
    c->sys[SCTLR_EL1] = SCTLR_M | SCTLR_C | SCTLR_I;
    c->sys[CPACR_EL1] = 3 << 20;
    c->sys[VBAR_EL1] = 0x20000;
    sysreg_refresh(c);
    cpu_set_spsr(c, AA32_USR);
    context_touch(c);
    /* makes the decoder: an instruction is executed */
    u32 nop[2] = {0xe320f000, 0xef000000};
    bus_load(env.bus, PAS_NS, 0x30000, nop, 8);
    c->pc = 0x30000;
    c->run = CPU_RUNNING;
    return c;
}

static void run(struct cpu *c)
{
    while (c->run == CPU_RUNNING) {
        clock_begin(&clk, &c->slice, 1000000);
        engine_interp.run(c);
        clock_finish(&clk);
    }
    ck_assert_msg(last.esr >> 26 == EC_SVC32, "stopped with ESR %llx FAR %llx at %llx", (unsigned long long)last.esr,
                  (unsigned long long)last.far, (unsigned long long)last.pc);
}

static void report(const struct image *im, unsigned b, const u8 *ours, const u8 *oracle)
{
    printf("block %u:\n", b);
    for (unsigned k = 0; k < INSNS; k++) {
        struct aa32_insn i;
        aa32_decode(env.cpus[0], (enum aa32_isa)im->isa[b * INSNS + k], im->insn[b * INSNS + k], &i);
        printf("  %08x %s\n", im->insn[b * INSNS + k], aa32_row(&i)->name);
    }
    for (unsigned k = 0; k < STATE / 4; k++) {
        u32 in, x, y;
        memcpy(&in, im->mem + im->states - BASE + b * STATE + 4 * k, 4);
        memcpy(&x, ours + b * STATE + 4 * k, 4);
        memcpy(&y, oracle + b * STATE + 4 * k, 4);
        if (x != y)
            printf("  %c%u: was %08x, is %08x, oracle %08x\n", k < 64 ? 's' : 'r', k < 64 ? k : k - 64, in, x, y);
    }
}

START_TEST(test_random_blocks)
{
    if (system("qemu-arm --version > /dev/null 2>&1") != 0)
        return;
    const char *blocks = getenv("ELARA_ORACLE_BLOCKS"), *seed = getenv("ELARA_ORACLE_SEED");
    rng_state = 0x9e3779b97f4a7c15 + (seed ? strtoull(seed, NULL, 0) : 0);
    struct cpu *c = make_cpu();
    run(c);
    struct image im = {0};
    build(&im, blocks ? (unsigned)atoi(blocks) : 2000, c);
    elf_header(&im);
    u32 n = BASE + im.size - im.results;
    u8 *ours = calloc(1, n), *oracle = calloc(1, n);
    run_oracle(&im, oracle);
    bus_load(env.bus, PAS_NS, BASE, im.mem, im.size);
    cpu_set_spsr(c, AA32_USR);
    c->pc = CODE;
    c->run = CPU_RUNNING;
    run(c);
    struct txn t = {.space = PAS_NS};
    bus_read(env.bus, &t, im.results, ours, n);
    unsigned bad = 0;
    for (unsigned b = 0; b < im.blocks; b++)
        if (memcmp(ours + b * STATE, oracle + b * STATE, STATE) && bad++ < 8)
            report(&im, b, ours, oracle);
    ck_assert_uint_eq(bad, 0);
    free(ours);
    free(oracle);
    free(im.mem);
    free(im.insn);
    free(im.isa);
    cpu_free(c);
    bus_free(env.bus);
    clock_free(&clk);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("aa32_oracle");
    TCase *t = tcase_create("oracle");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, test_random_blocks);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
