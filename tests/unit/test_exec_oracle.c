/* Random instructions against an independent implementation.
 *
 * Makes a small static AArch64 program of blocks: load a random state, execute random instructions made
 * from the table's bit pictures, store the state.  qemu-aarch64 runs it as a process; Elara runs the
 * same bytes at EL0 of a CPU with an identity map; the memory they leave must be equal.  Skipped where
 * qemu-aarch64 is not installed.
 *
 * ELARA_ORACLE_BLOCKS=n changes the number of blocks, ELARA_ORACLE_SEED=n the seed,
 * ELARA_ORACLE_ROWS=text restricts it to rows whose name contains text. */
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
#include "cpu/a64.h"
#include "cpu/context.h"
#include "cpu/cpu.h"
#include "cpu/fields.h"

/* One flat segment: code, states, results and a data buffer for loads and stores. */
enum {
    BASE = 0x400000,
    CODE = BASE + 0x1000,
    INSNS = 12, /* random instructions a block */
    STATE = 32 * 8 + 16 + 512,
    DATA_SIZE = 4096,
    MAX_BLOCKS = 4096,
    RAM = 64 << 20,
    TABLE = 0x10000, /* page tables */
};

struct image {
    u8 *mem; /* RAM contents from BASE */
    u32 size, code_end;
    u32 blocks;
    u32 states, results, data;
    u32 *insn; /* [blocks][INSNS] words */
};

static u64 rng_state;
static u64 rnd(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state * 0x2545f4914f6cdd1d;
}

/* Values at which arithmetic changes its mind. */
static u64 interesting(void)
{
    static const u64 v[] = {0,          1,          2,          ~0ull,      1ull << 31, (1ull << 31) - 1, 1ull << 32,
                            1ull << 63, ~0ull >> 1, 0xffffffff, 0x80,       0x7f,       0x8000,           0x7fff,
                            0xff,       63,         64,         0x80000001, ~1ull};
    u64 r = rnd();
    switch (r & 7) {
    case 0:
    case 1:
    case 2: return v[(r >> 8) % ARRAY_LEN(v)];
    case 3: return rnd() & 0xff;
    case 4: return rnd() & 0xffffffff;
    case 5: return (u64)(s64)(s32)rnd();
    default: return rnd();
    }
}

/* ---- making instructions -------------------------------------------------------------------- */

/* x28 is the data pointer of loads and stores, x29 a small index, x30 the harness's scratch. */
enum { R_DATA = 28, R_INDEX = 29, R_SCRATCH = 30 };

static bool usable(const struct a64_row *r)
{
    static const char *const no[] = {
        "HINT", "YIELD", "WF",    "SEV",  "SVC",   "HVC",  "SMC",   "BRK",   "HLT",   "DCPS", "ERET", "MSR",
        "MRS",  "SYS",   "ISB",   "BTI",  "ESB",   "PAC",  "AUT",   "XPAC",  "LDRA",  "CPY",  "SET",  "PRF",
        "LDTR", "STTR",  "LDG",   "STG",  "STZ",   "ST2G", "IRG",   "GMI",   "ADDG",  "SUBG", "SUBP", "CLREX",
        "RNDR", "LDXP",  "LDAXP", "STXP", "STLXP", "STXR", "STLXR", "LDLAR", "STLLR", "BC_"};
    const char *only = getenv("ELARA_ORACLE_ROWS");
    if (r->picture == NULL || (only && !strstr(r->name, only)))
        return false;
    if (r->flags & A64_BRANCH)
        return r->imm == IMM_BRANCH && r->feat == FEAT_BASE;
    if ((r->flags & A64_V) && !getenv("ELARA_ORACLE_SIMD") && !only)
        return false;
    if (r->feat == FEAT_XS || r->feat == FEAT_CSSC || r->feat == FEAT_MOPS || r->feat == FEAT_HBC ||
        r->feat == FEAT_AFP || r->feat == FEAT_EBF16 || r->feat == FEAT_RPRES)
        return false; /* newer than the oracle */
    for (unsigned k = 0; k < ARRAY_LEN(no); k++)
        if (!strncmp(r->name, no[k], strlen(no[k])) && strncmp(r->name, "SETF", 4))
            return false;
    return !strstr(r->name, "_lit");
}

