"""Where versions come from, as their manifests say."""
import json

import pytest

from command_line import DONE, FAILED, USAGE, command
from models import put


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models"
    for version in 1, 2, 3, 4, 5:
        put(folder, "iris", version)
    put(folder, "other", 1)
    for version, *more in [
        (1, "--author", "maria", "--metric", "auc=0.9", "--tag", "data=may"),
        (2, "--parent", "iris/1", "--author", "juan", "--metric", "auc=0.91"), (3, "--parent", "1", "--author", "maria"),
        (4, "--parent", "2"), (5, "--parent", "mlruns/77"),
    ]:
        assert command("manifest", folder / "iris" / str(version), *more)[0] == DONE
    return folder


def test_lineage(repository):
    code, text, _ = command("models", "--lineage", "--repository", repository, "-o", "json")
    assert code == DONE
    models = json.loads(text)["models"]
    assert [model["name"] for model in models] == ["iris", "other"]
    versions = models[0]["versions"]
    # Each below the one that it was made from.
    assert [version["version"] for version in versions] == [1, 2, 4, 3, 5]
    assert versions[0]["author"] == "maria" and versions[0]["metrics"] == {"auc": 0.9}
    assert versions[0]["tags"] == {"data": "may"} and versions[1]["parent"] == "iris/1"
    assert len(versions[0]["digest"]) == 64 and versions[0]["created"].startswith("20")
    assert models[1]["versions"] == [{
        "version": 1, "parent": None, "created": None, "author": None, "reason": None, "digest": None, "metrics": {},
        "tags": {}, "has_manifest": False, "problem": None}]
    code, text, _ = command("models", "iris", "--lineage", "--repository", repository)
    lines = text.splitlines()
    assert code == DONE and len(lines) == 6 and "auc=0.9 " in lines[1] and "data=may" in lines[1]
    assert [line.split("iris")[1].rstrip()[:8].strip().split("  ")[0] for line in lines[1:]] == ["1", "└ 2", "└ 4", "└ 3", "5"]


def test_what_is_not_there_or_not_right(repository):
    (repository / "iris" / "3" / "manifest.json").write_text("{")
    code, text, _ = command("models", "iris", "--lineage", "--repository", repository)
    assert code == DONE and "'iris/3/manifest.json' is no manifest" in text
    code, _, error = command("models", "nobody", "--lineage", "--repository", repository)
    assert code == FAILED and 'model "nobody" is not in the repository; there are: ' in error
    code, _, error = command("models", "--repository", repository)
    assert code == USAGE and "--repository is given without --lineage" in error
    assert command("models", "--lineage", "--repository", repository / "gone")[0] == USAGE
