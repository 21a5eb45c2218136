#!/usr/bin/env python3
"""Reduces a file of Wycheproof's test vectors to the groups and fields that Tests/CryptographyTests reads.

    reduce.py FILE...    writes each, compact and with one test a line, beside this script under its own name

ORIGIN.md names the commit that the files come from. Values are copied as they are; nothing is computed.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def any_group(group):
    return True


def with_256_bit_key(group):
    return group["keySize"] == 256


# Which groups; fields of a group; fields of a test, beside its number and its result.
SIGNATURE = ("msg", "sig")
KEPT = {
    "aes_gcm_test.json": (with_256_bit_key, ("ivSize",), ("key", "iv", "aad", "msg", "ct", "tag")),
    "aes_wrap_test.json": (with_256_bit_key, ("keySize",), ("key", "msg", "ct")),
    "hkdf_sha256_test.json": (any_group, ("keySize",), ("ikm", "salt", "info", "size", "okm")),
    "hkdf_sha512_test.json": (any_group, ("keySize",), ("ikm", "salt", "info", "size", "okm")),
    "hmac_sha256_test.json": (any_group, ("tagSize",), ("key", "msg", "tag")),
    "ed25519_test.json": (any_group, ("publicKey.pk",), SIGNATURE),
    "ecdsa_secp256r1_sha256_test.json": (any_group, ("publicKeyDer",), SIGNATURE),
    "ecdsa_secp384r1_sha384_test.json": (any_group, ("publicKeyDer",), SIGNATURE),
    "ecdsa_secp521r1_sha512_test.json": (any_group, ("publicKeyDer",), SIGNATURE),
}


def value(group, path):
    for name in path.split("."):
        group = group[name]
    return group


def compact(thing):
    return json.dumps(thing, separators=(",", ":"))


def reduced(text, keeps, group_fields, test_fields):
    groups = []
    for group in filter(keeps, json.loads(text)["testGroups"]):
        head = {path.rpartition(".")[2]: value(group, path) for path in group_fields}
        tests = [compact({name: test[name] for name in ("tcId", *test_fields, "result")}) for test in group["tests"]]
        groups.append(compact(head)[:-1] + ',"tests":[\n' + ",\n".join(tests) + "\n]}")
    return '{"groups":[\n' + ",\n".join(groups) + "\n]}\n"


def main(paths):
    for path in map(pathlib.Path, paths):
        if path.name not in KEPT:
            sys.exit(f"{path}: the name must be one of {', '.join(KEPT)}")
        (HERE / path.name).write_text(reduced(path.read_text(), *KEPT[path.name]))


if __name__ == "__main__":
    main(sys.argv[1:])
