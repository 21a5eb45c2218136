// The door to the build: what only the compiler's command line knows. Opened by ServerMetrics.
#pragma once

/// The commit that was built, as git describes it; empty: nobody said.
const char *revision_text(void);