/* A random word of the row; registers are X0-X27 and 31, the base of a memory access is R_DATA. */
static u32 make(const struct a64_row *r)
{
    bool mem = r->flags & (A64_LOAD | A64_STORE), v = r->flags & A64_V;
    bool index = strstr(r->name, "_reg") || strstr(r->name, "_ext");
    u32 word = 0;
    char last = 0;
    u32 reg = 0;
    int left = 0;
    unsigned imm_bits = 0;
    for (const char *p = r->picture; *p; p++) {
        char ch = *p;
        if (ch == ' ')
            continue;
        word <<= 1;
        if (strchr("dDetnNpmMabB", ch)) {
            if (ch != last) {
                unsigned width = 0;
                for (const char *q = p; *q == ch || *q == ' '; q++)
                    width += *q == ch;
                left = (int)width;
                reg = (u32)(rnd() % 29);
                if (reg == 28)
                    reg = 31;
                if (v && strchr("dtnma", ch))
                    reg = (u32)rnd() & 31;
                if (mem && ch == 'p')
                    reg = R_DATA;
                if (mem && index && ch == 'm')
                    reg = R_INDEX;
                if (width < 5)
                    reg = (u32)(rnd() % 14);
            }
            word |= reg >> --left & 1;
        } else if (ch == 'i' && (r->flags & A64_BRANCH)) {
            word |= strchr(p + 1, 'i') && !strchr(strchr(p + 1, 'i') + 1, 'i'); /* offset 8 */
        } else if (ch == '0' || ch == '1') {
            word |= (u32)(ch - '0');
        } else if (ch == 'i' && mem && strstr(r->name, "_") == NULL && imm_bits++ < 6 && r->imm != IMM_SEXT) {
            word |= 0; /* large unsigned offsets would leave the buffer */
        } else {
            word |= (u32)(rnd() & 1);
        }
        last = ch;
    }
    return word;
}

static u32 random_insn(const struct decoder *d, const u16 *rows, unsigned n)
{
    for (;;) {
        const struct a64_row *r = &a64_rows[rows[rnd() % n]];
        u32 w = make(r);
        struct op o = decode(d, w);
        if (&a64_rows[o.row] != r)
            continue; /* refused, or a more specific row */
        if (r->flags & (A64_LOAD | A64_STORE)) {
            if ((s64)o.imm > 2000 || (s64)o.imm < -2000)
                continue;
            /* ordered accesses that are not aligned may fault */
            if ((!strncmp(r->name, "LDAPUR", 6) || !strncmp(r->name, "STLUR", 5)) && (o.imm & 7))
                continue;
            /* transfers of the base register with writeback are CONSTRAINED UNPREDICTABLE; so is LDP
             * to one register, and an exclusive's status register that is also data */
            if (o.rd == R_DATA || (o.rd == o.ra && o.rd < 31))
                continue;
        }
        return w;
    }
}

/* ---- the program ---------------------------------------------------------------------------- */

static void emit(struct image *im, u32 w)
{
    memcpy(im->mem + (im->code_end - BASE), &w, 4);
    im->code_end += 4;
}

static void emit_mov(struct image *im, unsigned reg, u32 val)
{
    emit(im, 0xd2800000 | (val & 0xffff) << 5 | reg);       /* movz */
    emit(im, 0xf2a00000 | (val >> 16 & 0xffff) << 5 | reg); /* movk lsl 16 */
}

/* State layout: x0..x30, sp, nzcv, fpsr, v0..v31. */
static void emit_load_state(struct image *im, u32 addr)
{
    emit_mov(im, R_SCRATCH, addr);
    emit(im, 0xf9400000 | (256 / 8) << 10 | R_SCRATCH << 5 | 0); /* ldr x0, [x30, #256] */
    emit(im, 0xd51b4200);                                        /* msr nzcv, x0 */
    emit(im, 0xd51b443f);                                        /* msr fpsr, xzr */
    emit(im, 0xf9400000 | (248 / 8) << 10 | R_SCRATCH << 5 | 0); /* ldr x0, [x30, #248] */
    emit(im, 0x9100001f);                                        /* mov sp, x0 */
    for (unsigned k = 0; k < 32; k += 2)                         /* ldp qk, qk+1, [x30, #272 + 16k] */
        emit(im, 0xad400000 | (272 / 16 + k) << 15 | (k + 1) << 10 | R_SCRATCH << 5 | k);
    for (unsigned k = 0; k < 30; k += 2) /* ldp xk, xk+1, [x30, #8k] */
        emit(im, 0xa9400000 | k << 15 | (k + 1) << 10 | R_SCRATCH << 5 | k);
}

static void emit_store_state(struct image *im, u32 addr)
{
    emit_mov(im, R_SCRATCH, addr);
    for (unsigned k = 0; k < 30; k += 2)
        emit(im, 0xa9000000 | k << 15 | (k + 1) << 10 | R_SCRATCH << 5 | k);
    for (unsigned k = 0; k < 32; k += 2)
        emit(im, 0xad000000 | (272 / 16 + k) << 15 | (k + 1) << 10 | R_SCRATCH << 5 | k);
    emit(im, 0x910003e0);                                        /* mov x0, sp */
    emit(im, 0xf9000000 | (248 / 8) << 10 | R_SCRATCH << 5 | 0); /* str x0, [x30, #248] */
    emit(im, 0xd53b4200);                                        /* mrs x0, nzcv */
    emit(im, 0xf9000000 | (256 / 8) << 10 | R_SCRATCH << 5 | 0);
    emit(im, 0xd53b4420); /* mrs x0, fpsr */
    emit(im, 0xf9000000 | (264 / 8) << 10 | R_SCRATCH << 5 | 0);
}

