"""The Hugging Face hub, played by a small server on this machine: the same requests, another address."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from command_line import depth_interp
from small_models import make_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAMES = ("config.json", "model.safetensors", "training.json")


class Hub(ThreadingHTTPServer):
    """Gives the files of one repository at one commit, and keeps what is committed."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Answers)
        self.folder, self.asked, self.committed = folder, [], {}


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.give(body=False)

    def do_GET(self):
        self.give(body=True)

    def give(self, *, body):
        self.server.asked.append(self.path)
        prefix = f"/lab/brain/resolve/{COMMIT}/"
        path = self.server.folder / self.path.removeprefix(prefix)
        if not self.path.startswith(prefix) or not path.is_file():
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = path.read_bytes()
        tag = hashlib.sha1(data).hexdigest()
        self.answer(200, data, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}, body=body)

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            self.tell({"url": f"http://{self.headers['Host']}/lab/new", "id": "lab/new", "name": "lab/new"})
        elif self.path == "/api/validate-yaml":
            self.tell({"warnings": [], "errors": []})
        elif "/preupload/" in self.path:
            found = [
                {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for each in json.loads(text)["files"]
            ]
            self.tell({"files": found})
        else:
            for line in text.splitlines():
                item = json.loads(line)
                if item["key"] == "file":
                    self.server.committed[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
            url = f"http://{self.headers['Host']}/lab/new/commit/{COMMIT}"
            self.tell({"success": True, "commitOid": COMMIT, "commitUrl": url})

    def tell(self, value):
        self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def answer(self, status, data, headers, *, body=True):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(data)


@pytest.fixture
def hub(tmp_path):
    folder = make_model(tmp_path / "served")
    (folder / "malware.pkl").write_bytes(b"no")
    server = Hub(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def models(models_home, tmp_path):
    """A function that runs ``depth-interp models`` against an address."""

    def run(port, *arguments):
        environment = {
            "DEPTH_INTERP_MODELS": str(models_home), "HF_ENDPOINT": f"http://127.0.0.1:{port}",
            "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "127.0.0.1",
        }  # fmt: skip
        return depth_interp("models", *arguments, environment=environment)

    return run


def test_a_model_of_one_commit_is_taken_in_and_nothing_else(hub, models, models_home):
    done = models(hub.server_port, "import", f"hf:lab/brain@{COMMIT}", "--json")
    assert done.returncode == 0, done.stderr
    assert "kB from http://127.0.0.1" in done.stderr
    answer = json.loads(done.stdout)
    assert (answer["name"], answer["state"]) == ("brain", "ready")
    assert sorted(each.name for each in (models_home / "brain").iterdir()) == sorted(NAMES)
    assert sorted(each.name for each in models_home.iterdir()) == ["brain"]
    record = json.loads((models_home / "brain" / "training.json").read_text())
    assert record["source"] == f"hf:lab/brain@{COMMIT}"
    assert not [path for path in hub.asked if "malware" in path]


def test_other_weights_than_those_that_were_described_are_refused(hub, models, models_home):
    weights = hub.folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    done = models(hub.server_port, "import", f"hf:lab/brain@{COMMIT}")
    assert done.returncode == 1
    assert "is not what was saved" in done.stderr
    assert list(models_home.iterdir()) == []


@pytest.mark.parametrize(("where", "words"), [("none", "the hub answers 404"), ("offline", "is this machine offline?")])
def test_what_cannot_be_reached_is_said_in_one_line(hub, models, models_home, where, words):
    port = 9 if where == "offline" else hub.server_port
    done = models(port, "import", f"hf:lab/{'brain' if where == 'offline' else where}@{COMMIT}")
    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert words in line
    assert list(models_home.iterdir()) == []


def test_a_model_is_shared_with_a_card_and_comes_back(hub, models, models_home):
    make_model(models_home / "mine", licence="")
    refused = models(hub.server_port, "export", "mine", "hf:lab/new")
    assert "has no licence, so nobody might use it" in refused.stderr
    done = models(hub.server_port, "export", "mine", "hf:lab/new", "--licence", "cc-by-4.0", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["place"] == f"hf:lab/new@{COMMIT}"
    assert sorted(hub.committed) == sorted([*NAMES, "README.md"])
    for name in NAMES:
        assert hub.committed[name] == (models_home / "mine" / name).read_bytes()
    assert "license: cc-by-4.0" in hub.committed["README.md"].decode()
