// The door to zlib, opened by GRPC. zlib begins a stream through macros, which Swift does not see: hence two functions.
#ifndef CZLIB_H
#define CZLIB_H

#include <zlib.h>

// 15: the largest window, 16 more: gzip's header and trailer instead of zlib's.
static inline int czlib_begin_inflate(z_stream *stream) { return inflateInit2(stream, 15 + 16); }

static inline int czlib_begin_deflate(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}

#endif
