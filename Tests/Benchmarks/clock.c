// A clock that ticks by itself: each look of the program at CLOCK_MONOTONIC, or at its thread's processor time, is 100 ns after the
// last one. Preloaded into a
// server whose work is counted: it decides by measured times what runs together and where, and under valgrind they are not
// what they are. Libraries get the system's clock: some wait by it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

static uintptr_t program_begin, program_end;
static int (*system_clock)(clockid_t, struct timespec *);

// The program is the first of all that is loaded.
static int note_program(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size, (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X)) continue;
        program_begin = begin;
        program_end = begin + info->dlpi_phdr[i].p_memsz;
    }
    return 1;
}

__attribute__((constructor)) static void begin(void) {
    dl_iterate_phdr(note_program, NULL);
    system_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static atomic_long looks = 1;
    uintptr_t caller = (uintptr_t)__builtin_return_address(0);
    int ticks = clock == CLOCK_MONOTONIC || clock == CLOCK_THREAD_CPUTIME_ID;
    if (!ticks || caller < program_begin || caller >= program_end)
        return system_clock(clock, time);
    long nanoseconds = 100 * atomic_fetch_add_explicit(&looks, 1, memory_order_relaxed);
    time->tv_sec = nanoseconds / 1000000000;
    time->tv_nsec = nanoseconds % 1000000000;
    return 0;
}
