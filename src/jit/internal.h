/* Shared by the parts of the JIT. See jit.c for what the host registers hold. */
#pragma once
#include "core/bits.h"
#include "core/types.h"
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/exec.h"
#include "cpu/exec_flags.h"
#include "cpu/fp.h"
#include "jit/jit.h"
#include "jit/vector.h"
#include "jit/x64.h"
#include "mmu/fast.h"

/* Host registers of generated code. rax, rcx and rdx are scratch; rsi, rdi, r8 to r11 and r14 hold guest
 * registers (general.c) and are scratch in emitters without EMIT_REGS. */
enum {
    R_CPU = RBP,   /* struct cpu + CPU_BIAS */
    R_LEFT = RBX,  /* slice.left; in the state only during calls */
    R_INDEX = R12, /* BEXTR control word that makes a fast-table index of a VA */
    R_CONST = R13, /* struct jit_shared */
    R_FT = R15,    /* c->ft */
};
enum { CPU_BIAS = 128 };

#define CPU(field) ((s32)offsetof(struct cpu, field) - CPU_BIAS)
static inline s32 x_disp(unsigned r) { return CPU(x) + 8 * (s32)r; }

/* What blocks depend on besides their bytes. */
enum {
    FLAVOUR_ALIGN = 1,
    FLAVOUR_FP_CALL = 2 /* FP/SIMD traps, or FPCR asks for what the host cannot do */,
    FLAVOUR_BTYPE = 4 /* times PSTATE.BTYPE at its start */,
    FLAVOURS = 16
};

/* Why generated code returned; the first three are the steps of exec functions. EXIT_LOOK: interp_look() comes next. */
enum { EXIT_NEXT, EXIT_JUMP, EXIT_LOOK, EXIT_HEAD, EXIT_LINK, EXIT_PAGE, EXIT_MISS, EXIT_FAR, EXIT_INDIRECT };

/* A block is interpreted so many times before it is translated: more than half of all blocks never come so far. */
enum { COLD = 10 };

/* The arena is a ring of parts: when one is full, the next one's pages lose their translations. */
enum { PARTS = 32, PART_BYTES = 4 << 20, ARENA = PARTS * PART_BYTES };
/* Of each part the first bytes are for what is executed often, the others for slow paths and jumps that are not linked yet. */
enum { PART_HOT = 2 << 20 };

/* Direct jumps to other pages: after so many executions they are linked (far.c). */
enum { FAR_PART = 1 << 13, FAR_MAX = PARTS * FAR_PART, FAR_COLD = 40 };
struct far_jump {
    u32 site; /* offset in the arena of its displacement */
    s32 off;  /* target from the page's start */
};

/* Indirect jumps with pieces for some targets (indirect.c). CHAINS: so often the pieces are made anew. */
enum { INDIRECT_PART = 1 << 11, INDIRECT_MAX = PARTS * INDIRECT_PART, INDIRECT_PIECES = 3, INDIRECT_CHAINS = 8 };
struct indirect { /* offsets in the arena */
    u32 site;            /* displacement of the jump */
    u32 last;            /* of the last piece's, or of the jump itself, where the next piece goes */
    u32 counted, shared; /* ways that no piece serves: counted first, or not any more */
    u8 pieces, chains;
};

/* So often a page's blocks meet another trap configuration before they are translated anew, at most so many times. */
enum { STALE = 256, STALE_DROPS = 4 };

enum { BLOCK_MAX = 32, BLOCK_BYTES = 64 * 1024 };

enum { HELD = 4, BOUNDS = 5, STUBS = 16, LATER_LEAST = 12 };

