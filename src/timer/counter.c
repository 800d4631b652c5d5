/* The system counter of the Generic Timer (DDI0487 D12.1.2): a fixed-frequency view of virtual time.
 *
 * Not modelled: CNTCR/CNTSR, the memory-mapped control frames and counter scaling (FEAT_CNTSC). */
#include "core/check.h"
#include "core/snap.h"
#include "timer/timer.h"

enum { NS_PER_S = 1000000000 };

void counter_init(struct counter *n, struct clock *clock, u64 freq)
{
    CHECK(freq > 0 && freq <= 4000000000ull);
    u64 a = NS_PER_S, b = freq;
    while (b) {
        u64 r = a % b;
        a = b;
        b = r;
    }
    *n = (struct counter){
        .clock = clock, .freq = freq, .num = freq / a, .den = NS_PER_S / a, .origin = clock_now(clock)};
}

u64 counter_read(const struct counter *n)
{
    u64 ns = clock_now(n->clock) - n->origin;
    return n->num == 1 ? ns / n->den : (u64)((u128)ns * n->num / n->den);
}

u64 counter_when(const struct counter *n, u64 tick)
{
    u128 ns = ((u128)tick * n->den + n->num - 1) / n->num + n->origin;
    return ns > ~0ull ? ~0ull : (u64)ns;
}

void counter_state(struct counter *n, struct snap *s)
{
    snap_section(s, "counter");
    SNAP(s, n, origin);
}
