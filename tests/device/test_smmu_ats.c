/* SMMUv3: ATS translation requests and translated transactions by configuration (IHI0070 3.9, 13.6, 13.7), ATC_INV, the
 * PRI queue with its automatic responses (chapter 8). */
#include "smmu_rig.h"

enum { ATSCHK = 16, PRIQEN = 2, PRIQ = RAM + 0x70000, PPROD = 0x100c8, PCONS = 0x100cc };
static const u64 va = 0x123450000ull, ipa = 0x2345a0000ull, pa = DATA + 0x10000;
static struct tree t1, t2;

static void tables(unsigned config, unsigned g1, unsigned g2, unsigned eats)
{
    next_table = TABLES;
    t1 = tree1(g1), t2 = tree2(g2);
    if (config & 1)
        map(&t1, va, config == 7 ? ipa : pa, S1_PAGE);
    if (config & 2)
        map(&t2, ipa, pa, S2_PAGE);
    if (config == 7)
        for (u64 a = RAM; a < DATA; a += 1ull << t2.g)
            map(&t2, a, a, S2_PAGE);
    make_cd(0, &t1, 9, 0);
    make_ste(config, &t2, 3, 0, (u64)eats << 28);
    flush();
}

static struct smmu_ats_reply ask(u64 addr, bool no_write)
{
    return smmu_ats_translate(s, &(struct smmu_ats_request){.addr = addr,
                                                            .sid = dma.txn.stream,
                                                            .ssid = dma.txn.substream,
                                                            .ssv = dma.txn.substream != 0,
                                                            .secure = dma.txn.space == PAS_S,
                                                            .no_write = no_write});
}

static enum smmu_result pass(enum smmu_op op, u64 addr, u64 v)
{
    last = (struct smmu_access){.addr = addr,
                                .sid = dma.txn.stream,
                                .op = (u8)op,
                                .size = 8,
                                .translated = true,
                                .secure = dma.txn.space == PAS_S};
    memcpy(last.data, &v, 8);
    return smmu_access(s, &last);
}

/* Every configuration and granule: the answer leads to the page, with and without ATSCHK. */
START_TEST(test_translations)
{
    static const unsigned granules[] = {12, 14, 16};
    for (unsigned config = 5; config <= 7; config++)
        for (unsigned g = 0; g < 9; g++)
            for (unsigned chk = 0; chk < 2; chk++) {
                unsigned g1 = granules[g % 3], g2 = granules[g / 3];
                reg32(CR0, 13 | chk * ATSCHK);
                tables(config, g1, g2, 1);
                u64 in = config == 6 ? ipa : va;
                struct smmu_ats_reply a = ask(in | 0x123, false);
                unsigned log2 = config == 5 ? g1 : config == 6 ? g2 : g1 < g2 ? g1 : g2;
                ck_assert_uint_eq(a.status, SMMU_ATS_SUCCESS);
                ck_assert(a.r && a.w && !a.exe && !a.priv);
                ck_assert_uint_eq(a.log2, log2);
                ck_assert_uint_eq(a.addr, pa);
                put64(pa, 0x12);
                ck_assert_int_eq(pass(SMMU_SWAP, a.addr, 0x34), SMMU_DONE);
                ck_assert_uint_eq(word_of(&last), 0x12);
                ck_assert_uint_eq(get64(pa), 0x34);
                ck_assert_int_eq(pass(SMMU_READ, 1ull << 48, 0), SMMU_ABORTED); /* beyond the output size: silent */
                ck_assert_uint_eq(next_event(), 0);
            }
}
END_TEST