/* What generated code reads through R_CONST; code is shortest for the first 128 bytes. */
struct jit_shared {
    u32 flags; /* NZCV while generated code runs (flags.c): V in bit 0, C 8, Z 14, N 15; the others are anything */
    u64 held[HELD];     /* of checks that hold for later accesses (mem_group.c, emit_mem.c): host - VA, or host */
    u64 slot[2];        /* flags.c: operands of what is pending */
    u64 frames_end;     /* returns.c: below this there is no room for another frame */
    u64 bounds[BOUNDS]; /* emit_mem.c: what checks of frequent sizes compare with */
    u64 frames;         /* returns.c: the frame at the bottom */
    u8 vector[VECTOR_CONSTS][16] __attribute__((aligned(16))); /* vector.h */
    u64 maps[2];        /* jit.c, emit_call(): of x_maps() */
    u32 flags_fp[2][8]; /* by Z:P:C of UCOMIS; [1]: the operands exchanged */
    u32 flag_mask_fp;
    u32 flag_mask;    /* of flags: N, Z, C, V */
    u32 stop;         /* translations were dropped, or shall be: leave after the instruction */
    struct code_page *stale; /* the page whose translations shall be dropped */
    u32 packed;       /* emit_call(): its argument */
    u32 mxcsr;        /* on its way to a general register */
    u32 mxcsr_mask;   /* IE, ZE, OE, UE and PE: in FPSR's order */
    u32 monitor_mask; /* valid and size, as they are read together */
    u8 *ram_base;
    a64_exec *const *execs;
    const u8 *(*resume)(struct jit_shared *, struct cpu *, u64 step); /* resume.c */
    const u8 *(*fetch)(struct jit_shared *, struct cpu *);            /* the same */
    void (*note)(struct jit_shared *, struct cpu *, struct transition *); /* emit_exception.c, as what follows */
    void (*number)(struct cpu *);                                         /* context_number() */
    struct transition *pending, noted;
    bool eret;
    u64 exceptions, generation, after;
    u8 *arena; /* executable view */
    u64 exit;  /* what to return when it gives up */
    u64 index; /* R_INDEX */
    u32 fpcr;  /* as MXCSR is now */
    u64 pauth_mix;
};

/* A translation that expects vector registers in host registers: another block jumps to it with them. */
struct version {
    struct version *next;
    u16 slot;
    u8 flavour;
    u8 reach; /* struct translation */
    u32 entry;
    struct vstate in;
};
/* VERSIONS_MAX: of a slot and flavour. VERSION_NEAR: so many stores and loads are less than another version. */
enum { VERSIONS_MAX = 3, VERSION_NEAR = 1 };
enum { VERSION_LISTS = 64 };
/* Versions pay in loops: they begin with a jump back, and VERSION_REACH - 1 jumps on lead to versions again; and where a
 * jump is executed often enough to earn back the translation, some microseconds. Until then generated code counts. */
enum { VERSION_REACH = 3, VERSION_HOT = 2000, HOT_PART = 1 << 14, HOT_MAX = PARTS * HOT_PART };

/* A jump that is not linked yet, with what is in host registers there. */
struct link_state {
    u32 patch;   /* the jump to a version */
    u32 generic; /* behind that, where all is in the state: the jump to the generic translation */
    u32 hot;     /* its place in hot_left, 0: not counted */
    u8 reach;    /* of the version */
    bool linked; /* generic is: the next time it is hot */
    bool vectors;     /* vs has some; else it ends in front of vs.guest */
    struct vstate vs; /* last */
};
/* In what EXIT_LINK brings: part << LINK_PART | place in its states, not the place to patch. */
enum { LINK_STATE = 1u << 31, LINK_PART = 24, LINK_INDEX = (1 << LINK_PART) - 1 };
struct link_states {
    u32 *state; /* one struct link_state behind the other */
    u32 count, room; /* words */
};

struct jit_page {
    u32 *entry[FLAVOURS]; /* code_entries(); [0] is not used */
    u32 parts; /* mask of those that its code is in */
    u64 covered[CODE_SLOTS / 64];
    struct code_page *page;
    struct version *versions[VERSION_LISTS]; /* by slot */
    struct jit_page *next, *prev;
};

struct translation;
typedef void emit_fn(struct translation *, const struct op *);

