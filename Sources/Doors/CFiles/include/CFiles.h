// The door to openat2(2), opened by Repository. glibc 2.36 has no wrapper for it, and syscall(2) is variadic, which
// Swift does not call; this header goes when glibc gets a wrapper.
#pragma once
#include <dirent.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Opens `path` beneath `folder` with `flags` and RESOLVE_… in `resolve`. -1 with errno as of openat2(2).
static inline int files_openat2(int folder, const char *path, uint64_t flags, uint64_t resolve) {
    struct open_how how = {.flags = flags, .resolve = resolve};
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

/// renameat2(2) with RENAME_NOREPLACE: what is there already stays. -1 with errno. The numbers are AT_FDCWD, which
/// fcntl.h would bring together with a second `stat`, and RENAME_NOREPLACE.
static inline int files_rename_new(const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, -100, from, -100, to, 1);
}

/// Where the entry's name begins. Its length is the entry's, not that of the array that the struct declares.
static inline const char *files_entry_name(const struct dirent *entry) { return entry->d_name; }

static const uint64_t files_resolve_beneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
