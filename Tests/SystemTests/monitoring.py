"""Prometheus and Alertmanager as processes on loopback, and a place where what Alertmanager sends arrives."""
import contextlib
import http.server
import json
import pathlib
import shutil
import socketserver
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from ports import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
MONITORING = ROOT / "k8s" / "monitoring"
PATIENCE = 60  # seconds


def tool(name, package):
    """The program's path. `make test` installs the package."""
    found = shutil.which(name)
    assert found, f"{name} is not there: apt-get install {package}"
    return found


def run(*command, cwd=MONITORING, check=True):
    """What a program said, both streams; it must succeed."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=PATIENCE)
    assert not check or done.returncode == 0, done.stdout
    return done.stdout if check else done


class Process:
    """A server with an HTTP API on a port of loopback; its files and its log are in a folder of its own."""

    def __init__(self, folder, *command):
        self.port, self.folder = free_port(), folder
        with open(folder / "log", "w") as log:
            self.process = subprocess.Popen([*map(str, command), f"--web.listen-address=127.0.0.1:{self.port}"],
                                            stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            self.until(self._is_ready, "it to be ready")
        except BaseException:
            self.stop()
            raise

    def until(self, holds, what):
        """Asks until it holds, as long as the process runs."""
        end = time.monotonic() + PATIENCE
        while not holds():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
            time.sleep(0.1)

    def request(self, path, values=None, body=None):
        """`values` as a form, or `body` as JSON."""
        data = urllib.parse.urlencode(values).encode() if values else json.dumps(body).encode() if body else None
        headers = {"Content-Type": "application/json"} if body else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}, {values}: {error.read().decode()}") from None

    def _is_ready(self):
        with contextlib.suppress(OSError, AssertionError):
            return self.request("/-/ready") is not None

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


class Prometheus(Process):
    """Scrapes one target twice a second, and follows our rules."""

    def __init__(self, folder, target):
        (folder / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
            "rule_files": [str(MONITORING / "rules" / "*.yaml")],
            "scrape_configs": [{"job_name": "vencejo", "static_configs": [{"targets": [target]}]}]}))
        super().__init__(folder, tool("prometheus", "prometheus"), f"--config.file={folder}/prometheus.yml",
                         f"--storage.tsdb.path={folder}/data", "--web.enable-lifecycle")

    def api(self, path, **values):
        return json.loads(self.request(f"/api/v1/{path}", values or None))["data"]

    def query(self, expression):
        """Samples as (labels, number); a scalar has no labels."""
        data = self.api("query", query=expression)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(sample["metric"], float(sample["value"][1])) for sample in data["result"]]

    def label_values(self, selector, label):
        return sorted({labels[label] for labels, _ in self.query(selector) if label in labels})


class Sink:
    """Takes what Alertmanager sends: HTTP of Slack, Discord, Telegram and webhooks, and mail."""

    def __init__(self):
        self.posts, self.mails = [], []
        sink = self

        class Web(http.server.BaseHTTPRequestHandler):
            answers = {"/slack": b"ok", "/bot": b'{"ok": true, "result": {"message_id": 1, "chat": {"id": -1}}}'}

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.posts.append((self.path, json.loads(body)))
                answer = next((text for start, text in self.answers.items() if self.path.startswith(start)), b"")
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        class Mail(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(f"{line}\r\n".encode())

            def handle(self):
                self.say("220 sink")
                for line in self.rfile:
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        self.say("354 go on")
                        lines = iter(self.rfile.readline, b".\r\n")
                        sink.mails.append(b"".join(lines).decode())
                    self.say("221 bye" if verb == b"QUIT" else "250 done")

        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
        self.mail = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail)
        self.mail.daemon_threads = True
        for server in (self.web, self.mail):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:{}".format(self.web.server_address[1])
        self.smarthost = "127.0.0.1:{}".format(self.mail.server_address[1])

    def posted(self, start):
        return [body for path, body in self.posts if path.startswith(start)]

    def stop(self):
        for server in (self.web, self.mail):
            server.shutdown()
            server.server_close()
