// The door to libcrypto, opened by Cryptography. OpenSSL has no module map of its own; this header goes when it gets one.
#pragma once
#include <openssl/evp.h>
