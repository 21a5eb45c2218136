// Enters: a path. Leaves: the runtime's table of tables, or why there is none.
#include "COnnxRuntime.h"

#include <dlfcn.h>
#include <stdlib.h>

const OrtBase *ort_open(const char *path, const char **reason) {
    *reason = NULL;
    // From 1.31 on the runtime would otherwise begin to collect telemetry, in a database in the user's folder, before its
    // table can be asked to switch that off.
    setenv("ORT_DISABLE_TELEMETRY", "1", 0);
    // Never closed: the runtime keeps threads and thread-local destructors until the process ends.
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) {
        *reason = dlerror();
        return NULL;
    }
    const OrtBase *(*base)(void) = (const OrtBase *(*)(void))dlsym(library, "OrtGetApiBase");
    if (base == NULL) {
        *reason = dlerror();
        return NULL;
    }
    return base();
}
