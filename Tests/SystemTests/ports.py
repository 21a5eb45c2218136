"""Ports of loopback that are free now and stay free until the test takes them.

A port that the kernel has just given and taken back may be any other process's a moment later: tests run side by side, and
each opens many. The kernel gives no port below its ephemeral range (ip_local_port_range) by itself, and a name in the abstract
namespace of Unix sockets keeps other test processes from using the same one.
"""
import itertools
import socket

_FIRST, _COUNT = 20_000, 10_000
_numbers = itertools.count()
_claims = []


def free_port():
    while (number := next(_numbers)) < _COUNT:
        port = _FIRST + number
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0vencejo-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)  # until this process ends
        return port
    raise AssertionError("no port is free")


def free_address():
    return f"127.0.0.1:{free_port()}"
