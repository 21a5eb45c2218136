// The door to ONNX Runtime: the library's C API is a table of function pointers that grows at its end only, so a slot's
// number and signature are the contract. Here stand, in our own words, the slots that the room ONNX uses.
//
// Why a door of our own: no distribution ships the header of the runtime that we want, and the library is opened by
// path when the server starts. Facts: onnxruntime_c_api.h of 1.21; the runtime's own static_asserts pin slots 101, 118,
// 124, 126 and 254. Tests/ONNXTests use every slot named here and look at what it did (of the telemetry's switch: that
// it did no harm).
#ifndef CONNXRUNTIME_H
#define CONNXRUNTIME_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin
// The casts inside the functions are no part of the interface and say nothing of NULL.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-completeness"

/// The version of the table that holds our last slot (252): ONNX Runtime 1.15 and later have it.
#define ORT_TABLE_VERSION 15

/// The table: pointers to functions, by slot number.
typedef const void *_Nonnull const *OrtTable;

/// What the library's one exported function answers.
typedef struct OrtBase {
    OrtTable _Nullable (*_Nonnull table)(uint32_t version);
    const char *_Nonnull (*_Nonnull version)(void);
} OrtBase;

/// Any object of the runtime. Opaque; each kind has its own slot to release it.
typedef struct OrtObject OrtObject;
typedef OrtObject OrtEnv, OrtSessionOptions, OrtSession, OrtMemory, OrtAllocator, OrtValue, OrtTypeInfo, OrtShape;

/// What most slots answer: NULL where all went well; else to be released.
typedef OrtObject OrtStatus;

typedef void (*OrtLog)(
    void *_Nullable context, int32_t severity, const char *_Nullable category, const char *_Nullable name,
    const char *_Nullable location, const char *_Nullable message);

/// Opens the library at `path` for as long as the process lives. NULL: it is not to be had, and `reason` says why until
/// this thread opens another one.
const OrtBase *_Nullable ort_open(const char *path, const char *_Nullable *_Nonnull reason);

// ONNX type of a value; an element's type is TensorProto.DataType's number.
enum { ORT_TYPE_TENSOR = 1 };
// Error codes that have a sentence of ours.
enum { ORT_ERROR_INVALID_PROTOBUF = 7, ORT_ERROR_NOT_IMPLEMENTED = 9, ORT_ERROR_INVALID_GRAPH = 10 };
enum { ORT_SEVERITY_INFO = 1, ORT_SEVERITY_WARNING = 2, ORT_SEVERITY_ERROR = 3, ORT_SEVERITY_FATAL = 4 };

/// Slots whose function takes one object and frees it.
enum {
    ORT_RELEASE_ENV = 92,
    ORT_RELEASE_STATUS = 93,
    ORT_RELEASE_MEMORY = 94,
    ORT_RELEASE_SESSION = 95,
    ORT_RELEASE_VALUE = 96,
    ORT_RELEASE_TYPE_INFO = 98,
    ORT_RELEASE_SHAPE = 99,
    ORT_RELEASE_SESSION_OPTIONS = 100,
};

static inline void ort_release(OrtTable table, int slot, OrtObject *_Nullable object) {
    ((void (*)(OrtObject *_Nullable))table[slot])(object);
}

#define ORT_CALL static inline OrtStatus *_Nullable
// A function of slot N with the given parameters that answers a status.
#define ORT_SLOT(N, ...) ((OrtStatus *(*)(__VA_ARGS__))table[N])

// Status

static inline int32_t ort_error_code(OrtTable table, const OrtStatus *status) {
    return ((int32_t (*)(const OrtStatus *))table[1])(status);
}

static inline const char *ort_error_text(OrtTable table, const OrtStatus *status) {
    return ((const char *(*)(const OrtStatus *))table[2])(status);
}

// Environment and memory

/// An environment with one pool of threads that sessions can share. `threads`: of one operator, the caller among them;
/// `branches`: across operators. Threads sleep when they have nothing to do.
ORT_CALL ort_create_env_with_threads(
    OrtTable table, OrtLog log, void *_Nullable context, int32_t severity, const char *name, int32_t threads,
    int32_t branches, OrtEnv *_Nullable *_Nonnull env) {
    OrtObject *options = NULL;
    OrtStatus *status = ORT_SLOT(121, OrtObject **)(&options);
    if (!status) status = ORT_SLOT(147, OrtObject *, int32_t)(options, threads);
    if (!status) status = ORT_SLOT(148, OrtObject *, int32_t)(options, branches);
    if (!status) status = ORT_SLOT(149, OrtObject *, int32_t)(options, /* spin */ 0);
    if (!status)
        status = ORT_SLOT(151, OrtLog, void *, int32_t, const char *, const OrtObject *, OrtEnv **)(
            log, context, severity, name, options, env);
    if (options) ort_release(table, /* threading options */ 122, options);
    return status;
}

