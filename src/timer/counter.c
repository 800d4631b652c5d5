/* The system counter of the Generic Timer (DDI0487 D12.1.2): a fixed-frequency view of virtual time.
 *
 * Not modelled: CNTCR/CNTSR, the memory-mapped control frames and counter scaling (FEAT_CNTSC). */
#include "core/bits.h"
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
        .clock = clock, .freq = freq, .num = freq / a, .den = NS_PER_S / a, .shift = -1, .origin = clock_now(clock)};
    if (n->num == 1 && is_pow2(n->den))
        n->shift = __builtin_ctzll(n->den);
}

u64 counter_read(const struct counter *n)
{
    u64 ns = clock_now(n->clock) - n->origin;
    return n->shift >= 0 ? ns >> n->shift : (u64)((u128)ns * n->num / n->den);
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
