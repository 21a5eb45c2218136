// Door to what Linux offers and Swift's Glibc module leaves out. Opened by the room Reactor, and by no other.
//
// _GNU_SOURCE stays in CLinux.c: here it would give types like fd_set other members than they have in Swift's Glibc
// module, and a file that sees both does not compile.
#ifndef CLINUX_H
#define CLINUX_H

#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/// CPUs that this process may run on; 0 if the kernel does not say.
int vencejo_cpus_allowed(void);

/// accept4 takes a transparent union where GNU extensions are on, which Swift does not import.
int vencejo_accept(int listener);

/// The user at the other end of a Unix socket (SO_PEERCRED; struct ucred is a GNU extension); -1: it is none.
long vencejo_peer_user(int socket);

/// The calling thread's name, as top and gdb show it; at most 15 bytes are kept.
void vencejo_name_thread(const char *name);

/// The calling thread gets 1.5 % of a core that others want, and is put aside within 0.1 ms (nice 19, SCHED_BATCH, sched(7)); what it
/// reads from disks comes late (the lowest best effort of ioprio_set(2)). Not SCHED_IDLE: on a full machine a thread of that class that
/// holds a kernel lock gets no time to release it, and every start of the same program waits for that of its file's mappings. Nor the idle
/// class of disks, in which each request of a busy disk can wait for 10 s (mq-deadline's prio_aging_expire).
void vencejo_give_way(void);

/// pipe2 with O_CLOEXEC.
int vencejo_pipe(int ends[2]);

/// Starts `program` in a process of its own, with nothing open but these four, as descriptors 0 to 3. No signal is blocked
/// there, and no core is written. `seconds` bounds its time on processors. 0, or an errno.
int vencejo_spawn(
    const char *program, char *const *arguments, const int given[4], unsigned long seconds, int *process);

/// The kernel looks for this process first when memory runs out.
void vencejo_die_first(void);

/// Whether the process was started with this signal ignored, as nohup(1) does with SIGHUP. 0 or 1.
int vencejo_ignores(int number);

// Gives pages that the allocator keeps back to the system.
void vencejo_trim(void);

/// Takes one post of the semaphore, or waits for one until `nanoseconds` on CLOCK_MONOTONIC (sem_clockwait(3) is a GNU
/// extension).
void vencejo_wait(sem_t *semaphore, long nanoseconds);

/// epoll_pwait2 without a signal mask, which needs GNU extensions to be declared.
int vencejo_epoll_wait(int epoll, struct epoll_event *events, int events_max, long long nanoseconds);

/// Sleeps of the calling thread end when they should, and not up to 50 us later. prctl is variadic: not for Swift.
void vencejo_sleep_exactly(void);

#endif
