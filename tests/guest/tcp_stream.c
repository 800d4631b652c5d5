/* A TCP stream in large pieces, for tools/bench-io: a static Linux program without a library.
 *
 *   tcp_stream send A.B.C.D PORT MEGABYTES     connects and writes, 64 KiB at a time
 *   tcp_stream receive A.B.C.D PORT            connects and reads to the end
 *   tcp_stream listen PORT                     takes one connection and reads to its end
 *
 * The exit status is 0 when everything went well. Build: aarch64-linux-gnu-gcc -O2 -static -nostdlib -ffreestanding. */
enum { CLOSE = 57, READ = 63, WRITE = 64, EXIT = 93, SOCKET = 198, BIND = 200, LISTEN, ACCEPT, CONNECT };
enum { PIECE = 65536 };

struct address { /* sockaddr_in */
    unsigned short family, port;
    unsigned char ip[4], zero[8];
};

static char piece[PIECE];

static long call(long n, long a, long b, long c)
{
    register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

static unsigned number(const char **s)
{
    unsigned v = 0;
    for (; **s >= '0' && **s <= '9'; ++*s)
        v = v * 10 + (unsigned)(**s - '0');
    return v;
}

static struct address at(const char *ip, const char *port)
{
    unsigned p = number(&port);
    struct address a = {.family = 2, .port = (unsigned short)(p << 8 | p >> 8)};
    for (unsigned i = 0; i < 4 && ip; i++, ip++)
        a.ip[i] = (unsigned char)number(&ip);
    return a;
}

static int run(long argc, const char *const *argv)
{
    long fd = call(SOCKET, 2, 1, 0), k;
    int sends = argc == 5, listens = argc == 3;
    if (fd < 0 || argc < 3 || argc > 5)
        return 1;
    struct address a = at(listens ? 0 : argv[2], argv[listens ? 2 : 3]);
    if (call(listens ? BIND : CONNECT, fd, (long)&a, sizeof a) < 0)
        return 2;
    if (listens && (call(LISTEN, fd, 1, 0) < 0 || (fd = call(ACCEPT, fd, 0, 0)) < 0))
        return 3;
    unsigned long left = sends ? (unsigned long)number((const char *[]){argv[4]}) << 20 : 0;
    for (; left; left -= (unsigned long)k)
        if ((k = call(WRITE, fd, (long)piece, left < PIECE ? (long)left : PIECE)) <= 0)
            return 4;
    while (!sends && (k = call(READ, fd, (long)piece, PIECE)))
        if (k < 0)
            return 5;
    return 0;
}

__attribute__((used)) void begin(const long *stack)
{
    call(EXIT, run(stack[0], (const char *const *)(stack + 1)), 0, 0);
    for (;;)
        ;
}

__asm__(".globl _start\n_start: mov x0, sp\n bl begin\n");
