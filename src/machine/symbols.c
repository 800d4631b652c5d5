/* Names of addresses, by the symbol tables of the loaded ELF files. The tables are read when they are asked; nothing
 * is kept, because this is for messages. */
#include "machine/symbols.h"

#include <gelf.h>
#include <stdio.h>

struct best {
    u64 distance;
    char name[64];
};

/* addr as the program's own (virtual) address, when it is the place a segment was loaded to. */
static u64 own_address(Elf *elf, u64 addr)
{
    size_t n = 0;
    GElf_Phdr ph;
    for (size_t i = 0; elf_getphdrnum(elf, &n) == 0 && i < n; i++)
        if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && addr - ph.p_paddr < ph.p_memsz)
            return ph.p_vaddr + (addr - ph.p_paddr);
    return addr;
}

static void look(Elf *elf, Elf_Scn *section, const GElf_Shdr *sh, u64 addr, struct best *b)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
    GElf_Sym sym;
    for (size_t i = 0; data && i < count && gelf_getsym(data, (int)i, &sym); i++) {
        unsigned type = GELF_ST_TYPE(sym.st_info);
        if ((type != STT_FUNC && type != STT_NOTYPE) || sym.st_shndx == SHN_UNDEF || addr < sym.st_value)
            continue;
        u64 distance = addr - sym.st_value;
        const char *name = elf_strptr(elf, sh->sh_link, sym.st_name);
        bool within = sym.st_size ? distance < sym.st_size : distance < 4096;
        if (within && distance < b->distance && name && name[0] && name[0] != '$') {
            b->distance = distance;
            snprintf(b->name, sizeof b->name, "%s", name);
        }
    }
}

bool symbols_find(const struct boot *b, u64 addr, char *buf, size_t n)
{
    struct best best = {.distance = ~0ull};
    if (elf_version(EV_CURRENT) == EV_NONE)
        return false;
    for (unsigned i = 0; i < b->nfiles; i++) {
        const struct image *im = &b->files[i];
        Elf *elf = im->data && im->kind == IMAGE_ELF64 ? elf_memory((char *)im->data, im->size) : NULL;
        if (!elf)
            continue;
        u64 own = own_address(elf, addr);
        GElf_Shdr sh;
        for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));)
            if (gelf_getshdr(s, &sh) && sh.sh_type == SHT_SYMTAB)
                look(elf, s, &sh, own, &best);
        elf_end(elf);
    }
    if (best.distance == ~0ull)
        return false;
    snprintf(buf, n, best.distance ? "%s+0x%llx" : "%s", best.name, (unsigned long long)best.distance);
    return true;
}

const char *symbols_suffix(const struct boot *b, u64 addr, char *buf, size_t n)
{
    char name[96];
    buf[0] = 0;
    if (symbols_find(b, addr, name, sizeof name))
        snprintf(buf, n, " <%s>", name);
    return buf;
}