enum emit_flags {
    EMIT_SETS = 1,    /* writes all of NZCV */
    EMIT_COND = 2,    /* reads NZCV by a condition in op->x; fuses with a setter before it */
    EMIT_USES = 4,    /* needs NZCV in the state */
    EMIT_EXIT = 8,    /* may leave: all state must be in its place */
    EMIT_QUIET = 16,  /* leaves alone rax, rcx, rdx, NZCV and t->known, and cannot fail */
    EMIT_BRANCH = 32, /* conditional direct branch */
    EMIT_FP = 64,     /* calls its function under FLAVOUR_FP_CALL */
    EMIT_REGS = 128,  /* uses guest registers by x_use(), x_def(), op_x(), ld_x(), st_x() alone, and as scratch rax, rcx
                         and rdx; others find guest registers in the state, and may use rsi, rdi and r8 to r11 */
    EMIT_END = 512,    /* ends the block */
    EMIT_CONST = 256,  /* leaves a known value in t->known */
    EMIT_KEEP = 1024,  /* cannot go out of line, and leaves EFLAGS alone where t->keep says so */
    EMIT_KEEP3 = 2048, /* the same for o->imm up to 3 */
    EMIT_LAST = 8192,  /* the block's last instruction, whatever follows; not rows' own, as the next two (jit.c) */
    EMIT_CALL = 16384, /* has no emitter */
    EMIT_SYSREG = 32768,
    EMIT_FIXED = 4096, /* reads and writes general register b & 63 as well, unless that is 0 */
};
struct emitter {
    emit_fn *emit; /* NULL: a call */
    u16 flags;
    u8 a, b;
    u8 kind;           /* enum eflags, of setters */
    u8 fields, writes; /* which of rd, rn, rm, ra (bits 0 to 3) are general registers; are written */
    u8 row;            /* enum emit_row_kind, and ACCESS of emit_mem.c */
};
_Static_assert(sizeof(struct emitter) == 16, "the table is looked at for each instruction");
/* What is asked of the instruction's row, which would be another miss of the host's caches. */
enum emit_row_kind { ROW_SYSREG = 16, ROW_VECTOR = 32, ROW_BRANCH = 64, ROW_B = 128 };

struct jit {
    struct jit_shared shared;
    u32 far_left[FAR_MAX]; /* executions until a far jump is linked; generated code counts */
    struct far_jump far[FAR_MAX];
    u32 far_count; /* in the current part */
    u32 indirect_left[INDIRECT_MAX]; /* executions until an indirect jump gets a piece; generated code counts */
    struct indirect indirect[INDIRECT_MAX];
    u32 indirect_count; /* in the current part */
    u32 hot_left[HOT_MAX]; /* executions until a jump leads to a version; generated code counts; [0] is not used */
    u32 hot_count;         /* in the current part */
    u32 serial;    /* of pages with translations, never used again */
    u8 *rw, *rx; /* the arena's views */
    u8 *brought[2]; /* how far the current part's two halves are in the writable view */
    struct x64 as, slow; /* the ends of the current part's two halves */
    u8 *first;           /* where blocks begin */
    unsigned part;
    u8 *hot_end, *slow_end; /* where the halves end */
    u64 (*enter)(void *state, const void *code, void *ft, u64 index, struct jit_shared *);
    /* writable addresses of shared code */
    u8 *miss, *call, *call_maps, *guard, *head, *fetch, *link, *exit, *indirect_exit, *fp_fold[2], *pauth[8], *take_call, *take_eret;
    u8 *find[FLAVOURS], *jump[FLAVOURS], *far_jump[FLAVOURS], *ret[FLAVOUR_BTYPE];
    struct jit_page *pages;
    struct emitter *emitters; /* [a64_row_count] */
    u32 *free_entries;        /* arrays of CODE_SLOTS, chained by their first eight bytes */
    struct link_states link_states[PARTS];
    bool has_aes, has_pclmul, has_sha;
    bool guards;   /* FEAT_BTI: c->fetch_guarded is kept */
    bool parallel; /* other threads access guest memory at the same time: atomics need LOCK, see emit_par.c */
    struct code_cache *code;
    u32 cold;                /* how often a block is interpreted */
    struct jit_watch *watch; /* NULL: nobody looks */
};

/* Where in EFLAGS the guest's flags are, right after the instruction that set them. */
enum eflags {
    EFLAGS_NONE,
    EFLAGS_SUB,
    EFLAGS_ADD,
    EFLAGS_LOGIC,
    EFLAGS_FP,        /* of UCOMIS of the operands */
    EFLAGS_FP_SWAPPED /* of UCOMIS with the operands exchanged */
};

