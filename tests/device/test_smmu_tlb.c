/* SMMUv3: what each invalidation command of either queue and each broadcast of a PE drops, exactly, of translations of
 * every kind (IHI0070 3.17, 4.4); Secure stage 2; 52-bit addresses with every granule. A translation that is not
 * dropped is used although memory says something else by then. */
#include "mmu/tlb.h"
#include "smmu_rig.h"

/* ---- pieces of translations --------------------------------------------------------------------- */

enum { S_STRTAB = RAM + 0x80000, S_CMDQ = RAM + 0x90000 };
enum { SECURE = 1, ONE = 2, TWO = 4, GLOBAL = 8, ASET = 16, STRW_EL2 = 32, STRW_EL3 = 64 };
static const struct kind {
    unsigned what;
    u16 asid, vmid;
} kinds[] = {
    {ONE, 9, 3},
    {ONE | GLOBAL, 7, 3},
    {ONE | ASET, 8, 3},
    {ONE, 9, 4},
    {TWO, 0, 3},
    {ONE | TWO, 9, 3},
    {ONE | STRW_EL2, 9, 3},
    {SECURE | ONE, 9, 3}, /* tagged with VMID 0: there is no stage 2 */
    {SECURE | TWO, 0, 3},
    {SECURE | ONE | TWO, 9, 3},
    {SECURE | ONE | STRW_EL3, 9, 3},
    {SECURE | ONE | STRW_EL2, 9, 3},
};
enum { KINDS = ARRAY_LEN(kinds), FIRST = 16 };
#define ALL_KINDS ((1u << KINDS) - 1)
#define VA        0x50000ull
static u64 leaves[KINDS];

static const struct txn s_txn = {.space = PAS_S, .privileged = true};
static void sreg(u64 off, unsigned size, u64 v)
{
    const u64 val[2] = {v};
    ck_assert_int_eq(bus_dev_write(smmu_device(s), &s_txn, 0x8000 + off, size, val), BUS_OK);
}
static u32 srd32(u64 off)
{
    u64 v[2] = {0};
    ck_assert_int_eq(bus_dev_read(smmu_device(s), &s_txn, 0x8000 + off, 4, v), BUS_OK);
    return (u32)v[0];
}
static u32 s_prod;
static void s_command(u64 w0, u64 w1)
{
    put64(S_CMDQ + 16 * (s_prod & 63), w0);
    put64(S_CMDQ + 16 * (s_prod & 63) + 8, w1);
    s_prod = (s_prod + 1) & 127;
    sreg(0x98, 4, s_prod);
}

static void everything(void)
{
    s_command(4, 31);
    s_command(4 | 1 << 10, 31);
    for (unsigned k = 0; k < 4; k++)
        s_command((const u8[]){0x30, 0x60, 0x20, 0x50}[k], 0);
    s_command(0x18, 0);
}

static void write_ste(u64 table, u32 sid, const u64 *w)
{
    for (unsigned i = 0; i < 8; i++)
        put64(table + 64 * sid + 8 * i, w[i]);
}

static void begin(u32 cr2, u32 s_cr2)
{
    teardown();
    start(&(struct smmu_config){.secure = true});
    s_prod = 0;
    reg32(CR0, 8);
    reg32(0x88, 5);
    reg32(0x2c, cr2);
    sreg(0x2c, 4, s_cr2);
    sreg(0x80, 8, S_STRTAB);
    sreg(0x88, 4, 5);
    sreg(0x90, 8, S_CMDQ | 6);
    struct tree whole = tree2(12), t;
    for (u64 a = RAM; a < DATA + 0x40000; a += 0x1000)
        map(&whole, a, a, S2_PAGE);
    for (unsigned k = 0; k < KINDS; k++) {
        const struct kind *x = &kinds[k];
        unsigned two = x->what & TWO ? 2 : 0, one = x->what & ONE ? 1 : 0;
        if (one) {
            t = tree1(12);
            map(&t, VA, 0, 0);
            leaves[k] = leaf(&t, VA);
            make_cd(k, &t, x->asid, x->what & ASET ? 1ull << 47 : 0);
        } else { /* its own table for the page, the common one for the rest */
            t = tree2(12);
            leaves[k] = leaf(&t, VA);
        }
        u64 root = one ? whole.root : t.root;
        u64 w[8] = {1 | (4 | two | one) << 1 | (CDS_AT + 64 * k),
                    x->what & STRW_EL2   ? 2u << 30
                    : x->what & STRW_EL3 ? 1u << 30
                                         : 0,
                    x->vmid | 24ull << 32 | 1ull << 38 | 5ull << 48 | 1ull << 51 | 1ull << 58,
                    root,
                    24ull << 32 | 1ull << 38 /* S_S2T0SZ, S_S2SL0 */,
                    0,
                    root};
        write_ste(x->what & SECURE ? S_STRTAB : STRTAB, FIRST + k, w);
    }
    reg32(CR0, 9);
    sreg(0x20, 4, 9);
}

