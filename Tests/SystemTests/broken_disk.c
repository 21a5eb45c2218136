// A disk that fails: preloaded into an agent, write(2) or fdatasync(2) of a segment gives EIO while the file that BROKEN_DISK names
// holds that call's name. A write that fails may have written a part, as write(2) may.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int breaks(int descriptor, const char *call) {
    char link[64], path[4096], told[16] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 4 || memcmp(path + length - 4, ".aud", 4) != 0) return 0;
    const char *place = getenv("BROKEN_DISK");
    int file = place ? open(place, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    length = read(file, told, sizeof told - 1);
    close(file);
    return length > 0 && strcmp(told, call) == 0;
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (!breaks(descriptor, "write")) return real(descriptor, bytes, count);
    if (count > 1) real(descriptor, bytes, count / 2);
    errno = EIO;
    return -1;
}

int fdatasync(int descriptor) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    if (!breaks(descriptor, "fdatasync")) return real(descriptor);
    errno = EIO;
    return -1;
}