ORT_CALL ort_disable_telemetry(OrtTable table, OrtEnv *env) {
    return ORT_SLOT(6, const OrtEnv *)(env);
}

/// Memory of the CPU that the runtime does not own.
ORT_CALL ort_create_memory(OrtTable table, OrtMemory *_Nullable *_Nonnull memory) {
    return ORT_SLOT(69, int32_t, int32_t, OrtMemory **)(/* device allocator */ 0, /* default */ 0, memory);
}

/// The process's own allocator; not to be released.
ORT_CALL ort_allocator(OrtTable table, OrtAllocator *_Nullable *_Nonnull allocator) {
    return ORT_SLOT(78, OrtAllocator **)(allocator);
}

ORT_CALL ort_free(OrtTable table, OrtAllocator *allocator, void *memory) {
    return ORT_SLOT(76, OrtAllocator *, void *)(allocator, memory);
}

// Session options

ORT_CALL ort_create_session_options(OrtTable table, OrtSessionOptions *_Nullable *_Nonnull options) {
    return ORT_SLOT(10, OrtSessionOptions **)(options);
}

/// Slots that take the options and a number.
enum {
    /// 0 sequential, 1 parallel.
    ORT_SET_EXECUTION_MODE = 13,
    ORT_SET_LOG_SEVERITY = 22,
    /// 0 none, 1 basic, 2 extended, 99 all.
    ORT_SET_GRAPH_OPTIMIZATION = 23,
    ORT_SET_INTRA_OP_THREADS = 24,
    ORT_SET_INTER_OP_THREADS = 25,
};

ORT_CALL ort_set(OrtTable table, int slot, OrtSessionOptions *options, int32_t value) {
    return ORT_SLOT(slot, OrtSessionOptions *, int32_t)(options, value);
}

ORT_CALL ort_set_memory_pattern(OrtTable table, OrtSessionOptions *options, int32_t on) {
    return ORT_SLOT(on ? 16 : 17, OrtSessionOptions *)(options);
}

ORT_CALL ort_set_cpu_arena(OrtTable table, OrtSessionOptions *options, int32_t on) {
    return ORT_SLOT(on ? 18 : 19, OrtSessionOptions *)(options);
}

/// The session runs on the environment's threads.
ORT_CALL ort_share_threads(OrtTable table, OrtSessionOptions *options) {
    return ORT_SLOT(120, OrtSessionOptions *)(options);
}

ORT_CALL ort_set_log_name(OrtTable table, OrtSessionOptions *options, const char *name) {
    return ORT_SLOT(20, OrtSessionOptions *, const char *)(options, name);
}

ORT_CALL ort_add_config_entry(OrtTable table, OrtSessionOptions *options, const char *key, const char *value) {
    return ORT_SLOT(130, OrtSessionOptions *, const char *, const char *)(options, key, value);
}

// Session

ORT_CALL ort_create_session(
    OrtTable table, OrtEnv *env, const void *file, size_t bytes, OrtSessionOptions *options,
    OrtSession *_Nullable *_Nonnull session) {
    return ORT_SLOT(8, const OrtEnv *, const void *, size_t, const OrtSessionOptions *, OrtSession **)(
        env, file, bytes, options, session);
}

/// The two sides of a model; each has its slots, one after the other.
enum { ORT_INPUTS = 0, ORT_OUTPUTS = 1 };

ORT_CALL ort_count(OrtTable table, OrtSession *session, int side, size_t *count) {
    return ORT_SLOT(30 + side, const OrtSession *, size_t *)(session, count);
}

ORT_CALL ort_type(OrtTable table, OrtSession *session, int side, size_t index, OrtTypeInfo *_Nullable *_Nonnull type) {
    return ORT_SLOT(33 + side, const OrtSession *, size_t, OrtTypeInfo **)(session, index, type);
}

/// The name is to be freed with `ort_free`.
ORT_CALL ort_name(
    OrtTable table, OrtSession *session, int side, size_t index, OrtAllocator *allocator,
    char *_Nullable *_Nonnull name) {
    return ORT_SLOT(36 + side, const OrtSession *, size_t, OrtAllocator *, char **)(session, index, allocator, name);
}

