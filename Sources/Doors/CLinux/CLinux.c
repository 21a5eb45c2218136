#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <malloc.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int vencejo_cpus_allowed(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

int vencejo_accept(int listener) { return accept4(listener, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK); }

long vencejo_peer_user(int socket) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
    return credentials.uid == (uid_t)-1 ? -1 : (long)credentials.uid;
}

void vencejo_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

void vencejo_wait(sem_t *semaphore, long nanoseconds) {
    struct timespec due = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    while (sem_clockwait(semaphore, CLOCK_MONOTONIC, &due) != 0 && errno == EINTR) {
    }
}

int vencejo_epoll_wait(int epoll, struct epoll_event *events, int events_max, long long nanoseconds) {
    struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    return epoll_pwait2(epoll, events, events_max, &time, 0);
}

void vencejo_sleep_exactly(void) { prctl(PR_SET_TIMERSLACK, 1); }

int vencejo_ignores(int number) {
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void vencejo_trim(void) { malloc_trim(0); }

void vencejo_give_way(void) {
    // sched_setattr(2), which glibc does not declare. From Linux 6.12 on a fair task's runtime is the slice that it gets before
    // another may preempt it; earlier kernels ignore it.
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = sizeof attributes, .policy = SCHED_BATCH, .nice = 19, .runtime = 100000};
    if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) setpriority(PRIO_PROCESS, 0, 19);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7));
}

int vencejo_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

// Out of the way of 0 to 3, which they are to become.
static int moved(int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, 10); }

static void bound(pid_t process, int resource, unsigned long value) {
    struct rlimit limit = {value, value};
    prlimit(process, resource, &limit, NULL);
}

int vencejo_spawn(
    const char *program, char *const *arguments, const int given[4], unsigned long seconds, int *process) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigset_t none, broken;
    sigemptyset(&none);
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &broken);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int own[4], result = 0;
    for (int number = 0; number < 4; number++) {
        own[number] = moved(given[number]);
        if (own[number] < 0) result = errno;
        else posix_spawn_file_actions_adddup2(&actions, own[number], number);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions, 4);
    if (result == 0) result = posix_spawn(process, program, &actions, &attributes, arguments, environ);
    for (int number = 0; number < 4; number++) {
        if (own[number] >= 0) close(own[number]);
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (result != 0) return result;
    bound(*process, RLIMIT_CORE, 0);
    bound(*process, RLIMIT_CPU, seconds);
    return 0;
}

void vencejo_die_first(void) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    // Where it may not be said the kernel goes by size, as it does without us.
    ssize_t written = write(file, "1000", 4);
    (void)written;
    close(file);
}
