#include "CRevision.h"

const char *revision_text(void) { return VENCEJO_REVISION; }
