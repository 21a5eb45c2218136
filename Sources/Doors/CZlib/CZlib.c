// SwiftPM builds a C target only when there is a source file; all of this door is in its header.
#include "CZlib.h"
