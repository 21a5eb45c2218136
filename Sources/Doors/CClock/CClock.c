// The header names no type of sys/timex.h, which would bring a second `timeval` into Swift.
#include "CClock.h"
#include <string.h>
#include <sys/timex.h>

struct clock_kernel_state clock_kernel_state(void) {
    struct timex state;
    memset(&state, 0, sizeof state);
    struct clock_kernel_state found = {0, 0, 0, 0};
    // No modes: it reads, which every process may.
    if (adjtimex(&state) < 0) return found;
    found.is_read = 1;
    found.status = (uint32_t)state.status;
    found.max_error_microseconds = state.maxerror > 0 ? (uint64_t)state.maxerror : 0;
    found.est_error_microseconds = state.esterror > 0 ? (uint64_t)state.esterror : 0;
    return found;
}
