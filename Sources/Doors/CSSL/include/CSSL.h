// The door to libssl, opened by TLS. OpenSSL has no module map of its own, and much of its interface is macros, which
// Swift does not see: those in use have a function here. The header goes when OpenSSL has both.
#pragma once
#include <openssl/err.h>
#include <openssl/pemerr.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>
#include <openssl/x509err.h>
#include <openssl/x509v3.h>

/// What a passphrase callback that gives none leads to; a macro over macros.
static const int tls_reason_interrupted = ERR_R_INTERRUPTED_OR_CANCELLED;

static inline int tls_context_set_versions(SSL_CTX *context, int minimum, int maximum) {
    return SSL_CTX_set_min_proto_version(context, minimum) == 1 && SSL_CTX_set_max_proto_version(context, maximum) == 1;
}

/// What HTTP/2 forbids (RFC 9113, section 9.2.1) and what we do not want: renegotiation, compression, a server's memory
/// of sessions; and memory that an idle connection does not need.
static inline void tls_context_set_habits(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline int tls_set_server_name(SSL *ssl, const char *host) {
    return SSL_set_tlsext_host_name(ssl, host) == 1;
}

static inline void tls_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline void tls_bio_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }

/// The certificate's alternative names, or NULL. Give back with tls_names_free.
static inline GENERAL_NAMES *tls_names(const X509 *certificate) {
    return (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}
static inline int tls_names_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }
static inline void tls_names_free(GENERAL_NAMES *names) { GENERAL_NAMES_free(names); }

/// The text of name `index`, or NULL when it is not of `kind` (GEN_DNS, GEN_URI).
static inline const ASN1_STRING *tls_name(const GENERAL_NAMES *names, int index, int kind) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    return name->type == kind ? name->d.ia5 : NULL;
}

/// The certificate's subject as RFC 2253 writes it, into a BIO. Less than 0: it failed.
static inline int tls_subject(BIO *bio, const X509 *certificate) {
    return X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
}
static inline long tls_bio_bytes(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }
