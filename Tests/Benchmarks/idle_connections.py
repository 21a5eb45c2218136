"""What an idle connection costs, and whether those who are not idle notice.

usage: idle_connections.py VENCEJO [--connections 10000] [--repository DIR]

Starts `VENCEJO serve` with two shards on a free port, makes calls on one connection, opens so many connections that have
greeted each other (preface, SETTINGS, their acknowledgement), and makes the same calls again. Prints resident memory
before, with and after them, bytes per connection, and the calls' times. Loopback only.
"""
import argparse
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS_ACK = bytes([0, 0, 0, 4, 1, 0, 0, 0, 0])
MODEL_INFER = "/inference.GRPCInferenceService/ServerLive"


def resident(pid, key="VmRSS"):
    return int(re.search(key + r":\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def greet(port):
    """A connection that has greeted and asks nothing."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(PREFACE)
    seen = b""
    while SETTINGS_ACK not in seen:
        part = sock.recv(4096)
        assert part, "the server closed an idle connection"
        seen += part
    sock.sendall(SETTINGS_ACK)
    return sock


def calls(channel, count=3000):
    live = channel.unary_unary(MODEL_INFER)
    times = []
    for _ in range(count):
        began = time.perf_counter()
        assert live(b"", timeout=10) == b"\x08\x01"
        times.append((time.perf_counter() - began) * 1e6)
    times.sort()
    return statistics.median(times), times[len(times) * 99 // 100]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("vencejo")
    arguments.add_argument("--connections", type=int, default=10_000)
    arguments.add_argument("--repository", default=str(HERE.parent / "Fixtures" / "models"))
    given = arguments.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert hard > given.connections + 100, f"only {hard} descriptors are allowed here"
    import grpc

    command = [given.vencejo, "serve", "--repository", given.repository, "--grpc", "127.0.0.1:0", "--shards", "2"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r":(\d+)$", server.stdout.readline().strip())[1])
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            calls(channel, 500)
            time.sleep(0.5)
            alone = calls(channel)
            before = resident(server.pid)
            held = [greet(port) for _ in range(given.connections)]
            time.sleep(1)
            during = resident(server.pid)
            among = calls(channel)
            for sock in held:
                sock.close()
            time.sleep(1)
            after = resident(server.pid)
        each = (during - before) / given.connections
        print(f"connections {given.connections}, bytes each {each:.0f}")
        print(f"resident MB: before {before / 1e6:.1f}, with them {during / 1e6:.1f}, after {after / 1e6:.1f}")
        print(f"a call alone: p50 {alone[0]:.0f} us, p99 {alone[1]:.0f} us; among them: p50 {among[0]:.0f} us, "
              f"p99 {among[1]:.0f} us; ratio of p50 {among[0] / alone[0]:.2f}")
    finally:
        server.terminate()
        assert server.wait(60) == 0, "the server did not end with 0"


if __name__ == "__main__":
    main()