/// `outputs` hold NULL before; what stands there afterwards is to be released.
ORT_CALL ort_run(
    OrtTable table, OrtSession *session, const char *_Nullable const *_Nullable input_names,
    OrtValue *_Nullable const *_Nullable inputs, size_t input_count,
    const char *_Nullable const *_Nullable output_names, size_t output_count,
    OrtValue *_Nullable *_Nullable outputs) {
    return ORT_SLOT(
        9, OrtSession *, const void *_Nullable, const char *const *, const OrtValue *const *, size_t,
        const char *const *, size_t, OrtValue **)(
        session, /* run options */ NULL, input_names, (const OrtValue *const *)inputs, input_count, output_names,
        output_count, outputs);
}

// Types

ORT_CALL ort_type_kind(OrtTable table, OrtTypeInfo *type, int32_t *kind) {
    return ORT_SLOT(56, const OrtTypeInfo *, int32_t *)(type, kind);
}

/// Part of `type`: not to be released. NULL where the type is no tensor.
ORT_CALL ort_tensor_of_type(OrtTable table, OrtTypeInfo *type, OrtShape *_Nullable *_Nonnull shape) {
    return ORT_SLOT(55, const OrtTypeInfo *, OrtShape **)(type, shape);
}

ORT_CALL ort_element_type(OrtTable table, OrtShape *shape, int32_t *type) {
    return ORT_SLOT(60, const OrtShape *, int32_t *)(shape, type);
}

ORT_CALL ort_rank(OrtTable table, OrtShape *shape, size_t *rank) {
    return ORT_SLOT(61, const OrtShape *, size_t *)(shape, rank);
}

ORT_CALL ort_dimensions(OrtTable table, OrtShape *shape, int64_t *_Nullable dimensions, size_t rank) {
    return ORT_SLOT(62, const OrtShape *, int64_t *, size_t)(shape, dimensions, rank);
}

// Values

ORT_CALL ort_create_tensor(
    OrtTable table, OrtAllocator *allocator, const int64_t *_Nullable shape, size_t rank, int32_t type,
    OrtValue *_Nullable *_Nonnull value) {
    return ORT_SLOT(48, OrtAllocator *, const int64_t *, size_t, int32_t, OrtValue **)(
        allocator, shape, rank, type, value);
}

/// A tensor of bytes that stay the caller's and outlive it. The runtime reads them only.
ORT_CALL ort_create_tensor_over(
    OrtTable table, OrtMemory *memory, const void *content, size_t bytes, const int64_t *_Nullable shape, size_t rank,
    int32_t type, OrtValue *_Nullable *_Nonnull value) {
    return ORT_SLOT(49, const OrtMemory *, void *, size_t, const int64_t *, size_t, int32_t, OrtValue **)(
        memory, (void *)content, bytes, shape, rank, type, value);
}

ORT_CALL ort_content(OrtTable table, OrtValue *value, void *_Nullable *_Nonnull content) {
    return ORT_SLOT(51, OrtValue *, void **)(value, content);
}

/// To be released.
ORT_CALL ort_shape_of_value(OrtTable table, OrtValue *value, OrtShape *_Nullable *_Nonnull shape) {
    return ORT_SLOT(65, const OrtValue *, OrtShape **)(value, shape);
}

/// Bytes of all strings of a string tensor.
ORT_CALL ort_strings_bytes(OrtTable table, OrtValue *value, size_t *bytes) {
    return ORT_SLOT(53, const OrtValue *, size_t *)(value, bytes);
}

/// The strings one after another, and where each begins.
ORT_CALL ort_strings(OrtTable table, OrtValue *value, void *content, size_t bytes, size_t *offsets, size_t count) {
    return ORT_SLOT(54, const OrtValue *, void *, size_t, size_t *, size_t)(value, content, bytes, offsets, count);
}

/// Makes string `index` `bytes` long (it may hold NUL) and answers where they go.
ORT_CALL ort_string_room(OrtTable table, OrtValue *value, size_t index, size_t bytes, char *_Nullable *_Nonnull room) {
    return ORT_SLOT(252, OrtValue *, size_t, size_t, char **)(value, index, bytes, room);
}

#undef ORT_SLOT
#undef ORT_CALL

#pragma clang diagnostic pop
#pragma clang assume_nonnull end
#endif