struct translation {
    struct x64 as, slow;
    bool outside; /* as is where cold code goes */
    struct jit *j;
    struct cpu *c;
    struct code_page *page;
    struct jit_page *jp;
    unsigned flavour;
    unsigned btype; /* at the start */
    unsigned reach; /* how many jumps on may lead to versions */
    unsigned first; /* slot of the block's first instruction */
    unsigned n;     /* instructions */
    bool loop;      /* it jumps back, or is a version */
    bool vectors;   /* it has vector instructions, or begins with vector registers: without, no vstate of it has any */
    unsigned k;     /* the current one */
    u8 *start;
    unsigned eflags; /* enum eflags */
    bool keep[BLOCK_MAX]; /* EFLAGS are looked at behind it, as a setter before it left them */
    const struct emitter *row[BLOCK_MAX];
    u8 flags[BLOCK_MAX];  /* those of row[] that are below 256 */
    u64 uses[BLOCK_MAX + LATER_LEAST]; /* general registers, a bit each */
    u64 written[BLOCK_MAX];
    u32 writes[BLOCK_MAX]; /* the same, four bytes with a register each or 0xff */
    u8 base[BLOCK_MAX];    /* rn */
    u64 later[BLOCK_MAX]; /* those of the instructions behind it */
    u8 access[BLOCK_MAX]; /* what t_group() knows of it, ACCESS */
    /* Of these each instruction has a bit. */
    u32 accesses; /* those that t_group() knows */
    u32 stores;   /* of them */
    u32 regs_mask, quiet; /* EMIT_REGS as it acts, EMIT_QUIET */
    u32 sets, reads; /* NZCV */
    u32 branches;    /* conditional ones */
    u32 looks;       /* those that look at NZCV and do nothing else with it */
    u32 leaves;      /* all state must be in its place */
    u64 flag_operands; /* general registers, and perhaps more, that vs.flags is about: see flags_touched() */
    u64 live; /* NZCV may be looked at behind the instruction, before something sets it */
    const struct emitter *e;
    bool called;      /* the current instruction became a call */
    unsigned known; /* a register whose value is a constant, REG_SINK: none */
    u64 known_val;
    struct vstate in, vs;
    u8 host[64];  /* general.c, while instructions are emitted: vs.x by guest register, 0: none */
    u32 free;     /* host registers that hold nothing */
    u64 in_hosts; /* guest registers that are in some */
    unsigned special; /* flags of instructions that are not simply given to their emitter */
    bool parallel;
    bool regs;    /* the current emitter has EMIT_REGS */
    bool sp_ok;   /* SP is known to be aligned, or not checked */
    bool sp_keep; /* the current instruction, if it writes SP, keeps that */
    struct held {
        u8 base, last; /* last: instruction of the block for which it was made */
        u8 how, index; /* not 0: of base and register index, as how says (emit_mem.c) */
        bool write, live;
        s64 low, high; /* first and last + 1 byte, from the base as it is */
    } held[HELD];
    unsigned in_rdx; /* held[in_rdx - 1]: what it holds is there as well; or 0, as when nothing is held */
    bool holds; /* one of them may be live */
    unsigned skip; /* so many next instructions were emitted with the current one */
    bool sp_check; /* the next memory check, which is based on SP, is one of SP's alignment too */
    u8 *sp_jump;   /* of a check of SP's alignment by itself that belongs to the next memory check */
    u8 *align_check; /* the same of the access's alignment (FLAVOUR_ALIGN) */
    u8 *edge, *edge_at; /* the conditional branch or call whose way is emitted at edge_at; NULL: none */
    unsigned nstubs, nedges;
    struct stub { /* the current instruction's ways out of line */
        u8 *from[3];     /* displacements of jumps to it */
        unsigned count;  /* calls, of instructions in a row */
        bool guard;
        struct vstate at; /* what is in host registers at the jump */
    } stubs[STUBS];
    struct edge { /* a taken branch */
        u8 *from;
        unsigned rest; /* instructions of the block behind it */
        s64 target;    /* offset from the page's start */
        struct vstate at;
    } edges[BLOCK_MAX];
};

/* What depends on more of FPCR than the rounding mode is left to the exec functions. */
static inline unsigned jit_flavour(const struct cpu *c)
{
    bool plain = !(c->fpcr & (FPCR_FIZ | FPCR_AH | FPCR_NEP | FPCR_FZ16 | FPCR_FZ | FPCR_AHP));
    return (c->exact_align ? FLAVOUR_ALIGN : 0) | (c->fp_trap || !plain ? FLAVOUR_FP_CALL : 0);
}
static inline u64 jit_index(const struct cpu *c) { return 12 | (u64)__builtin_ctzll(c->ft->mask + 1) << 8; }
static inline bool jit_in_page(const struct cpu *c) { return ((c->pc ^ c->fetch_page) & ~0xffcull) == 0; }

