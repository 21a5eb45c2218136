// SwiftPM wants a source file in a C target; the door is in the header.
#include "CSSL.h"
