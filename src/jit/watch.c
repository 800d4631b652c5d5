/* Tells who looks at the JIT (struct jit_watch) what is made. Called only when somebody does; pc is the address of
 * what is made, or where a far jump goes. */
#include "jit/internal.h"

const char *const jit_exit_names[JIT_EXITS] = {
    [EXIT_NEXT] = "next",  [EXIT_JUMP] = "jump", [EXIT_LOOK] = "look",
    [EXIT_HEAD] = "slice", [EXIT_LINK] = "link", [EXIT_PAGE] = "page",
    [EXIT_MISS] = "miss",  [EXIT_FAR] = "far",   [EXIT_INDIRECT] = "indirect",
};

void watch_made(struct jit *j, const struct cpu *c, enum jit_kind kind, const struct code_page *p, const u8 *code,
                const u8 *cold, u32 n)
{
    struct jit_watch *w = j->watch;
    struct jit_piece piece = {.kind = kind, .n = n, .size = (u32)(j->as.p - code), .arena = (u32)(code - j->rw)};
    piece.code = j->rx + piece.arena;
    if (cold) {
        piece.cold_arena = (u32)(cold - j->rw);
        piece.cold_size = (u32)(j->slow.p - cold);
        piece.cold = j->rx + piece.cold_arena;
    }
    if (p) {
        piece.page = p->page;
        piece.offset = (u32)c->pc & 0xffc;
        piece.va = c->pc;
        piece.words = p->bytes + piece.offset;
        piece.decoder = c->decoder;
    }
    w->pieces[kind]++;
    w->bytes += kind == JIT_SHARED ? 0 : piece.size;
    w->cold_bytes += piece.cold_size;
    w->instructions += n;
    if (w->made)
        w->made(w, &piece);
}