/* Byte offset in the page of the current instruction, and the call thunk's argument. */
static inline unsigned t_off(const struct translation *t) { return 4 * (t->first + t->k); }
static inline u32 t_packed(const struct translation *t) { return t_off(t) << 8 | (t->n - t->k); }

/* [CODE_SLOTS] offset of the block in the arena, where it is translated; else how often it was interpreted, which is a
 * NOP in front of the way out: the arena begins with COLD of them. NULL: none was entered. */
static inline u32 *code_entries(struct code_page *p, unsigned flavour)
{
    return !flavour ? p->entry : p->jit ? p->jit->entry[flavour] : NULL;
}
static inline bool entry_cold(u32 entry) { return entry <= COLD; }

/* arena.c */
void arena_map(struct jit *j);
void arena_unmap(struct jit *j);
void arena_part(struct jit *j); /* begins j->part */
void arena_bring(struct jit *j); /* something was made: the memory of what comes next */
/* translate.c */
u8 *jit_translate(struct jit *j, struct cpu *c, struct code_page *p, unsigned flavour, unsigned slot,
                  const struct vstate *in, unsigned reach);
/* pace.c: makes the rounds of a loop over pages long enough; before its last instruction, a branch. */
void t_pace(struct translation *t, const struct op *first);
bool t_adds_constant(const struct emitter *e); /* emit_int.c: to rn, or subtracts it */
/* resume.c: goes on in generated code behind an exec function that said STEP_JUMP or STEP_SYNC, when there is nothing for
 * the loop in jit.c to do. NULL: leave, with shared->exit. */
const u8 *jit_resume(struct jit_shared *shared, struct cpu *c, u64 step);
/* The same where a jump found no executable tag for c->pc: fetches its page. */
const u8 *jit_fetch(struct jit_shared *shared, struct cpu *c);
/* watch.c: somebody looks (j->watch). code: writable, up to j->as.p; cold: up to j->slow.p, may be NULL. */
void watch_made(struct jit *j, const struct cpu *c, enum jit_kind kind, const struct code_page *p, const u8 *code,
                const u8 *cold, u32 n);
/* version.c */
bool version_wanted(const struct vstate *vs);
const struct version *version_find(const struct jit_page *jp, unsigned flavour, unsigned slot, const struct vstate *vs);
u32 version_note_link(struct jit *j, u32 patch, unsigned reach, const struct vstate *vs); /* what EXIT_LINK shall bring */
/* Counts the executions of a jump that may get a version: where it asks for one, a jump's displacement. NULL: no room. */
u8 *version_count(struct jit *j, struct x64 *a, u32 link);
void version_link_generic(struct jit *j, u32 link, u32 patch);
/* Where the jump of link goes: the displacement to patch; *code: its target's translation, or what it shall lead to. */
u32 version_link(struct jit *j, struct cpu *c, u32 link, unsigned flavour, const u8 **code);
void version_drop(struct jit_page *jp);
/* far.c */
void far_emit_shared(struct jit *j, unsigned flavour);
void far_emit(struct translation *t, s32 off);
/* The jump goes to target, the translation of pc, which is in p. */
void far_link(struct jit *j, const struct cpu *c, u32 index, const struct code_page *p, bool guarded, const u8 *target,
              unsigned flavour);
/* rdx: VA of the page of target, which is in p; plus 1 if it is guarded. Jumps there on the conditions of far.c, else
 * by the two jumps at away[]. */
void far_enter(struct jit *j, const struct cpu *c, const struct code_page *p, bool guarded, const u8 *target,
               u8 *away[2]);
/* indirect.c */
void indirect_emit_shared(struct jit *j);
void indirect_emit(struct translation *t); /* rax: target VA; what follows is the shared way */
/* The jump goes to target, the translation of pc, which is in p; NULL: it has none yet. */
void indirect_link(struct jit *j, const struct cpu *c, u32 index, const struct code_page *p, bool guarded,
                   const u8 *target);
