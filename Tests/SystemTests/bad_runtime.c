// ONNX Runtime as it should not be: sessions are made by the real one (REAL_RUNTIME), except of models whose bytes name what
// is to happen. The table's slots: Sources/Doors/COnnxRuntime.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 253, CREATE_SESSION = 8 };

typedef struct {
    const void *const *(*table)(uint32_t version);
    const char *(*version)(void);
} Base;

typedef void *(*Create)(const void *env, const void *model, size_t bytes, const void *options, void **session);

static const Base *real;
static const void *own[SLOTS];

static void *create(const void *env, const void *model, size_t bytes, const void *options, void **session) {
    if (memmem(model, bytes, "abort-here", 10)) abort();
    if (memmem(model, bytes, "fault-here", 10)) *(volatile int *)8 = 1;
    while (memmem(model, bytes, "hang-here", 9)) pause();
    for (int piece = 0; memmem(model, bytes, "grow-here", 9) && piece < 256; piece++) {
        char *room = malloc(16 << 20);
        if (room) memset(room, 1, 16 << 20);
        usleep(2000);
    }
    return ((Create)real->table(15)[CREATE_SESSION])(env, model, bytes, options, session);
}

static const void *const *table(uint32_t version) {
    const void *const *found = real->table(version);
    if (!found) return NULL;
    memcpy(own, found, sizeof own);
    own[CREATE_SESSION] = (const void *)create;
    return own;
}

static const char *version(void) { return real->version(); }

const Base *OrtGetApiBase(void) {
    static const Base base = {table, version};
    void *library = dlopen(REAL_RUNTIME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) return NULL;
    real = ((const Base *(*)(void))dlsym(library, "OrtGetApiBase"))();
    return &base;
}
