// Door to what Linux offers and Swift's Glibc module leaves out. Opened by the room Reactor, and by no other.
#ifndef CLINUX_H
#define CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/// CPUs that this process may run on; 0 if the kernel does not say.
static inline int vencejo_cpus_allowed(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

/// accept4 takes a transparent union where GNU extensions are on, which Swift does not import.
static inline int vencejo_accept(int listener) {
    return accept4(listener, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/// The calling thread's name, as top and gdb show it; at most 15 bytes are kept.
static inline void vencejo_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

#endif
