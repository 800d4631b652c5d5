/* What people want to know of the SMMU: what is on, which stream is translated how, the queues, and the last faults in
 * words. Reads memory as a debugger does and changes nothing. */
#include <string.h>

#include "smmu/smmu_internal.h"

typedef unsigned long long ull;

enum { SHOWN = 32, SPAN_MAX = 11 };

static bool peek_words(const struct smmu *s, unsigned world, u64 addr, u64 *w, unsigned n)
{
    struct txn t = {.space = world ? PAS_S : PAS_NS, .cpu = TXN_DMA, .privileged = true, .debug = true};
    return bus_read(s->cfg.bus, &t, addr, w, 8 * n) == BUS_OK;
}

static unsigned granule_kib(unsigned log2) { return 1u << (log2 - 10); }

/* ---- streams ------------------------------------------------------------------------------------ */

static void show_stage1(const struct smmu *s, const struct ste *e, FILE *out)
{
    static const u8 tg0[] = {12, 16, 14, 12};
    u64 at = field(e->w, 55, 6) << 6;
    unsigned max = ste_cdmax(s, e), eats = (unsigned)field(e->w, 93, 92);
    struct cd c = {0};
    fprintf(out, "      stage 1: context descriptor%s at %s0x%llx", max ? "s" : "", ste_s2(e) ? "IPA " : "", (ull)at);
    if (max)
        fprintf(out, ", SubstreamIDs below %u, without one: %s", 1u << max,
                (const char *[]){"refused", "stage 1 is skipped", "descriptor 0", "reserved"}[ste_dss(e)]);
    /* a hypervisor's guest has its descriptors at IPAs, which is stage 2's business */
    if (!ste_s2(e) && !(max && field(e->w, 5, 4)) && peek_words(s, e->world, at, c.w, CD_WORDS)) {
        if (!field(c.w, 31, 31)) {
            fprintf(out, "; not valid\n");
            return;
        }
        fprintf(out, "\n        ASID %u%s, %u KiB pages, %u address bits, table 0x%llx, faults %s%s", cd_asid(&c),
                cd_aset(&c) ? " (not for the CPUs' broadcasts)" : "", granule_kib(tg0[field(c.w, 7, 6)]),
                64 - (unsigned)field(c.w, 5, 0), (ull)(field(c.w, 119, 68) << 4),
                cd_s(&c)   ? "stall"
                : cd_a(&c) ? "abort"
                           : "read as zero",
                cd_s(&c) || cd_r(&c) ? "" : " silently");
    }
    if (eats)
        fprintf(out, ", ATS %s", eats == 1 ? "for both stages" : eats == 2 ? "for stage 1" : "reserved");
    fputc('\n', out);
}

static void show_stage2(const struct ste *e, FILE *out)
{
    static const u8 tg[] = {12, 16, 14, 12};
    fprintf(out, "      stage 2: VMID %u, %u KiB pages, %u address bits, table 0x%llx, faults %s%s\n", ste_vmid(e),
            granule_kib(tg[field(e->w, 175, 174)]), 64 - (unsigned)field(e->w, 165, 160),
            (ull)(field(e->w, 247, 196) << 4), ste_s2s(e) ? "stall" : "abort",
            ste_s2s(e) || ste_s2r(e) ? "" : " silently");
}

static void show_stream(struct smmu *s, const struct ste *e, FILE *out)
{
    static const char *const how[] = {"as they are (bypass)", "stage 1", "stage 2", "stage 1, then stage 2"};
    const struct ste *in_use = smmu_ste_slot(s, e->world, e->sid);
    fprintf(out, "    stream 0x%x", e->sid);
    if (!e->world && e->sid < 0x10000)
        fprintf(out, " (PCI %02x:%02x.%u)", e->sid >> 8, e->sid >> 3 & 31, e->sid & 7);
    fprintf(out, ": addresses %s%s\n", field(e->w, 3, 1) > 4 ? "go through " : "go ", how[field(e->w, 2, 1)]);
    if (ste_s1(e))
        show_stage1(s, e, out);
    if (ste_s2(e))
        show_stage2(e, out);
    if (in_use->valid && in_use->sid == e->sid && in_use->world == e->world &&
        memcmp(in_use->w, e->w, sizeof e->w) != 0)
        fprintf(out, "      the SMMU still uses an older entry: no CMD_CFGI_STE has named it since memory changed\n");
}

struct tally {
    unsigned shown, more, bypass, abort;
};

static void count_stream(struct smmu *s, unsigned world, u32 sid, u64 addr, struct tally *n, FILE *out)
{
    struct ste e = {.sid = sid, .world = (u8)world};
    if (!peek_words(s, world, addr, e.w, STE_WORDS) || !(e.w[0] & 1))
        return;
    if (!ste_live(&e))
        n->abort++;
    else if (field(e.w, 3, 1) == 4)
        n->bypass++;
    else if (n->shown++ < SHOWN)
        show_stream(s, &e, out);
    else
        n->more++;
}