static u64 read_by(unsigned k)
{
    dma.txn.stream = FIRST + k;
    dma.txn.space = kinds[k].what & SECURE ? PAS_S : PAS_NS;
    u64 v = 0;
    ck_assert_int_eq(load(VA, &v), BUS_OK);
    return v;
}

static u64 attrs(unsigned k)
{
    return !(kinds[k].what & ONE) ? S2_PAGE : S1_PAGE | (kinds[k].what & GLOBAL ? 0 : 1u << 11);
}

/* All translations are in use, then all of memory changes. */
static void fill(void)
{
    everything();
    for (unsigned k = 0; k < KINDS; k++) {
        put64(leaves[k], (DATA + 0x1000 * k) | attrs(k));
        put64(DATA + 0x1000 * k, 100 + k);
        put64(DATA + 0x20000 + 0x1000 * k, 200 + k);
        ck_assert_uint_eq(read_by(k), 100 + k);
        put64(leaves[k], (DATA + 0x20000 + 0x1000 * k) | attrs(k));
    }
}

static unsigned dropped(void)
{
    unsigned mask = 0;
    for (unsigned k = 0; k < KINDS; k++) {
        u64 v = read_by(k);
        ck_assert(v == 100 + k || v == 200 + k);
        mask |= (unsigned)(v >= 200) << k;
    }
    return mask;
}

/* ---- commands ----------------------------------------------------------------------------------- */

#define VMID(n) ((u64)(n) << 32)
#define ASID(n) ((u64)(n) << 48)
enum { NH3 = 0x27, GUESTS = 0x3f };
struct row {
    u64 w0, w1;
    unsigned drops; /* ~0: the command is refused */
};

static void check(const struct row *rows, unsigned n, bool from_secure)
{
    for (unsigned i = 0; i < n; i++) {
        fill();
        if (from_secure)
            s_command(rows[i].w0, rows[i].w1);
        else
            command(rows[i].w0, rows[i].w1);
        bool bad = rows[i].drops == ~0u;
        u32 cons = from_secure ? srd32(0x9c) : rd32(CONS);
        ck_assert_msg(cons >> 24 == bad, "row %u: command error %u", i, cons >> 24);
        if (bad) { /* taken back, acknowledged */
            if (from_secure)
                sreg(0x98, 4, s_prod = cons & 127), sreg(0x64, 4, srd32(0x60));
            else
                reg32(PROD, prod = cons & 127), reg32(GERRORN, rd32(GERROR));
            sreg(0x20, 4, 1), reg32(CR0, 1); /* ERR may be written while the queue is off */
            sreg(0x9c, 4, s_prod), reg32(CONS, prod);
            sreg(0x20, 4, 9), reg32(CR0, 9);
        }
        unsigned drops = dropped();
        ck_assert_msg(drops == (bad ? 0 : rows[i].drops), "row %u of %s: 0x%x dropped", i,
                      from_secure ? "Secure" : "Non-secure", drops);
    }
}

START_TEST(test_nonsecure_commands)
{
    static const struct row rows[] = {
        {0x10 | VMID(3), 0, NH3},
        {0x10 | VMID(4), 0, 0x8},
        {0x10 | VMID(5), 0, 0},
        {0x11 | VMID(3) | ASID(9), 0, 0x21},
        {0x11 | VMID(3) | ASID(8), 0, 0x4},
        {0x12 | VMID(3) | ASID(9), VA, 0x23},
        {0x12 | VMID(3) | ASID(8), VA, 0x6},
        {0x12 | VMID(3) | ASID(9), VA + 0x1000, 0},
        {0x12 | VMID(3) | ASID(9) | 1 << 12, (VA - 0x1000) | 1 << 10, 0x23}, /* two pages */
        {0x12 | VMID(3) | ASID(9) | 1 << 12, (VA - 0x2000) | 1 << 10, 0},
        {0x13 | VMID(3), VA, NH3},
        {0x13 | VMID(3), VA | 1 << 10, ~0u}, /* the reserved range */
        {0x13 | VMID(3), VA | 7 << 8, NH3},  /* with a level */
        {0x20, 0, 0x40},
        {0x21 | ASID(9), 0, 0}, /* EL2 has no ASIDs */
        {0x22 | ASID(1), VA, 0x40},
        {0x23, VA, 0x40},
        {0x23, VA + 0x1000, 0},
        {0x28 | VMID(3), 0, NH3 | 0x10},
        {0x2a | VMID(3), VA, 0x10},
        {0x2a | VMID(3), VA + 0x1000, 0},
        {0x2a | VMID(4), VA, 0},
        {0x30, 0, GUESTS},
        {0x46, 0, 0},
        {0x18, 0, ~0u},
        {0x1a, VA, ~0u},
        {0x50, 0, ~0u},
        {0x52, VA, ~0u},
        {0x58, 0, ~0u},
        {0x5a, VA, ~0u},
        {0x60, 0, ~0u},
        {0x03 | 1 << 10, 1, ~0u}, /* SSec */
        {0x70, 0, ~0u},
    };
    begin(0, 0);
    check(rows, ARRAY_LEN(rows), false);
}
END_TEST

