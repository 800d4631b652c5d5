/* Stalled transactions (IHI0070 3.12.2): they wait for CMD_RESUME, CMD_STALL_TERM or the end of SMMUEN.
 *
 * The STAG of an event is the place in the table, which is free again with the command that names it. A transaction
 * whose event found no room in the event queue is tried again, as though it had just arrived, when there is room.
 * Nothing retries by itself, and no event is suppressed as a duplicate. */
#include <string.h>

#include "core/check.h"
#include "smmu/smmu_internal.h"

int smmu_stall_slot(struct smmu *s)
{
    for (unsigned i = 0; i < STALLS; i++)
        if (s->stall[i].state == STALL_FREE)
            return (int)i;
    return -1;
}

void smmu_stall_keep(struct smmu *s, unsigned slot, const struct smmu_access *a, u8 world, bool reported)
{
    s->stall[slot] = (struct stall){
        .access = *a, .order = s->stall_order++, .world = world, .state = reported ? STALL_REPORTED : STALL_UNREPORTED};
}

static struct smmu_access take(struct smmu *s, unsigned slot)
{
    struct smmu_access a = s->stall[slot].access;
    memset(&s->stall[slot], 0, sizeof s->stall[slot]);
    return a;
}

static void tell(struct smmu *s, const struct smmu_access *a, enum smmu_result how)
{
    if (a->client < s->clients && s->client[a->client].done)
        s->client[a->client].done(s->client[a->client].arg, a, how);
}

static void again(struct smmu *s, unsigned slot)
{
    struct smmu_access a = take(s, slot);
    enum verdict v = smmu_run(s, &a);
    CHECK(v != BUSY); /* its own place is free */
    if (v != STALL)
        tell(s, &a, v == ABORT ? SMMU_ABORTED : SMMU_DONE);
}

static void end(struct smmu *s, unsigned slot, bool abort)
{
    struct smmu_access a = take(s, slot);
    if (!abort && a.op != SMMU_WRITE)
        memset(a.data, 0, sizeof a.data);
    tell(s, &a, abort ? SMMU_ABORTED : SMMU_DONE);
}

void smmu_resume(struct smmu *s, unsigned world, u32 sid, unsigned stag, bool retry, bool abort)
{
    const struct stall *x = &s->stall[stag % STALLS];
    if (stag >= STALLS || x->state != STALL_REPORTED || x->world != world || x->access.sid != sid)
        return;
    if (retry)
        again(s, stag);
    else
        end(s, stag, abort);
}

void smmu_stall_end(struct smmu *s, unsigned world, bool all, u32 sid)
{
    for (unsigned i = 0; i < STALLS; i++)
        if (s->stall[i].state != STALL_FREE && s->stall[i].world == world && (all || s->stall[i].access.sid == sid))
            end(s, i, true);
}

/* Oldest first, those that wait now, while there is room for an event. */
void smmu_stall_retry(struct smmu *s, unsigned world)
{
    u32 until = s->stall_order;
    for (unsigned n = 0; n < STALLS && smmu_eventq_writable(s, world); n++) {
        int oldest = -1;
        for (unsigned i = 0; i < STALLS; i++) {
            const struct stall *x = &s->stall[i];
            if (x->state != STALL_UNREPORTED || x->world != world || (s32)(x->order - until) >= 0)
                continue;
            if (oldest < 0 || (s32)(x->order - s->stall[oldest].order) < 0)
                oldest = (int)i;
        }
        if (oldest < 0)
            return;
        again(s, (unsigned)oldest);
    }
}