static void build(struct image *im, unsigned blocks, const struct decoder *d)
{
    static u16 rows[4096];
    unsigned n = 0;
    for (unsigned k = A64_ROW_UNDEFINED + 1; k < a64_row_count; k++)
        if (usable(&a64_rows[k]))
            rows[n++] = (u16)k;
    ck_assert_uint_gt(n, 0);
    u32 block_bytes = 4 * (2 * 48 + INSNS * 5);
    im->blocks = blocks;
    im->states = (u32)align_up(CODE + blocks * block_bytes + 64, 4096);
    im->results = im->states + blocks * STATE;
    im->data = (u32)align_up(im->results + blocks * STATE, 4096);
    im->size = im->data + DATA_SIZE - BASE;
    ck_assert_uint_lt(BASE + im->size, RAM);
    im->mem = calloc(1, im->size);
    im->insn = calloc(blocks * INSNS, sizeof *im->insn);
    im->code_end = CODE;
    for (u32 k = 0; k < DATA_SIZE; k += 8) {
        u64 v = interesting();
        memcpy(im->mem + im->data - BASE + k, &v, 8);
    }
    for (unsigned b = 0; b < blocks; b++) {
        u8 *state = im->mem + im->states - BASE + b * STATE;
        for (unsigned k = 0; k < STATE / 8; k++) {
            u64 v = interesting();
            if (k == 32)
                v = rnd() & 0xf0000000;
            if (k == 31)
                v &= ~15ull;
            memcpy(state + 8 * k, &v, 8);
        }
        emit_load_state(im, im->states + b * STATE);
        for (unsigned k = 0; k < INSNS; k++) {
            u32 w = random_insn(d, rows, n);
            if (a64_rows[decode(d, w).row].flags & (A64_LOAD | A64_STORE)) {
                emit_mov(im, R_DATA, im->data + DATA_SIZE / 2);
                emit_mov(im, R_INDEX, (u32)rnd() & 0x38);
            }
            im->insn[b * INSNS + k] = w;
            emit(im, w);
            if (a64_rows[decode(d, w).row].flags & A64_BRANCH)
                emit(im, 0x91000400); /* add x0, x0, #1: jumped over or not */
        }
        emit_mov(im, R_DATA, 0);
        emit_store_state(im, im->results + b * STATE);
    }
    emit_mov(im, 0, 1); /* write(1, results, size); exit(0) */
    emit_mov(im, 1, im->results);
    emit_mov(im, 2, BASE + im->size - im->results);
    emit_mov(im, 8, 64);
    emit(im, 0xd4000001);
    emit_mov(im, 0, 0);
    emit_mov(im, 8, 93);
    emit(im, 0xd4000001);
    ck_assert_uint_le(im->code_end, im->states);
}

/* An ELF header with one RWX segment in front of the code. */
static void elf_header(struct image *im)
{
    u64 w[] = {0x00010102464c457f,
               0,
               0x0000000100b70002,
               CODE,
               64,
               0,
               0x0038004000000000,
               0x0000000000000001,
               0x0000000700000001,
               0,
               BASE,
               BASE,
               im->size,
               im->size,
               4096};
    memcpy(im->mem, w, sizeof w);
}

/* ---- the two runs --------------------------------------------------------------------------- */

static bool run_oracle(const struct image *im, u8 *out)
{
    char path[] = "/tmp/elara-oracle-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, im->mem, im->size), im->size);
    fchmod(fd, 0700);
    close(fd);
    char cmd[128];
    snprintf(cmd, sizeof cmd, "qemu-aarch64 -cpu max %s", path);
    FILE *f = popen(cmd, "r");
    size_t want = BASE + im->size - im->results, got = f ? fread(out, 1, want, f) : 0;
    int status = f ? pclose(f) : -1;
    if (!getenv("ELARA_ORACLE_KEEP"))
        unlink(path);
    ck_assert_msg(got == want, "the oracle stopped with status %x after %zu bytes", status, got);
    return true;
}

static void stop(void *arg, struct cpu *c, const struct exc_info *e)
{
    *(struct exc_info *)arg = *e;
    c->run = CPU_HALTED;
}

