// The door to libcrypto, opened by Cryptography. OpenSSL has no module map of its own; this header goes when it gets one.
#pragma once
// The hashes beneath EVP are deprecated since 3.0 and present in each 3.x: PlainHash.swift says why they are used.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
// getrandom(2): the Glibc module of Swift leaves this header out.
#include <sys/random.h>