/* returns.c */
void returns_emit_shared(struct jit *j);
void returns_emit_enter(struct x64 *a);
void returns_emit_exit(struct x64 *a);
void t_push_return(struct translation *t);
void t_return(struct translation *t);
void t_call(struct translation *t);                   /* the exec function of the current instruction */
struct stub *t_slow(struct translation *t, u8 *from); /* out of line: the same call, then on behind the instruction */
void t_jump_direct(struct translation *t, s64 off);   /* to page start + off, from the block's end */
void t_edge(struct translation *t, u8 *from, s64 off);          /* the taken side of a conditional branch */
void t_sync_keep(struct translation *t);                       /* everything into the state; keeps rax, clobbers rdx */
/* The displacement of a jump: a new one's, or that of the conditional branch or call that leads here, when nothing was
 * emitted in between. */
u8 *t_jump(struct translation *t);
/* To the VA in rax; near: probably in this page. */
void t_jump_reg(struct translation *t, bool near);
void t_jump_btype(struct translation *t, unsigned btype, bool near); /* the same, having set PSTATE.BTYPE */
u8 *t_cond(struct translation *t, unsigned cond);      /* jumps (displacement returned) when cond holds */
unsigned t_cond_cc(struct translation *t,
                   unsigned cond); /* makes EFLAGS such that the returned cc is cond; clobbers rax, rcx */

unsigned t_fp_cc(struct translation *t, unsigned cond);        /* emit_fp.c: after UCOMIS */
bool t_fp_register(struct translation *t, const struct op *o); /* emit_fp.c: MRS, MSR of FPCR and FPSR */

struct emit_row {
    a64_exec *exec;
    struct emitter e;
};
#define EMITTER(fn, flags, a, b, kind, ...)                                                                            \
    {                                                                                                                  \
        fn, flags, a, b, kind, 0, 0, 0                                                                                 \
    }
#define ROW(name, ...)                                                                                                 \
    {                                                                                                                  \
        exec_##name, EMITTER(__VA_ARGS__, 0, 0, 0, 0, 0)                                                               \
    }
/* Tables of the emit_*.c, ended by exec = NULL. */
extern const struct emit_row emit_int_rows[], emit_int_more_rows[], emit_mem_rows[], emit_atomic_rows[], emit_exception_rows[], emit_branch_rows[], emit_sys_rows[], emit_simd_rows[],
    emit_pauth_rows[], emit_simd_mem_rows[], emit_simd_more_rows[], emit_simd_shift_rows[], emit_simd_wide_rows[],
    emit_fp_rows[], emit_fp_vector_rows[], emit_fp_convert_rows[], emit_crypto_rows[];

/* general.c: guest general registers in host registers, for emitters with EMIT_REGS. */
unsigned x_host_in(const struct vstate *s, unsigned r);    /* which one has r; 0: none */
unsigned x_host(const struct translation *t, unsigned r);
unsigned x_use(struct translation *t, unsigned r);        /* the one that has r's value */
/* The same, or X_STATE | r: in the state is as good, as the block does not need r again (a loop keeps it, where there is
 * room). For x64_ro() alone. */
unsigned x_src(struct translation *t, unsigned r);
enum { X_STATE = 256 };
/* The one that is going to hold r: what it held is lost at once. Behind the instruction's last t_slow(). rcx for REG_SINK. */
unsigned x_def(struct translation *t, unsigned r);
void x_begin(struct translation *t);                    /* t->vs is what the block begins with */
void x_sync(struct translation *t);                     /* the same of the current state */
void x_forget(struct translation *t);                   /* nothing is in host registers any more */
void x_leave(struct x64 *a, const struct vstate *s);    /* stores what is dirty or pending in s; clobbers rax */
void x_leave_rest(struct x64 *a, const struct vstate *s); /* the same without general registers */
/* For jit.call_maps: rcx = the registers that are dirty in at and how many instructions (1 to 255), rdx = all of behind. */
void x_maps(struct x64 *a, const struct vstate *at, const struct vstate *behind, unsigned count);
void x_moves(struct x64 *a, unsigned op, s32 map); /* the same, generated: those of jit_shared + map; clobbers rdx */
bool x_any(const struct vstate *s);                     /* is something there? */
unsigned x_distance(const struct vstate *from, const struct vstate *to); /* instructions of x_reconcile() */
void x_reconcile(struct x64 *a, const struct vstate *from, const struct vstate *to);
unsigned x_detour(const struct vstate *from, const struct vstate *to);
void x_extend(struct vstate *s, unsigned r, bool written); /* s has r as well, if there is room */
unsigned x_restrict(struct vstate *s, u64 used, u64 written);
/* flags.c: NZCV that is computed when somebody asks for it. Slots: places for operands that are overwritten before. */
enum pending_op {
    PENDING_NONE,
    PENDING_CMP,      /* a - b */
    PENDING_CMP_IMM,  /* a - imm */
    PENDING_TEST,     /* a & b */
    PENDING_TEST_IMM, /* a & imm */
    PENDING_ADD,      /* a + b */
    PENDING_ADD_IMM,  /* a + imm */
    PENDING_SUBS,     /* a is the result of a - b */
    PENDING_SUBS_IMM, /* of a - imm */
    PENDING_RSUBS,    /* of b - a */
    PENDING_ADDS,     /* of a + b */
    PENDING_ADDS_IMM,
};
enum { SLOT = REG_SP + 1, SLOTS = 2 };
/* The current instruction, a setter, is done and EFLAGS hold the flags: p is what they are to whoever asks later,
 * PENDING_NONE: that cannot be said. */