START_TEST(test_secure_commands)
{
    static const struct row rows[] = {
        {0x10, 0, 0x80},
        {0x10 | VMID(3), 0, 0x200},
        {0x11 | ASID(9), 0, 0x80},
        {0x11 | VMID(3) | ASID(9), 0, 0x200},
        {0x11 | VMID(3) | ASID(8), 0, 0},
        {0x12 | VMID(3) | ASID(9), VA, 0x200},
        {0x13, VA, 0x80},
        {0x18, 0, 0x400},
        {0x1a, VA, 0x400},
        {0x1a, VA + 0x1000, 0},
        {0x20, 0, 0x40}, /* these are Non-secure from here, too */
        {0x22, VA, 0x40},
        {0x28 | VMID(3), 0, NH3 | 0x10},
        {0x2a | VMID(3), VA, 0x10},
        {0x30, 0, GUESTS},
        {0x50, 0, 0x800},
        {0x51 | ASID(9), 0, 0},
        {0x52, VA, 0x800},
        {0x53, VA, 0x800},
        {0x58 | VMID(3), 0, 0x300},
        {0x5a | VMID(3), VA, 0x100},
        {0x60, 0, 0x380},
    };
    begin(0, 0);
    check(rows, ARRAY_LEN(rows), true);
}
END_TEST

/* EL2 with E2H has ASIDs. */
START_TEST(test_e2h)
{
    static const struct row rows[] = {{0x20, 0, 0x40},         {0x21 | ASID(9), 0, 0x40},
                                      {0x21 | ASID(8), 0, 0},  {0x22 | ASID(9), VA, 0x40},
                                      {0x22 | ASID(8), VA, 0}, {0x23, VA, 0x40}};
    static const struct row secure[] = {{0x50, 0, 0x800}, {0x51 | ASID(9), 0, 0x800}, {0x52 | ASID(8), VA, 0}};
    begin(1, 1);
    check(rows, ARRAY_LEN(rows), false);
    check(secure, ARRAY_LEN(secure), true);
}
END_TEST

/* ---- broadcasts --------------------------------------------------------------------------------- */

#define SCOPE(kind_, pas_, ...)                                                                                        \
    {                                                                                                                  \
        .kind = kind_, .pas = pas_, __VA_ARGS__                                                                        \
    }
