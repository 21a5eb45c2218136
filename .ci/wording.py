#!/usr/bin/env python3
"""Lint of wording: what was added since BASE must name its subjects, and commit subjects must fit a line.

    .ci/wording.py             since the commit from which these rules hold, the working tree included
    .ci/wording.py REVISION    since REVISION

A pronoun without a noun leaves the reader to guess whether the client, the server or the operator is meant. Checked are
the lines that were added to comments, help texts, messages and documents; a pronoun that follows its noun ("the operator
who ordered it") passes. A commit subject is "area: imperative subject", at most 72 characters.
"""
import re
import subprocess
import sys

BASE = "5fc6b9af4557035b6fe80c3df0ee5ae77cdfb011"
SUBJECT_CHARACTERS_MAX = 72
# Not where a text names the word itself: "nobody", `who`.
PRONOUNS = re.compile(r"""(?<!["`])\b(who(ever)?|(no|some)body)\b|\b(who(ever)?|(no|some)body)\b(?!["`])""", re.IGNORECASE)
NOUNS = re.compile(
    r"\b(attackers?|auditors?|callers?|clients?|developers?|engineers?|operators?|owners?|people|persons?|readers?|users?"
    r"|maintainers?|authors?|peers?)\W{1,3}$", re.IGNORECASE)
SUBJECT = re.compile(r"(Merge|Revert) |[a-z][\w.,/ -]*: [^\sA-Z].*[^.]$|[a-z][\w.,/ -]*: [A-Z]\w*[A-Z0-9].*[^.]$")
# What others wrote or programs made, and this file, which has to name the words.
EXCLUDED = (
    ".ci/wording.py", "LICENSE", "**/Generated/**", "Tests/Fixtures/**", "proto/grpc/**", "proto/inference/**", "**/*.json",
    "**/*.onnx")


def git(*arguments):
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        sys.exit(f"wording: git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def added(base):
    """(file, line number, text) of each line that is in the working tree and was not at `base`."""
    excluded = [f":(exclude,glob){pattern}" for pattern in EXCLUDED]
    difference = git("diff", "--unified=0", "--no-color", "--no-ext-diff", "-M", base, "--", ".", *excluded)
    file, number = None, 0
    for line in difference.splitlines():
        if line.startswith("+++ "):
            file = line[6:]
        elif found := re.match(r"@@ -\S+ \+(\d+)", line):
            number = int(found[1])
        elif line.startswith("+"):
            yield file, number, line[1:]
            number += 1
    for file in git("ls-files", "--others", "--exclude-standard", "--", ".", *excluded).splitlines():
        with open(file, errors="replace") as lines:
            yield from ((file, number, line.rstrip("\n")) for number, line in enumerate(lines, 1))


def bare(text):
    """The first pronoun in `text` that does not follow a noun.

    >>> bare("/// Whoever takes too long is hung up on."), bare("Tells who asked."), bare("# nobody's fault")
    ('Whoever', 'who', 'nobody')
    >>> bare("Names the operator who ordered it."), bare("let whole = wholesale(1)"), bare('load("nobody", {})')
    (None, None, None)
    """
    return next((found[0] for found in PRONOUNS.finditer(text) if not NOUNS.search(text[:found.start()])), None)


def fault(subject):
    """What is wrong with a commit's subject; None: nothing.

    >>> fault("metrics: validate segment offsets"), fault("http2, grpc: RST_STREAM ends a call"), fault("ci: run NIO once")
    (None, None, None)
    >>> fault("A page is read"), fault("control: Load it"), fault("docs: say it.")  # doctest: +ELLIPSIS
    ('must be ...', 'must be ...', 'must be ...')
    >>> fault("a: " + 70 * "b")
    '73 characters, must be at most 72'
    """
    if len(subject) > SUBJECT_CHARACTERS_MAX:
        return f"{len(subject)} characters, must be at most {SUBJECT_CHARACTERS_MAX}"
    if not SUBJECT.match(subject):
        return 'must be "area: imperative subject", without a full stop'
    return None


def main(base):
    if subprocess.run(["git", "cat-file", "-e", f"{base}^{{commit}}"], capture_output=True).returncode != 0:
        print(f"wording: NOT CHECKED: commit {base} is not in this clone: run git fetch --unshallow, or name another one")
        return 0 if base == BASE else 2
    problems = [
        f'{file}:{number}: bare "{word}": name the client, the server, the operator: {text.strip()}'
        for file, number, text in added(base) if (word := bare(text))]
    for line in git("log", "--format=%h %s", f"{base}..HEAD").splitlines():
        commit, _, subject = line.partition(" ")
        if why := fault(subject):
            problems.append(f"commit {commit}: {why}: {subject}")
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:2] or [BASE])))
