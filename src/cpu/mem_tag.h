/* Allocation tags (FEAT_MTE2): checks of data accesses, and the tag memory's own loads and stores. */
#pragma once
#include "cpu/cpu.h"

struct fast_ctx;
struct tlb_entry;

enum { TAG_GRANULE = 16 };

/* AllocationTagAccessIsEnabled(). */
bool mem_tag_access(const struct cpu *c, unsigned el);
/* Are data accesses at el, in the regime of enum regime_kind kind, tag-checked at all? */
bool mem_tag_checked(const struct cpu *c, unsigned el, unsigned kind);
/* The tag check of [va, va + size) in the page of e. False: a synchronous exception was taken. */
bool mem_tag_check(struct cpu *c, const struct fast_ctx *f, const struct tlb_entry *e, u64 va, unsigned size,
                   bool write);

/* LDG and STG: n granules at va, which is aligned; of four the block of 64 bytes that va lies in (a fault names va). They
 * do not cross a page. Memory that has no tags reads as 0 and ignores writes. False: exception taken. */
bool mem_tag_load(struct cpu *c, u64 va, unsigned n, u8 *tags);
bool mem_tag_store(struct cpu *c, u64 va, unsigned n, const u8 *tags);