/* Who may not ask, and what is told. */
START_TEST(test_refusals)
{
    enum { OFF, CONFIG_0, CONFIG_4, EATS_0, EATS_3, SPLIT_UNCHECKED, SECURE, CASES };
    for (unsigned how = 0; how < CASES; how++) {
        teardown();
        start(&(struct smmu_config){.secure = how == SECURE});
        tables(7, 12, 12, how == EATS_0 ? 0 : how == EATS_3 ? 3 : how == SPLIT_UNCHECKED ? 2 : 1);
        if (how == CONFIG_0 || how == CONFIG_4)
            ste((u64[8]){1 | (how == CONFIG_4 ? 4 << 1 : 0), 1ull << 28});
        flush();
        dma.txn.space = how == SECURE ? PAS_S : PAS_NS;
        bool chk = how != OFF && how != SPLIT_UNCHECKED && how != SECURE;
        reg32(CR0, how == OFF ? 12 : 13 | (chk ? ATSCHK : 0));
        struct smmu_ats_reply a = ask(va | 0x45, how & 1);
        ck_assert_uint_eq(a.status, SMMU_ATS_UR);
        if (how != SECURE)
            ck_assert_uint_eq(next_event(), how == CONFIG_0 ? 0 : SMMU_F_BAD_ATS_TREQ);
        if (event[0]) {
            ck_assert_uint_eq(event[1], 1u << 31 | (u64) !(how & 1) << 30);
            ck_assert_uint_eq(event[2], va | 1);
        }
        enum smmu_result r = pass(SMMU_WRITE, pa, 1);
        ck_assert_int_eq(r, how == SPLIT_UNCHECKED ? SMMU_DONE : SMMU_ABORTED);
        if (how == SECURE)
            continue; /* told in the Secure queue, which is off here */
        ck_assert_uint_eq(next_event(), how == CONFIG_0 || how == SPLIT_UNCHECKED ? 0 : SMMU_F_TRANSL_FORBIDDEN);
        if (event[0]) {
            ck_assert_uint_eq(event[1], 0);
            ck_assert_uint_eq(event[2], pa);
        }
    }
}
END_TEST

/* Errors of the configuration: a Completer Abort, recorded when CR2.REC_CFG_ATS asks for it. */
START_TEST(test_config_errors)
{
    enum { BAD_STREAM, NO_STE, NO_TABLE, BAD_CD, NO_CD, SUBSTREAM, NO_WALK, CASES };
    static const u8 events[] = {SMMU_C_BAD_STREAMID, SMMU_C_BAD_STE,         SMMU_F_STE_FETCH, SMMU_C_BAD_CD,
                                SMMU_F_CD_FETCH,     SMMU_C_BAD_SUBSTREAMID, SMMU_F_WALK_EABT};
    for (unsigned record = 0; record < 2; record++)
        for (unsigned how = 0; how < CASES; how++) {
            teardown();
            start(&(struct smmu_config){0});
            reg32(CR0, 12);
            reg32(0x2c, 2 | record << 3);
            reg64(0x80, how == NO_TABLE ? HOLE : STRTAB);
            reg32(CR0, 13 | ATSCHK);
            tables(5, 12, 12, 1);
            if (how == BAD_STREAM)
                dma.txn.stream = 16;
            if (how == NO_STE)
                ste((u64[8]){0});
            if (how == BAD_CD)
                put64(CDS_AT, 0);
            if (how == NO_CD)
                put64(STRTAB + 64 * SID, 1 | 5 << 1 | HOLE);
            if (how == SUBSTREAM)
                dma.txn.substream = 1;
            if (how == NO_WALK)
                put64(t1.root + 8 * (va >> 39), HOLE | 3);
            flush();
            ck_assert_uint_eq(ask(va, true).status, SMMU_ATS_CA);
            ck_assert_uint_eq(next_event(), record ? events[how] : 0);
            /* a translated access sees what is before EATS, whatever RECINVSID says */
            bool ste_bad = how <= NO_TABLE;
            ck_assert_int_eq(pass(SMMU_READ, pa, 0), ste_bad ? SMMU_ABORTED : SMMU_DONE);
            ck_assert_uint_eq(next_event(), ste_bad && record ? events[how] : 0);
        }
}
END_TEST

/* Faults of the translation deny, and are told to nobody. */
START_TEST(test_faults)
{
    for (unsigned stage = 1; stage <= 2; stage++)
        for (unsigned how = 0; how < 4; how++) {
            tables(7, 12, 12, 1);
            u64 at = stage == 1 ? leaf(&t1, va) : leaf(&t2, ipa), d = get64(at);
            if (how == 2) {
                put64(stage == 1 ? CDS_AT : STRTAB + 64 * SID + 16,
                      stage == 1 ? (get64(CDS_AT) & ~(7ull << 32)) | 2ull << 32
                                 : (get64(STRTAB + 64 * SID + 16) & ~(7ull << 48)) | 2ull << 48);
                flush();
            }
            put64(at, how == 0 ? 0 : how == 1 ? d & ~(1ull << 10) : how == 2 ? d | 1ull << 45 : d & ~(3ull << 6));
            struct smmu_ats_reply a = ask(va, false);
            ck_assert_uint_eq(a.status, SMMU_ATS_SUCCESS);
            ck_assert(!a.r && !a.w && !a.exe);
            ck_assert_uint_eq(next_event(), 0);
        }
    tables(7, 12, 12, 1); /* a stage 2 fault of the descriptor's own address */
    put64(leaf(&t2, CDS_AT), 0);
    flush();
    struct smmu_ats_reply a = ask(va, true);
    ck_assert_uint_eq(a.status, SMMU_ATS_SUCCESS);
    ck_assert(!a.r && !a.w);
    ck_assert_uint_eq(next_event(), 0);
}
END_TEST