static void run_elara(const struct image *im, u8 *out, const struct features *feat)
{
    struct log log = {0};
    struct clock clock = {0};
    struct bus *bus = bus_new(&log);
    bus_map_ram(bus, 1 << PAS_NS, 0, RAM, "ram");
    bus_seal(bus);
    struct exc_info last = {0};
    struct cpu_env env = {
        .bus = bus, .clock = &clock, .log = &log, .count = 1, .hook_arg = &last, .on_exception = stop};
    struct cpu_config cfg = {.feat = *feat};
    struct cpu *c = cpu_new(&env, &cfg);
    env.cpus = &c;
    cpu_reset(c);

    /* Identity map: one 1 GiB block, Normal memory, EL0 may do everything. */
    u64 block = 0 | 1 << 10 | 3 << 8 | 1 << 6 | 1;
    bus_load(bus, PAS_NS, TABLE, &block, 8);
    bus_load(bus, PAS_NS, BASE, im->mem, im->size);
    c->sys[MAIR_EL1] = 0xff;
    c->sys[TCR_EL1] = 25 | 1 << 23 | 1 << 8 | 1 << 10 | 3 << 12 | 2ull << 32;
    c->sys[TTBR0_EL1] = TABLE;
    c->sys[SCTLR_EL1] = SCTLR_M | SCTLR_C | SCTLR_I;
    c->sys[CPACR_EL1] = 3 << 20;
    c->sys[VBAR_EL1] = 0x20000;
    sysreg_refresh(c);
    cpu_set_spsr(c, 0);
    context_touch(c);
    c->pc = CODE;
    c->run = CPU_RUNNING;
    while (c->run == CPU_RUNNING) {
        clock_begin(&clock, &c->slice, 1000000);
        engine_interp.run(c);
        clock_finish(&clock);
    }
    ck_assert_msg(last.esr >> 26 == EC_SVC64, "stopped with ESR %llx FAR %llx at %llx", (unsigned long long)last.esr,
                  (unsigned long long)last.far, (unsigned long long)last.pc);
    struct txn t = {.space = PAS_NS};
    bus_read(bus, &t, im->results, out, BASE + im->size - im->results);
    cpu_free(c);
    bus_free(bus);
    clock_free(&clock);
}

static void report(const struct image *im, unsigned b, const u8 *ours, const u8 *oracle)
{
    printf("block %u:\n", b);
    for (unsigned k = 0; k < INSNS; k++) {
        u32 w = im->insn[b * INSNS + k];
        printf("  %08x\n", w);
    }
    for (unsigned k = 0; k < STATE / 8; k++) {
        u64 in, x, y;
        memcpy(&in, im->mem + im->states - BASE + b * STATE + 8 * k, 8);
        memcpy(&x, ours + b * STATE + 8 * k, 8);
        memcpy(&y, oracle + b * STATE + 8 * k, 8);
        if (x != y)
            printf("  word %u: was %016llx, is %016llx, oracle %016llx\n", k, (unsigned long long)in,
                   (unsigned long long)x, (unsigned long long)y);
    }
}

START_TEST(test_random_blocks)
{
    if (system("qemu-aarch64 --version > /dev/null 2>&1") != 0)
        return;
    const char *blocks = getenv("ELARA_ORACLE_BLOCKS"), *seed = getenv("ELARA_ORACLE_SEED");
    rng_state = 0x9e3779b97f4a7c15 + (seed ? strtoull(seed, NULL, 0) : 0);
    struct features feat;
    memset(&feat, 0xff, sizeof feat);
    static const u16 off[] = {FEAT_EL2, FEAT_EL3, FEAT_MTE, FEAT_MTE2, FEAT_MTE3};
    for (unsigned k = 0; k < ARRAY_LEN(off); k++)
        feat.w[off[k] / 64] &= ~(1ull << off[k] % 64);
    struct decoder *d = decoder_new(&feat);
    struct image im = {0};
    build(&im, blocks ? (unsigned)atoi(blocks) : 2000, d);
    elf_header(&im);
    u32 n = BASE + im.size - im.results;
    u8 *ours = calloc(1, n), *oracle = calloc(1, n);
    run_oracle(&im, oracle);
    run_elara(&im, ours, &feat);
    unsigned bad = 0;
    for (unsigned b = 0; b < im.blocks && bad < 5; b++) {
        if (memcmp(ours + b * STATE, oracle + b * STATE, STATE)) {
            report(&im, b, ours, oracle);
            bad++;
        }
    }
    ck_assert_uint_eq(bad, 0);
    ck_assert_int_eq(memcmp(ours, oracle, n), 0);
    decoder_free(d);
    free(im.mem);
    free(im.insn);
    free(ours);
    free(oracle);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("exec-oracle");
    TCase *t = tcase_create("oracle");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, test_random_blocks);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