void flags_set(struct translation *t, enum eflags kind, struct pending p);
/* Does the current instruction write operands of what is pending, perhaps? Then these two are called. */
static inline bool flags_touched(const struct translation *t) { return t->written[t->k] & t->flag_operands; }
void flags_before(struct translation *t);
void flags_behind(struct translation *t);
u64 flags_operands(const struct pending *p);
enum eflags flags_again(struct translation *t); /* computes what is pending into EFLAGS; clobbers rax */
void flags_settle(struct x64 *a, struct vstate *s); /* into the state, if something is pending; clobbers rax, EFLAGS */
enum eflags flags_restore(struct x64 *a);           /* EFLAGS of the state; clobbers rax */
u32 flags_word(unsigned nzcv);                      /* jit_shared.flags for N:Z:C:V */
/* Between jit_shared.flags and NZCV in bits 31:28: of host register r, of c->nzcv, clobbering r. All clobber EFLAGS. */
void flags_ld(struct x64 *a, unsigned r);
void flags_st(struct x64 *a, unsigned r);
void flags_to_c(struct x64 *a, unsigned r);
void flags_from_c(struct x64 *a, unsigned r);
bool flags_same(const struct pending *a, const struct pending *b);

/* emit_mem.c: addresses and the fast table. rax: VA. */
void mem_bounds(u64 to[BOUNDS]);
enum { TAG_READ = (s32)offsetof(struct fast, rtag), TAG_WRITE = (s32)offsetof(struct fast, wtag) };
enum t_mode { MODE_IMM, MODE_POST, MODE_PRE, MODE_REG, MODE_EXT, MODE_BASE, MODE_UNPRIV };
void t_address(struct translation *t, const struct op *o, unsigned mode, unsigned scale);
void t_check(struct translation *t, s32 tags, unsigned size, bool aligned); /* rdx = host - VA, or the slow path */
void t_write_back(struct translation *t, const struct op *o, unsigned mode, unsigned va, s32 disp);
/* Address and check of a load or store of one register: the access is at the register returned, + rdx unless that is
 * rdx, + disp. */
unsigned t_checked(struct translation *t, const struct op *o, bool store, s32 *disp);
void t_align(struct translation *t, unsigned va, unsigned align); /* before the check: FLAVOUR_ALIGN's part of it */
/* Loads and stores in a row: emits o and its neighbours, if it has any. */
bool t_group(struct translation *t, const struct op *o);
bool t_held(const struct translation *t);                    /* something is held for what follows */
void t_held_behind(struct translation *t, const struct op *o); /* forgets what o overwrote */
enum { ACCESS = 1, ACCESS_STORE = 2, ACCESS_PAIR = 4, ACCESS_VECTOR = 8, ACCESS_ALL = 15 };
unsigned t_access(const struct emitter *e); /* the emitter's, for its table */
/* emit_simd_mem.c: what e is of that, 0: none of those in a row; one of those at va + rdx + disp. */
unsigned t_vector_access(const struct emitter *e);
void t_vector_member(struct translation *t, const struct op *o, unsigned va, s32 disp);
void t_monitor_mark(struct translation *t, unsigned scale);
void t_monitor_check(struct translation *t, unsigned scale, u8 *fail[3]);