static void show_streams(struct smmu *s, unsigned world, FILE *out)
{
    const struct world *r = &s->world[world];
    unsigned log2 = r->strtab_cfg & 63, split = r->strtab_cfg >> 6 & 31;
    u64 base = r->strtab & (ones(52) & ~0x3full), desc;
    bool two = (r->strtab_cfg >> 16 & 3) == 1;
    struct tally n = {0};
    if (log2 > s->cfg.sid_bits)
        log2 = s->cfg.sid_bits;
    split = !two ? log2 : split == 8 || split == 10 ? split : 6;
    unsigned top = log2 > split ? log2 - split : 0;
    base &= ~ones(two ? top + 3 : log2 + 6);
    for (u32 i = 0; i < 1u << top; i++) {
        u64 table = base, entries = 1ull << split;
        if (two) {
            if (!peek_words(s, world, base + 8ull * i, &desc, 1) || !(desc & 31) || (desc & 31) > SPAN_MAX)
                continue;
            entries = 1ull << ((desc & 31) - 1);
            table = desc & (ones(52) & ~0x3full);
        }
        for (u32 k = 0; k < entries; k++)
            count_stream(s, world, i << split | k, table + 64ull * k, &n, out);
    }
    if (n.more)
        fprintf(out, "    and %u more that are translated\n", n.more);
    fprintf(out, "    %u translated, %u in bypass, %u that may do nothing; no other has an entry\n", n.shown, n.bypass,
            n.abort);
}

/* ---- faults in words ---------------------------------------------------------------------------- */

static const char *reason(unsigned id)
{
    switch (id) {
    case SMMU_C_BAD_STREAMID: return "the stream table has no place for this stream";
    case SMMU_F_STE_FETCH: return "the stream table entry could not be read";
    case SMMU_C_BAD_STE: return "the stream table entry is not valid, or contradicts itself";
    case SMMU_F_BAD_ATS_TREQ: return "it asked for a translation (ATS), which its entry does not allow";
    case SMMU_F_STREAM_DISABLED: return "accesses without a SubstreamID (or with 0) are refused";
    case SMMU_F_TRANSL_FORBIDDEN: return "it said that the address is translated (ATS), which its entry does not allow";
    case SMMU_C_BAD_SUBSTREAMID: return "no context descriptor for this SubstreamID";
    case SMMU_F_CD_FETCH: return "the context descriptor could not be read";
    case SMMU_C_BAD_CD: return "the context descriptor is not valid, or contradicts itself";
    case SMMU_F_WALK_EABT: return "a translation table could not be read";
    case SMMU_F_TRANSLATION: return "the tables map nothing there";
    case SMMU_F_ADDR_SIZE: return "an address is larger than the output size";
    case SMMU_F_ACCESS: return "the page's access flag is clear";
    case SMMU_F_PERMISSION: return "the page does not permit it";
    default: return "?";
    }
}

static const char *event_name(unsigned id)
{
    static const char *const names[] = {[SMMU_C_BAD_STREAMID] = "C_BAD_STREAMID",
                                        [SMMU_F_STE_FETCH] = "F_STE_FETCH",
                                        [SMMU_C_BAD_STE] = "C_BAD_STE",
                                        [SMMU_F_BAD_ATS_TREQ] = "F_BAD_ATS_TREQ",
                                        [SMMU_F_STREAM_DISABLED] = "F_STREAM_DISABLED",
                                        [SMMU_F_TRANSL_FORBIDDEN] = "F_TRANSL_FORBIDDEN",
                                        [SMMU_C_BAD_SUBSTREAMID] = "C_BAD_SUBSTREAMID",
                                        [SMMU_F_CD_FETCH] = "F_CD_FETCH",
                                        [SMMU_C_BAD_CD] = "C_BAD_CD",
                                        [SMMU_F_WALK_EABT] = "F_WALK_EABT",
                                        [SMMU_F_TRANSLATION] = "F_TRANSLATION",
                                        [SMMU_F_ADDR_SIZE] = "F_ADDR_SIZE",
                                        [SMMU_F_ACCESS] = "F_ACCESS",
                                        [SMMU_F_PERMISSION] = "F_PERMISSION"};
    return id < ARRAY_LEN(names) && names[id] ? names[id] : "event";
}

