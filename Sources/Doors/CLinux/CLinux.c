#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <pthread.h>
#include <malloc.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

int vencejo_cpus_allowed(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

int vencejo_accept(int listener) { return accept4(listener, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK); }

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

void vencejo_trim(void) { malloc_trim(0); }

void vencejo_give_way(void) {
    struct sched_param none = {0};
    sched_setscheduler(0, SCHED_IDLE, &none);
}