/* emit_simd.c: for its neighbours. */
void t_by_element(struct translation *t, const struct op *o);  /* xmm3 = the element of Vm everywhere */
void t_rbit(struct translation *t, unsigned n);                /* xmm0 = n, each byte's bits reversed; xmm1, xmm2 */
void t_set_qc(struct translation *t, bool q);                  /* FPSR.QC, unless xmm1 is zero */
void t_narrow_done(struct translation *t, const struct op *o); /* xmm0, the lower half, becomes rd or its upper half */

/* emit_atomic.c, emit_par.c */
enum rmw { RMW_ADD, RMW_CLR, RMW_EOR, RMW_SET, RMW_SMAX, RMW_SMIN, RMW_UMAX, RMW_UMIN, RMW_SWP };

/* emit_par.c: parallel mode. */
extern const struct emit_row emit_par_rows[];
void t_fence(struct translation *t);
bool par_releases(const struct op *o); /* a fence follows */

/* emit_exception.c: its shared code; m is what exec_svc(), exec_hvc() or exec_eret() just did, jump the shared code for
 * jumps in the state that it led to. */
void jit_emit_exceptions(struct jit *j);
void jit_transition(struct jit_shared *shared, struct cpu *c, struct transition *m, const u8 *jump);
/* emit_pauth.c: its shared code. */
void jit_emit_pauth(struct jit *j, const struct cpu *c);

/* Shorthand of emitters. */

/* op r, m of x_src() */
static inline void x64_ro(struct x64 *a, bool w, unsigned op, unsigned r, unsigned m)
{
    if (m & X_STATE)
        x64_rm(a, w, op, r, R_CPU, x_disp(m - X_STATE));
    else if (op == X_MOVZX8 || op == X_MOVSX8)
        x64_rr8(a, w, op, r, m);
    else
        x64_rr(a, w, op, r, m);
}
/* op host, guest register r */
static inline void op_x(struct translation *t, bool w, unsigned op, unsigned host, unsigned r)
{
    if (!t->regs) {
        x64_rm(&t->as, w, op, host, R_CPU, x_disp(r));
        return;
    }
    unsigned h = x_use(t, r);
    if (op == X_MOVZX8 || op == X_MOVSX8)
        x64_rr8(&t->as, w, op, host, h);
    else
        x64_rr(&t->as, w, op, host, h);
}
/* host = VA of the code's page + off. Clobbers EFLAGS. */
static inline void x64_page(struct x64 *a, unsigned host, s64 off)
{
    x64_mov_imm(a, host, (u64)off);
    x64_rm(a, true, X_ADD, host, R_CPU, CPU(fetch_page));
}
/* The same for a load that need not keep the flags. */
static inline void ld_x(struct translation *t, bool w, unsigned host, unsigned r)
{
    if (r == REG_ZERO)
        x64_rr(&t->as, false, X_XOR, host, host);
    else
        op_x(t, w, X_LOAD, host, r);
}
/* host = offset of the fast table's x[] for the page of the VA in r. Clobbers EFLAGS. */
static inline void x64_fast_code(struct x64 *a, unsigned host, unsigned r)
{
    _Static_assert(sizeof(struct fast_code) == 16, "shift");
    if (host != r)
        x64_rr(a, false, X_LOAD, host, r);
    x64_shift(a, false, X_SHR, host, 8);
    x64_ri(a, false, X_AND, host, (FAST_FETCH - 1) << 4);
}
/* Is the page, its offset in x[] in index, executable? Not: CC_A. guard: 1 if it has the GP attribute, else 0; code: its
 * decoded page. */
static inline void x64_fast_look(struct x64 *a, unsigned index, unsigned page, unsigned guard, unsigned code)
{
    x64_rmx(a, true, X_LOAD, guard, R_FT, index, 0, (s32)offsetof(struct fast, x[0].tag));
    x64_rmx(a, true, X_LOAD, code, R_FT, index, 0, (s32)offsetof(struct fast, x[0].code));
    x64_rr(a, true, X_SUB, guard, page);
    x64_ri(a, true, X_CMP, guard, 1);
}
/* All 64 bits: 32-bit results are zero-extended in the host register. */
static inline void st_x(struct translation *t, unsigned r, unsigned host)
{
    if (r == REG_SINK)
        return;
    if (t->regs)
        x64_rr(&t->as, true, X_LOAD, x_def(t, r), host);
    else
        x64_rm(&t->as, true, X_STORE, host, R_CPU, x_disp(r));
}