/* The examples of 13.7: what is asked, the page's permissions, what is granted. */
START_TEST(test_permissions)
{
    enum { USER = 1 << 6, RO = 1 << 7 };
#define UXN (1ull << 54)
#define PXN (1ull << 53)
    static const struct {
        bool nw, exe, priv;
        u64 page; /* AP[2:1] in 7:6, UXN, PXN */
        u64 ste1; /* overrides: INSTCFG in 51:50, PRIVCFG in 49:48 */
        bool r, w, x;
    } cases[] = {
        {true, false, false, USER | RO, 0, true, false, false},
        {false, false, false, USER, 0, true, true, false},
        {false, false, false, USER | RO, 0, true, false, false},
        {false, false, true, 0, 0, true, true, false},
        {true, true, false, USER | UXN, 0, true, true, false},
        {false, false, false, USER | UXN, 0, true, true, false},
        {false, true, false, USER, 0, true, true, true},
        {false, true, false, 0, 0, false, false, false},                 /* the user may only execute */
        {false, true, false, 0, 3ull << 50, true, false, true},          /* all reads are fetches */
        {false, true, false, USER | UXN, 2ull << 50, true, true, true},  /* all are data */
        {false, false, true, USER | RO, 2ull << 48, true, false, false}, /* as unprivileged */
        {false, false, false, 0, 3ull << 48, true, true, false},         /* as privileged */
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        tables(5, 12, 12, 1);
        map(&t1, va, pa, (S1_PAGE & ~(3ull << 6)) | cases[i].page);
        make_cd(1, &t1, 9, 0);
        make_ste(5, NULL, 0, 1ull << 59, 1ull << 28 | cases[i].ste1);
        flush();
        struct smmu_ats_reply a = smmu_ats_translate(s, &(struct smmu_ats_request){.addr = va,
                                                                                   .sid = SID,
                                                                                   .ssid = 1,
                                                                                   .ssv = true,
                                                                                   .no_write = cases[i].nw,
                                                                                   .exe = cases[i].exe,
                                                                                   .priv = cases[i].priv});
        ck_assert_uint_eq(a.status, SMMU_ATS_SUCCESS);
        ck_assert_msg(a.r == cases[i].r && a.w == cases[i].w && a.exe == cases[i].x && a.priv == cases[i].priv,
                      "case %u: %d %d %d %d", i, a.r, a.w, a.exe, a.priv);
    }
    /* S1DSS = 1: without a SubstreamID as it came */
    make_ste(5, NULL, 0, 1ull << 59, 1ull << 28 | 1);
    flush();
    struct smmu_ats_reply a = ask(pa, false);
    ck_assert(a.status == SMMU_ATS_SUCCESS && a.r && a.w && !a.exe && a.addr == pa);
}
END_TEST

/* Requests are what sets the flags of pages: the access flag always, the dirty state for writing alone. */
START_TEST(test_flags)
{
    tables(5, 12, 12, 1);
    make_cd(0, &t1, 9, 3ull << 42);
    map(&t1, va, pa, (S1_PAGE & ~(1 << 10)) | 1 << 7 | 1ull << 51);
    flush();
    u64 at = leaf(&t1, va);
    struct smmu_ats_reply a = ask(va, true);
    ck_assert(a.r && !a.w);
    ck_assert_uint_eq(get64(at) >> 10 & 1, 1);
    ck_assert_uint_eq(get64(at) >> 7 & 1, 1);
    a = ask(va, false);
    ck_assert(a.r && a.w);
    ck_assert_uint_eq(get64(at) >> 7 & 1, 0);
}
END_TEST

