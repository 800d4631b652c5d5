/* Semihosting: a guest's calls to the host by HLT #0xf000. */
#pragma once
#include "cpu/cpu.h"
#include "machine/err.h"

struct semihost;

/* The CPU's hook (cpu_env.semihosting); arg: the machine. */
enum semihosting semihost_call(void *arg, struct cpu *c);

/* dir: the host directory whose files the guest may use, NULL: none. NULL: e. */
struct semihost *semihost_new(const char *dir, struct err *e);
/* Closes every file. */
void semihost_reset(struct semihost *s);
void semihost_free(struct semihost *s);

/* ---- files (semihost_file.c): results are those of the calls, errors are in s->error ---------------------- */

enum { SEMIHOST_HANDLES = 32 };
enum semihost_kind { HANDLE_FREE, HANDLE_FILE, HANDLE_CONSOLE, HANDLE_FEATURES };

struct semihost {
    int dir;   /* -1: none */
    int error; /* errno of the last failure */
    struct {
        u8 kind;
        int fd;
        u64 at; /* in the features' file */
    } handles[SEMIHOST_HANDLES];
};

/* mode: 0 to 11, as of fopen(): r rb r+ r+b w wb w+ w+b a ab a+ a+b. A handle (from 1), or -1. */
int semihost_open(struct semihost *s, const char *name, unsigned mode);
int semihost_close(struct semihost *s, u64 handle);
/* The kind behind a handle; HANDLE_FREE (and error) when there is none. */
enum semihost_kind semihost_kind(struct semihost *s, u64 handle);
/* Bytes read or written, or -1. */
s64 semihost_read(struct semihost *s, u64 handle, void *buf, size_t n);
s64 semihost_write(struct semihost *s, u64 handle, const void *buf, size_t n);
int semihost_seek(struct semihost *s, u64 handle, u64 pos);
s64 semihost_length(struct semihost *s, u64 handle);
int semihost_remove(struct semihost *s, const char *name);
int semihost_rename(struct semihost *s, const char *old, const char *name);
/* Runs the shell command in the directory of the files; its exit status, or 128 + the signal that ended it. */
int semihost_system(struct semihost *s, const char *command);
