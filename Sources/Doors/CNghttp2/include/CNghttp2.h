// Door to libnghttp2. Opened by the room HTTP2, and by no other.
#ifndef CNGHTTP2_H
#define CNGHTTP2_H

#include <nghttp2/nghttp2.h>

#endif