/* Split-stage: the answer is an IPA, which stage 2 translates when it is used. */
START_TEST(test_split)
{
    reg32(CR0, 13 | ATSCHK);
    tables(7, 12, 12, 2);
    struct smmu_ats_reply a = ask(va, false);
    ck_assert(a.status == SMMU_ATS_SUCCESS && a.r && a.w);
    ck_assert_uint_eq(a.addr, ipa);
    ck_assert_int_eq(pass(SMMU_WRITE, a.addr, 0x5678), SMMU_DONE);
    ck_assert_uint_eq(get64(pa), 0x5678);
    put64(leaf(&t2, ipa), 0);
    ck_assert_int_eq(pass(SMMU_WRITE, a.addr, 1), SMMU_DONE); /* stale until it is named */
    command(0x2a | 3ull << 32, ipa);
    ck_assert_int_eq(pass(SMMU_READ, a.addr, 1), SMMU_ABORTED);
    ck_assert_uint_eq(next_event(), SMMU_F_TRANSLATION);
    ck_assert_uint_eq(event[1], 1ull << 35 | 1ull << 39 | 2ull << 40);
    ck_assert_uint_eq(event[2], ipa);
    ck_assert_uint_eq(event[3], ipa);
    ck_assert_int_eq(pass(SMMU_READ, 1ull << 48, 1), SMMU_ABORTED);
    ck_assert_uint_eq(next_event(), SMMU_F_ADDR_SIZE);
    ck_assert_uint_eq(event[1] >> 39 & 1, 0);
}
END_TEST

START_TEST(test_atc_inv)
{
    static const struct {
        u64 w0, w1, addr;
        unsigned log2;
        bool ssv, global;
    } cases[] = {
        {0x40 | 7ull << 32, 0x123456789000ull, 0x123456789000ull, 12, false, false},
        {0x40 | 7ull << 32 | 1 << 11 | 0x55 << 12, 0x123456789000ull | 9, 0x123456600000ull, 21, true, false},
        {0x40 | 7ull << 32 | 1 << 11 | 1 << 9 | 0x55 << 12, 52, 0, 64, true, true},
        {0x40 | 7ull << 32 | 1 << 9, 52, 0, 64, false, false},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        command(cases[i].w0, cases[i].w1);
        ck_assert_uint_eq(heard.invalidated, i + 1);
        ck_assert_uint_eq(heard.sid, 7);
        ck_assert_uint_eq(heard.addr, cases[i].addr);
        ck_assert_uint_eq(heard.log2, cases[i].log2);
        ck_assert(heard.ssv == cases[i].ssv && heard.global == cases[i].global);
        if (heard.ssv)
            ck_assert_uint_eq(heard.ssid, 0x55);
    }
    reg32(CR0, 12);
    command(0x40, 52); /* ignored while translation is off */
    ck_assert_uint_eq(heard.invalidated, ARRAY_LEN(cases));
    command(0x40, 53);
    ck_assert_uint_eq(rd32(CONS) >> 24, 1);
}
END_TEST

static void page(u64 addr, unsigned group, bool ssv, bool last_one, bool rd, bool wr)
{
    smmu_page_request(s, &(struct smmu_page_request){.addr = addr,
                                                     .sid = SID,
                                                     .ssid = 0x31,
                                                     .ssv = ssv,
                                                     .group = (u16)group,
                                                     .last = last_one,
                                                     .r = rd,
                                                     .w = wr,
                                                     .exe = true,
                                                     .priv = true});
}

static void pri_on(u64 base)
{
    reg32(CR0, 13);
    reg64(0xc0, base);
    reg32(PPROD, 0);
    reg32(PCONS, 0);
    reg32(0x50, 7);
    reg32(CR0, 13 | PRIQEN);
}

