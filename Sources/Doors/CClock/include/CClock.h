// The door to adjtimex(2), opened by AuditAgent: sys/timex.h is not among the headers of Swift's module of glibc.
#pragma once
#include <stdint.h>

/// What the kernel knows of its clock. `is_read` 0: it did not say.
struct clock_kernel_state {
    uint32_t is_read;
    uint32_t status;
    uint64_t max_error_microseconds;
    uint64_t est_error_microseconds;
};

struct clock_kernel_state clock_kernel_state(void);