static const struct {
    struct tlb_inv inv;
    unsigned drops;
} casts[] = {
    {{.form = TLB_INV_ALL, .scope = SCOPE(REGIME_EL10, PAS_NS, .vmid = 3)}, NH3},
    {{.form = TLB_INV_ALL, .scope = SCOPE(REGIME_EL10, PAS_NS, .vmid = 3), .both_stages = true}, NH3 | 0x10},
    {{.form = TLB_INV_ALL, .scope = SCOPE(REGIME_EL10, PAS_NS, .any_vmid = true), .both_stages = true}, GUESTS},
    {{.form = TLB_INV_ASID, .scope = SCOPE(REGIME_EL10, PAS_NS, .vmid = 3), .asid = 9}, 0x21},
    {{.form = TLB_INV_ASID, .scope = SCOPE(REGIME_EL10, PAS_NS, .vmid = 3), .asid = 8}, 0}, /* a private ASID */
    {{.form = TLB_INV_VA, .scope = SCOPE(REGIME_EL10, PAS_NS, .vmid = 3), .asid = 9, .va = VA, .size = 4096}, 0x23},
    {{.form = TLB_INV_VA, .scope = SCOPE(REGIME_EL10, PAS_NS, .vmid = 3), .asid = 8, .va = VA, .size = 4096}, 0x2},
    {{.form = TLB_INV_VA, .scope = SCOPE(REGIME_EL10, PAS_NS, .vmid = 3), .any_asid = true, .va = VA, .size = 1}, NH3},
    {{.form = TLB_INV_VA, .scope = SCOPE(REGIME_EL10, PAS_NS, .vmid = 3), .any_asid = true, .va = VA + 4096, .size = 1},
     0},
    {{.form = TLB_INV_VA,
      .scope = SCOPE(REGIME_EL10, PAS_NS, .vmid = 3, .stage2_only = true),
      .any_asid = true,
      .va = VA,
      .size = 4096},
     0x10},
    {{.form = TLB_INV_ALL, .scope = SCOPE(REGIME_EL2, PAS_NS, .any_vmid = true)}, 0x40},
    {{.form = TLB_INV_VA, .scope = SCOPE(REGIME_EL2, PAS_NS, .any_vmid = true), .any_asid = true, .va = VA, .size = 1},
     0x40},
    {{.form = TLB_INV_ALL, .scope = SCOPE(REGIME_EL20, PAS_NS, .any_vmid = true)}, 0},
    {{.form = TLB_INV_ALL, .scope = SCOPE(REGIME_EL3, PAS_S, .any_vmid = true)}, 0x400},
    {{.form = TLB_INV_ALL, .scope = SCOPE(REGIME_EL2, PAS_S, .any_vmid = true)}, 0x800},
    {{.form = TLB_INV_ALL, .scope = SCOPE(REGIME_EL10, PAS_S)}, 0x80},
    {{.form = TLB_INV_ALL, .scope = SCOPE(REGIME_EL10, PAS_S, .vmid = 3)}, 0x200},
    {{.form = TLB_INV_ALL, .scope = SCOPE(REGIME_EL10, PAS_S, .any_vmid = true), .both_stages = true}, 0x380},
    {{.form = TLB_INV_NONE}, 0},
};

START_TEST(test_broadcasts)
{
    begin(0, 0);
    for (unsigned i = 0; i < ARRAY_LEN(casts); i++) {
        fill();
        smmu_broadcast(s, &casts[i].inv);
        unsigned drops = dropped();
        ck_assert_msg(drops == casts[i].drops, "broadcast %u: 0x%x dropped", i, drops);
    }
    for (unsigned world = 0; world < 2; world++) { /* PTM: not for us */
        begin(world ? 0 : 4, world ? 4 : 0);
        for (unsigned i = 0; i < ARRAY_LEN(casts); i++) {
            fill();
            smmu_broadcast(s, &casts[i].inv);
            unsigned deaf = world ? ALL_KINDS & ~0x7fu : 0x7f;
            ck_assert_uint_eq(dropped(), casts[i].drops & ~deaf);
        }
    }
}
END_TEST

/* ---- Secure stage 2 ------------------------------------------------------------------------------- */

/* Which address space an IPA of either space leads to, by S2SW, S2SA, S2NSW and S2NSA (3.10.2.2). */
START_TEST(test_secure_stage2)
{
    begin(0, 0);
    struct tree one = tree1(12), secure_ipas = tree2(12), other_ipas = tree2(12);
    for (u64 a = RAM; a < DATA; a += 0x1000)
        map(&secure_ipas, a, a, S2_PAGE);
    map(&secure_ipas, VA, APART, S2_PAGE);
    map(&other_ipas, VA, APART, S2_PAGE);
    const u64 mark[2] = {0x5ec, 0x0ff};
    ck_assert_int_eq(bus_load(bus, PAS_S, APART, &mark[0], 8), BUS_OK);
    ck_assert_int_eq(bus_load(bus, PAS_NS, APART, &mark[1], 8), BUS_OK);
    for (unsigned bits_ = 0; bits_ < 16; bits_++)
        for (unsigned ns = 0; ns < 2; ns++)
            for (unsigned config = 6; config <= 7; config++) {
                bool sw = bits_ & 1, sa = sw || (bits_ & 2), nsw = bits_ & 4, nsa = sa || nsw || (bits_ & 8);
                map(&one, VA, VA, S1_PAGE | (ns ? 1u << 5 : 0));
                make_cd(0, &one, 1, 0);
                u64 w[8] = {1 | config << 1 | CDS_AT,
                            ns ? 3ull << 46 : 2ull << 46 /* NSCFG, for stage 2 alone */,
                            3 | 24ull << 32 | 1ull << 38 | 5ull << 48 | 1ull << 51 | 1ull << 58,
                            (u64)(bits_ >> 2) | other_ipas.root,
                            24ull << 32 | 1ull << 38,
                            0,
                            (u64)(bits_ & 3) | secure_ipas.root};
                write_ste(S_STRTAB, 20, w);
                everything();
                dma.txn.stream = 20;
                dma.txn.space = PAS_S;
                u64 v = 0;
                ck_assert_int_eq(load(VA, &v), BUS_OK);
                ck_assert_msg(v == mark[ns ? nsa : sa], "SW, SA, NSW, NSA %x, IPA space %u, config %u: 0x%llx", bits_,
                              ns, config, (unsigned long long)v);
            }
}
END_TEST