START_TEST(test_pri)
{
    page(0x1000, 5, true, false, true, false); /* the queue is off: refused, without a PASID */
    ck_assert_uint_eq(heard.responses, 1);
    ck_assert(heard.code == SMMU_PRG_FAILURE && !heard.ssv && heard.group == 5 && heard.sid == SID);
    page(0, 5, true, true, false, false); /* but not a stop marker */
    ck_assert_uint_eq(heard.responses, 1);
    pri_on(PRIQ | 2);
    page(0xabcd123, 0x1ff, true, false, true, false);
    ck_assert_uint_eq(edges[3], 1);
    ck_assert_uint_eq(get64(PRIQ), SID | 0x31ull << 32 | 1ull << 58 | 1ull << 59 | 1ull << 60 | 1ull << 63);
    ck_assert_uint_eq(get64(PRIQ + 8), 0xabcd000 | 0x1ff);
    page(0x2000, 3, false, true, true, true);
    ck_assert_uint_eq(edges[3], 1); /* not from empty */
    ck_assert_uint_eq(get64(PRIQ + 16), SID | 7ull << 60);
    ck_assert_uint_eq(rd32(PPROD), 2);
    command(0x41 | (u64)SID << 32 | 1 << 11 | 0x31 << 12, 0x1ff | 2 << 12);
    ck_assert(heard.responses == 2 && heard.code == SMMU_PRG_SUCCESS && heard.ssv && heard.ssid == 0x31);
    command(0x41 | (u64)SID << 32, 3 | 1 << 12);
    ck_assert(heard.responses == 3 && heard.code == SMMU_PRG_INVALID && !heard.ssv && heard.group == 3);
    command(0x41 | (u64)SID << 32, 3);
    ck_assert(heard.code == SMMU_PRG_FAILURE);
    command(0x41 | (u64)SID << 32, 3 | 3 << 12);
    ck_assert_uint_eq(rd32(CONS) >> 24, 1);
}
END_TEST

START_TEST(test_pri_overflow)
{
    pri_on(PRIQ | 1);
    for (unsigned k = 0; k < 2; k++)
        page(0x1000 * k, k, true, true, true, false);
    ck_assert_uint_eq(rd32(PPROD), 2);
    page(0x9000, 9, true, false, true, false); /* no room: OVFLG, and no answer unless it is the last of its group */
    ck_assert_uint_eq(rd32(PPROD), 1u << 31 | 2);
    ck_assert_uint_eq(heard.responses, 0);
    page(0xa000, 10, true, true, true, false);
    ck_assert(heard.responses == 1 && heard.code == SMMU_PRG_SUCCESS && heard.ssv && heard.group == 10);
    page(0xa000, 11, true, true, false, false); /* a stop marker */
    ck_assert_uint_eq(heard.responses, 1);
    reg32(PCONS, 2); /* room, but the overflow is not acknowledged: nothing is written */
    page(0xb000, 12, false, true, true, false);
    ck_assert(heard.responses == 2 && !heard.ssv && heard.group == 12);
    ck_assert_uint_eq(rd32(PPROD), 1u << 31 | 2);
    reg32(PCONS, 1u << 31 | 2);
    page(0xc000, 13, false, true, true, false);
    ck_assert_uint_eq(heard.responses, 2);
    ck_assert_uint_eq(rd32(PPROD), 1u << 31 | 3);
    reg32(CR0, 12 | PRIQEN); /* SMMUEN off: the queue is, too */
    page(0xd000, 14, true, true, true, false);
    ck_assert(heard.responses == 3 && heard.code == SMMU_PRG_FAILURE && !heard.ssv);
}
END_TEST

/* Interrupts for the last of a group, by MSI; aborts of the queue and of the MSI. */
START_TEST(test_pri_errors)
{
    reg64(0xd0, MSI_AT);
    reg32(0xd8, 0x77);
    reg32(0xdc, 1u << 31);
    pri_on(PRIQ | 3);
    page(0x1000, 1, true, false, true, false);
    ck_assert_uint_eq(get64(MSI_AT), 0);
    page(0x1000, 1, true, true, true, false);
    ck_assert_uint_eq(get64(MSI_AT), 0x77);
    reg32(0x50, 5);
    reg64(0xd0, HOLE);
    reg32(0x50, 7);
    page(0x1000, 1, true, true, true, false);
    ck_assert_uint_eq(rd32(GERROR), 1 << 6);
    reg32(GERRORN, rd32(GERROR));
    pri_on(HOLE | 3);
    unsigned before = heard.responses;
    page(0x1000, 2, true, true, true, false);
    ck_assert_uint_eq(rd32(GERROR) ^ rd32(GERRORN), 1 << 3);
    ck_assert(heard.responses == before + 1 && heard.code == SMMU_PRG_FAILURE && !heard.ssv);
    page(0x1000, 3, true, true, true, false); /* and so until it is acknowledged */
    ck_assert(heard.responses == before + 2 && heard.group == 3);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_translations, test_refusals,     test_config_errors, test_faults,
                                  test_permissions,  test_flags,        test_split,         test_atc_inv,
                                  test_pri,          test_pri_overflow, test_pri_errors};
    return poke_main("smmu_ats", setup, teardown, tests, ARRAY_LEN(tests));
}
