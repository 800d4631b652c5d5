/* Pointer authentication against an independent implementation: a bare-metal image that sets keys, address
 * size and top-byte controls, signs, authenticates and strips pointers, and hands back the results by
 * semihosting.  Elara runs the same image up to that point.  Skipped where qemu-system-aarch64 is not
 * installed; its CPU has FEAT_PAuth with QARMA5 and none of the later extensions. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/log.h"
#include "cpu/cpu.h"
#include "cpu/fields.h"

enum { BASE = 0x40200000, SIZE = 0x100000, CODE = BASE + 0x1000, IN = BASE + 0x80000, OUT = BASE + 0xb0000 };
enum { BLOCKS = 2000, IN_WORDS = 3, OUT_WORDS = 5 };

static u8 image[SIZE];
static u32 at;
static u64 seed = 0x9e3779b97f4a7c15;

static u64 rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1d;
}

static void emit(u32 w)
{
    memcpy(image + at, &w, 4);
    at += 4;
}

static void emit_mov(unsigned reg, u64 v)
{
    for (unsigned k = 0; k < 4; k++)
        emit((k ? 0xf2800000 : 0xd2800000) | k << 21 | (u32)(v >> 16 * k & 0xffff) << 5 | reg);
}

/* A pointer as programs have them, or none. */
static u64 pointer(void)
{
    u64 r = rnd();
    switch (r >> 60 & 3) {
    case 0: return r & ones(40);
    case 1: return r | ~ones(40);
    case 2: return (r & ones(48)) | rnd() << 56;
    default: return r;
    }
}

static void emit_block(unsigned k)
{
    emit(0xa8c10680);                                   /* ldp x0, x1, [x20], #16 */
    emit(0xf8408685);                                   /* ldr x5, [x20], #8 */
    emit(0xd5182045);                                   /* msr tcr_el1, x5 */
    emit(0xd5033fdf);                                   /* isb */
    emit(0xaa0003e4);                                   /* mov x4, x0 */
    emit(0xdac10020 | (k & 3) << 10);                   /* pac* x0, x1 */
    emit(0xf80086a0);                                   /* str x0, [x21], #8 */
    emit(0xaa0003e3);                                   /* mov x3, x0 */
    emit(k & 4 ? 0xdac143e3 : 0xdac147e3);              /* xpaci or xpacd x3 */
    emit(0xf80086a3);                                   /* str x3, [x21], #8 */
    emit(0xdac11020 | ((k & 8 ? k : k + 1) & 3) << 10); /* aut* x0, x1: with the right or another key */
    emit(0xf80086a0);                                   /* str x0, [x21], #8 */
    emit(0xdac11024 | (k & 3) << 10);                   /* aut* x4, x1: never signed */
    emit(0xf80086a4);                                   /* str x4, [x21], #8 */
    emit(0x9ac13082);                                   /* pacga x2, x4, x1 */
    emit(0xf80086a2);                                   /* str x2, [x21], #8 */
}

static void build(void)
{
    at = CODE - BASE;
    for (unsigned k = 0; k < 10; k++) { /* APIAKeyLo_EL1 ... APGAKeyHi_EL1 */
        static const u8 crm_op2[] = {1 << 3,     1 << 3 | 1, 1 << 3 | 2, 1 << 3 | 3, 2 << 3,
                                     2 << 3 | 1, 2 << 3 | 2, 2 << 3 | 3, 3 << 3,     3 << 3 | 1};
        emit_mov(0, rnd());
        emit(0xd5182000 | (u32)crm_op2[k] << 5);
    }
    emit_mov(0, 0x30d00800 | SCTLR_EnIA | SCTLR_EnIB | SCTLR_EnDA | SCTLR_EnDB);
    emit(0xd5181000); /* msr sctlr_el1, x0 */
    emit(0xd5033fdf);
    emit_mov(20, IN);
    emit_mov(21, OUT);
    for (unsigned k = 0; k < BLOCKS; k++) {
        u64 *in = (u64 *)(void *)(image + IN - BASE) + IN_WORDS * k, r = rnd();
        in[0] = pointer();
        in[1] = rnd();
        /* Both ranges alike: where they differ, the reference does not follow AddPAC(), which looks at the
         * controls of both for the bit that selects the range, and at that range's size. */
        in[2] = (16 + r % 24) * 0x10001 | (r >> 20 & 1 ? 3ull << 37 : 0) | (r >> 21 & 1 ? 3ull << 51 : 0);
        emit_block((unsigned)k);
    }
    /* SYS_OPEN ":tt" for writing, SYS_WRITE, SYS_EXIT */
    const u64 args[] = {IN - 32, 4, 3, 0, OUT, BLOCKS * OUT_WORDS * 8, 0x20026, 0};
    memcpy(image + IN - BASE - 32, ":tt", 4);
    memcpy(image + IN - BASE - 128, args, sizeof args);
    emit_mov(1, IN - 128);
    emit_mov(0, 1);
    emit(0xd45e0000);
    emit_mov(1, IN - 128 + 24);
    emit(0xf9000020); /* str x0, [x1] */
    emit_mov(0, 5);
    emit(0xd45e0000);
    emit_mov(1, IN - 128 + 48);
    emit_mov(0, 0x18);
    emit(0xd45e0000);
    ck_assert_uint_lt(at, IN - BASE - 128);
    const u64 elf[] = {0x00010102464c457f,
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
                       SIZE,
                       SIZE,
                       4096};
    memcpy(image, elf, sizeof elf);
}