/* ---- 52 bits -------------------------------------------------------------------------------------- */

/* The descriptor of a page at HIGH: the upper address bits are elsewhere. */
static u64 high(unsigned g, bool ds, u64 attrs_)
{
    u64 at = HIGH & ~(0xfull << 48), top = HIGH >> 48 & 15;
    if (g == 16)
        return at | top << 12 | attrs_;
    ck_assert(ds);
    return (at & ~ones(g)) | (HIGH & 3ull << 48) | (HIGH >> 50 & 3) << 8 | (attrs_ & ~(3ull << 8));
}

START_TEST(test_52_bits)
{
    teardown();
    start(&(struct smmu_config){.oas = 52});
    ck_assert_uint_eq(rd32(0x14) & 0xfff, 6 | 7 << 4 | 1 << 7 | 1 << 10);
    const u64 va = 0x9123450000000ull; /* 52 bits */
    static const unsigned granules[] = {12, 14, 16};
    for (unsigned g = 0; g < 3; g++)
        for (unsigned stage = 1; stage <= 2; stage++) {
            unsigned gr = granules[g], ds = gr != 16;
            next_table = TABLES;
            /* five, four and three levels; stage 2 with 16 KiB begins with level 0 as well */
            struct tree t = {gr, 52, gr == 12 ? -1 : gr == 14 ? 0 : 1, 0};
            unsigned low = gr + (gr - 3) * (unsigned)(3 - t.level);
            t.root = new_table(8ull << (52 - low) < 64 ? 64 : 8ull << (52 - low));
            put64(leaf(&t, va), high(gr, ds, stage == 1 ? S1_PAGE : S2_PAGE));
            if (stage == 1) {
                cd(0,
                   (u64[8]){12 | tg0(gr) << 6 | 1u << 30 | 1u << 31 | 6ull << 32 | 1ull << 41 | 3ull << 45 | 1ull << 48,
                            t.root, (u64)ds << 58, 0xff});
                ste((u64[8]){1 | 5 << 1 | CDS_AT});
            } else {
                u64 sl0 = gr == 12 ? 0 : gr == 14 ? 3 : 2;
                ste((u64[8]){1 | 6 << 1, 0,
                             3 | 12ull << 32 | sl0 << 38 | tg0(gr) << 46 | 6ull << 48 | 1ull << 51 | 1ull << 58,
                             t.root | (u64)ds << 3 | (gr == 12 ? 4 : 0)});
            }
            flush();
            put64(HIGH, 0x1000 + gr);
            u64 v = 0;
            ck_assert_msg(load(va, &v) == BUS_OK, "granule %u, stage %u: event %u", gr, stage, next_event());
            ck_assert_uint_eq(v, 0x1000 + gr);
            if (!ds)
                continue;
            /* without DS the size is illegal */
            if (stage == 1)
                put64(CDS_AT + 16, 0);
            else
                put64(STRTAB + 64 * SID + 24, t.root);
            flush();
            ck_assert_int_ne(load(va, &v), BUS_OK);
            ck_assert_uint_eq(next_event(), stage == 1 ? SMMU_C_BAD_CD : SMMU_C_BAD_STE);
        }
}
END_TEST

/* CMD_SYNC with SEV, and a queue that has room again, wake PEs from WFE. */
START_TEST(test_wake)
{
    command(0x46 | 2 << 12, 0);
    ck_assert_uint_eq(edges[4], 1);
    reg32(CR0, 5);
    for (unsigned i = 0; i < 64; i++) /* the queue is full, nobody consumes */
        command(0x30, 0);
    ck_assert_uint_eq(edges[4], 1);
    reg32(CR0, 13);
    ck_assert_uint_eq(rd32(CONS), rd32(PROD));
    ck_assert_uint_eq(edges[4], 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_nonsecure_commands, test_secure_commands, test_e2h, test_broadcasts,
                                  test_secure_stage2,      test_52_bits,         test_wake};
    return poke_main("smmu_tlb", setup, teardown, tests, ARRAY_LEN(tests));
}
