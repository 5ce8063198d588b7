"""Whoever clones the repository has all of it: no path of somebody's machine, no link that leads
nowhere, no half-done merge in any tracked file. Prints what it finds; silence is good."""

import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent

MERGE_MARKER = re.compile(r"^(<{7}|>{7}|\|{7})( |$)")
MACHINE_PATH = re.compile(r"(?<![\w.~:/-])/(?:home|root|work|mnt|Users)/[\w.-]*|\b[A-Z]:\\+Users\b")
INTO_SHARED = re.compile(r"(?:\.\./)+shared/[\w./-]*")
MARKDOWN_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
MARKDOWN_LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")


def exists(reference, bases):
    """Does the reference, seen from one of the folders, name something inside the repository?"""
    for base in bases:
        target = (ROOT / base / reference.rstrip(".")).resolve()
        if target.is_relative_to(ROOT) and target.exists():
            return True
    return False


def findings(name, text):
    path = PurePosixPath(name)
    for number, line in enumerate(text.splitlines(), 1):
        if MERGE_MARKER.match(line):
            yield number, "a merge marker"
        for match in MACHINE_PATH.finditer(line):
            yield number, f"a path of one machine: {match[0]}"
        for match in INTO_SHARED.finditer(line):
            # A test writes it from its file or from its crate, so any folder above will do.
            if not exists(match[0], path.parents):
                yield number, f"leads nowhere: {match[0]}"
    if path.suffix == ".md":
        blank = lambda code: re.sub(r"[^\n]", " ", code[0])
        prose = MARKDOWN_CODE.sub(blank, text)
        for match in MARKDOWN_LINK.finditer(prose):
            link = match[1]
            if not re.match(r"[a-z]+:|/", link) and not exists(link, [path.parent]):
                yield prose.count("\n", 0, match.start()) + 1, f"leads nowhere: {link}"


def main():
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = found = 0
    for name in filter(None, names.split("\0")):
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue  # not a text, or not there any more
        files += 1
        for number, what in findings(name, text):
            found += 1
            print(f"{name}:{number}: {what}")
    print(f"{files} files read, {found} findings")
    return 1 if found else 0


sys.exit(main())