static void show_fault(const struct note *n, FILE *out)
{
    static const char *const class[] = {"reading the context descriptor", "reading a table of stage 1", "the access",
                                        "?"};
    const u64 *r = n->record;
    unsigned id = (unsigned)(r[0] & 0xff);
    bool access = id >= SMMU_F_WALK_EABT, stage2 = bit(r[1], 39);
    fprintf(out, "    %s, stream 0x%llx", event_name(id), (ull)(r[0] >> 32));
    if (bit(r[0], 11))
        fprintf(out, ", SubstreamID %llu", (ull)bits(r[0], 31, 12));
    if (access)
        fprintf(out, ", %s 0x%llx", bit(r[1], 34) ? "fetch from" : bit(r[1], 35) ? "read of" : "write to", (ull)r[2]);
    fprintf(out, ": %s", reason(id));
    if (access)
        fprintf(out, " (stage %u, %s%s)", stage2 ? 2 : 1, class[bits(r[1], 41, 40)],
                bit(r[1], 33) ? ", privileged" : "");
    if (access && stage2 && id != SMMU_F_WALK_EABT)
        fprintf(out, ", IPA 0x%llx", (ull)r[3]);
    if (id == SMMU_F_WALK_EABT || id == SMMU_F_STE_FETCH || id == SMMU_F_CD_FETCH)
        fprintf(out, ", at 0x%llx", (ull)r[3]);
    if (access && (r[1] & EVENT_STALL))
        fprintf(out, "; it waits for CMD_RESUME with tag %llu", (ull)(r[1] & 0xffff));
    fprintf(out, "%s\n", n->lost ? "; the event queue did not take the record" : "");
}

/* ---- registers and queues ------------------------------------------------------------------------- */

static void show_queue(const char *name, bool on, u64 base, u32 prod, u32 cons, FILE *out)
{
    u32 mask = (u32)ones(smmu_queue_log2(base) + 1);
    fprintf(out, "    %s queue: %s", name, on ? "" : "off\n");
    if (on)
        fprintf(out, "%u of %u entries waiting%s\n", (prod - cons) & mask, 1u << smmu_queue_log2(base),
                (prod ^ cons) >> 31 ? ", some were lost (overflow)" : "");
}

static void show_errors(const struct world *w, FILE *out)
{
    static const struct {
        u32 bit;
        const char *what;
    } errors[] = {{GERROR_CMDQ, "a command was refused (CMDQ_CONS.ERR)"},
                  {GERROR_EVENTQ_ABT, "the event queue's memory does not answer"},
                  {GERROR_PRIQ_ABT, "the page request queue's memory does not answer"},
                  {GERROR_MSI_CMDQ_ABT, "CMD_SYNC's MSI was aborted"},
                  {GERROR_MSI_EVENTQ_ABT, "the event queue's MSI was aborted"},
                  {GERROR_MSI_PRIQ_ABT, "the page request queue's MSI was aborted"},
                  {GERROR_MSI_GERROR_ABT, "the error's own MSI was aborted"}};
    for (unsigned i = 0; i < ARRAY_LEN(errors); i++)
        if ((w->gerror ^ w->gerrorn) & errors[i].bit)
            fprintf(out, "    error: %s\n", errors[i].what);
}

static void show_world(struct smmu *s, unsigned world, FILE *out)
{
    const struct world *w = &s->world[world];
    bool on = w->cr0 & CR0_SMMUEN;
    unsigned stalled = 0;
    fprintf(out, "  %s streams: %s\n", world ? "Secure" : "Non-secure",
            on                     ? "translated"
            : w->gbpa & GBPA_ABORT ? "the SMMU is off and aborts all of them"
                                   : "the SMMU is off, addresses go as they are");
    if (on)
        show_streams(s, world, out);
    show_queue("command", w->cr0 & CR0_CMDQEN, w->cmdq, w->cmdq_prod & 0x7fffffff, w->cmdq_cons & 0xffffff, out);
    show_queue("event", w->cr0 & CR0_EVENTQEN, w->eventq, w->eventq_prod, w->eventq_cons, out);
    if (!world)
        show_queue("page request", w->cr0 & CR0_PRIQEN, w->priq, w->priq_prod, w->priq_cons, out);
    for (unsigned i = 0; i < STALLS; i++)
        stalled += s->stall[i].state != STALL_FREE && s->stall[i].world == world;
    if (stalled)
        fprintf(out, "    %u transactions are stalled\n", stalled);
    show_errors(w, out);
}

void smmu_view(struct smmu *s, FILE *out)
{
    fprintf(out, "SMMUv3.2: %u address bits, stage%s%s%s, StreamIDs of %u bits, SubstreamIDs of %u\n", s->cfg.oas,
            s->cfg.no_stage1 || s->cfg.no_stage2 ? " " : "s ", s->cfg.no_stage1 ? "" : "1",
            s->cfg.no_stage2   ? ""
            : s->cfg.no_stage1 ? "2"
                               : " and 2",
            s->cfg.sid_bits, s->cfg.ssid_bits);
    for (unsigned w = 0; w <= s->cfg.secure; w++)
        show_world(s, w, out);
    u32 n = s->notes < NOTES ? s->notes : NOTES;
    fprintf(out, "  %u faults so far%s\n", s->notes, n ? "; the last ones, oldest first:" : "");
    for (u32 i = s->notes - n; i != s->notes; i++)
        if (s->note[i % NOTES].valid)
            show_fault(&s->note[i % NOTES], out);
}
