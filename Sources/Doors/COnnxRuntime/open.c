// Enters: a path. Leaves: the runtime's table of tables, or why there is none.
#include "COnnxRuntime.h"

#include <dlfcn.h>

const OrtBase *ort_open(const char *path, const char **reason) {
    *reason = NULL;
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