static void run_oracle(u64 *out)
{
    char path[] = "/tmp/elara-pauth-XXXXXX", cmd[256];
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, image, SIZE), SIZE);
    close(fd);
    snprintf(
        cmd, sizeof cmd,
        "timeout 60 qemu-system-aarch64 -M virt -nic none -cpu max -m 256 -display none -serial null -monitor none "
        "-semihosting-config enable=on,target=native -kernel %s",
        path);
    FILE *f = popen(cmd, "r");
    size_t got = f ? fread(out, 8, BLOCKS * OUT_WORDS, f) : 0;
    if (f)
        pclose(f);
    unlink(path);
    ck_assert_uint_eq(got, BLOCKS * OUT_WORDS);
}

static enum semihosting stop_at_semihosting(void *arg, struct cpu *c)
{
    (void)arg;
    c->run = CPU_HALTED;
    return SEMIHOSTING_SERVED;
}

static void stop_at_exception(void *arg, struct cpu *c, const struct exc_info *e)
{
    (void)arg;
    c->run = CPU_HALTED;
    ck_abort_msg("exception, ESR %llx at %llx", (unsigned long long)e->esr, (unsigned long long)e->pc);
}

static void run_elara(u64 *out)
{
    static const u16 off[] = {FEAT_EL2,         FEAT_EL3,       FEAT_EPAC,   FEAT_PAuth2, FEAT_FPAC,
                              FEAT_FPACCOMBINE, FEAT_PACQARMA3, FEAT_PACIMP, FEAT_TTST};
    struct log log = {0};
    struct clock clock = {0};
    struct bus *bus = bus_new(&log);
    bus_map_ram(bus, 1 << PAS_NS, BASE, SIZE, "ram");
    bus_seal(bus);
    struct cpu *c;
    struct cpu_env env = {.bus = bus,
                          .clock = &clock,
                          .log = &log,
                          .cpus = &c,
                          .count = 1,
                          .semihosting = stop_at_semihosting,
                          .on_exception = stop_at_exception};
    struct cpu_config cfg = {.cntfrq = 62500000};
    memset(&cfg.feat, 0xff, sizeof cfg.feat);
    for (unsigned k = 0; k < ARRAY_LEN(off); k++)
        cfg.feat.w[off[k] / 64] &= ~(1ull << off[k] % 64);
    c = cpu_new(&env, &cfg);
    cpu_reset(c);
    bus_load(bus, PAS_NS, BASE, image, SIZE);
    c->pc = CODE;
    c->run = CPU_RUNNING;
    while (c->run == CPU_RUNNING) {
        clock_begin(&clock, &c->slice, 1000000);
        engine_interp.run(c);
        clock_finish(&clock);
    }
    struct txn t = {.space = PAS_NS};
    bus_read(bus, &t, OUT, out, BLOCKS * OUT_WORDS * 8);
    cpu_free(c);
    bus_free(bus);
    clock_free(&clock);
}

START_TEST(test_pauth)
{
    if (system("qemu-system-aarch64 --version > /dev/null 2>&1") != 0)
        return;
    static u64 ours[BLOCKS * OUT_WORDS], oracle[BLOCKS * OUT_WORDS];
    build();
    run_oracle(oracle);
    run_elara(ours);
    unsigned bad = 0;
    for (unsigned k = 0; k < BLOCKS * OUT_WORDS; k++)
        if (ours[k] != oracle[k] && bad++ < 10) {
            u64 in[3];
            memcpy(in, image + IN - BASE + k / OUT_WORDS * 24, 24);
            printf("block %u result %u: %016llx, oracle %016llx (pointer %016llx modifier %016llx tcr %016llx)\n",
                   k / OUT_WORDS, k % OUT_WORDS, (unsigned long long)ours[k], (unsigned long long)oracle[k],
                   (unsigned long long)in[0], (unsigned long long)in[1], (unsigned long long)in[2]);
        }
    ck_assert_uint_eq(bad, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pauth-oracle");
    TCase *t = tcase_create("pauth");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, test_pauth);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
