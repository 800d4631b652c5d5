/* Small programs for Linux, timed by the host between the lines BEGIN and END: integer and floating-point work, and
 * what programs ask of the kernel. No results are checked but that they exist. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef unsigned char u8;
typedef unsigned long u64;

static volatile u64 sink;

/* ---- integers ----------------------------------------------------------------------------------- */

static u64 rnd(u64 *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

static int compare(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return x < y ? -1 : x > y;
}

static void sorting(void)
{
    enum { N = 600000 };
    u64 *v = malloc(N * sizeof *v), seed = 1;
    for (unsigned i = 0; i < N; i++)
        v[i] = rnd(&seed);
    qsort(v, N, sizeof *v, compare);
    sink = v[N / 2];
    free(v);
}

static void sieve(void)
{
    enum { N = 20000000 };
    u8 *c = calloc(N, 1);
    for (u64 i = 2; i * i < N; i++)
        for (u64 k = c[i] ? N : i * i; k < N; k += i)
            c[k] = 1;
    sink = c[N - 1];
    free(c);
}

static void chase(void)
{
    enum { N = 1 << 19 }; /* 4 MiB */
    u64 *next = malloc(N * sizeof *next), at = 0;
    for (u64 i = 0; i < N; i++)
        next[i] = (i * 5 + 12345) & (N - 1);
    for (unsigned i = 0; i < 4000000; i++)
        at = next[at];
    sink = at;
    free(next);
}

static u64 fibonacci(unsigned n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
static void recursion(void) { sink = fibonacci(36); }

/* ---- floating point ------------------------------------------------------------------------------ */

enum { DIM = 160 };
static float a[DIM][DIM], b[DIM][DIM], c[DIM][DIM];

static void matrix(void)
{
    for (unsigned i = 0; i < DIM; i++)
        for (unsigned k = 0; k < DIM; k++) {
            a[i][k] = (float)(i + k) / 7;
            b[i][k] = 1 / (float)(i * k + 1);
        }
    for (unsigned r = 0; r < 40; r++)
        for (unsigned i = 0; i < DIM; i++)
            for (unsigned k = 0; k < DIM; k++)
                for (unsigned j = 0; j < DIM; j++)
                    c[i][j] += a[i][k] * b[k][j];
    sink = (u64)c[3][5];
}

static void orbit(void)
{
    double x = 1, y = 0, vx = 0, vy = 1;
    for (unsigned i = 0; i < 15000000; i++) {
        double r2 = x * x + y * y, f = -1 / (r2 * sqrt(r2));
        vx += f * x * 1e-3;
        vy += f * y * 1e-3;
        x += vx * 1e-3;
        y += vy * 1e-3;
    }
    sink = (u64)(x * 1000);
}

static void library(void)
{
    double s = 0;
    for (unsigned i = 1; i < 3000000; i++)
        s += sin(i) * exp(-1.0 / i) + log(i);
    sink = (u64)s;
}

/* ---- the operating system ---------------------------------------------------------------------- */

static void calls(void)
{
    for (unsigned i = 0; i < 500000; i++)
        sink = (u64)syscall(SYS_getppid);
}

static void pipes(void)
{
    int there[2], back[2];
    char ch = 'x';
    if (pipe(there) || pipe(back))
        exit(1);
    pid_t child = fork();
    if (!child) {
        while (read(there[0], &ch, 1) == 1 && ch != 'q')
            if (write(back[1], &ch, 1) != 1)
                break;
        _exit(0);
    }
    for (unsigned i = 0; i < 10000; i++)
        if (write(there[1], &ch, 1) != 1 || read(back[0], &ch, 1) != 1)
            exit(1);
    if (write(there[1], "q", 1) != 1)
        exit(1);
    waitpid(child, NULL, 0);
}

static void forks(void)
{
    for (unsigned i = 0; i < 500; i++) {
        pid_t child = fork();
        if (!child)
            _exit(0);
        waitpid(child, NULL, 0);
    }
}

static void mapping(void)
{
    for (unsigned i = 0; i < 200; i++) {
        u8 *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (unsigned k = 0; k < 1 << 20; k += 4096)
            p[k] = 1;
        munmap(p, 1 << 20);
    }
}

static void protection(void)
{
    u8 *p = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < 50000; i++) {
        mprotect(p, 1 << 16, PROT_READ);
        mprotect(p, 1 << 16, PROT_READ | PROT_WRITE);
        p[i & 0xffff] = 1;
    }
    munmap(p, 1 << 16);
}

static void handler(int n) { sink = (u64)n; }

static void signals(void)
{
    signal(SIGUSR1, handler);
    for (unsigned i = 0; i < 30000; i++)
        raise(SIGUSR1);
}

static const struct {
    const char *name;
    void (*fn)(void);
} programs[] = {
    {"int-sort", sorting},  {"int-sieve", sieve}, {"int-chase", chase},    {"int-recursion", recursion},
    {"fp-matrix", matrix},  {"fp-orbit", orbit},  {"fp-library", library}, {"os-syscall", calls},
    {"os-pipe", pipes},     {"os-fork", forks},   {"os-mmap", mapping},    {"os-mprotect", protection},
    {"os-signal", signals},
};

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    for (unsigned i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        printf("BEGIN %s\n", programs[i].name);
        programs[i].fn();
        printf("END %s\n", programs[i].name);
    }
    return 0;
}
