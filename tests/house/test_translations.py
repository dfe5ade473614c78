# SPDX-License-Identifier: LGPL-2.1-or-later
"""Are the catalogues well-formed and complete, and is every file with a marked string listed in POTFILES?"""

import os
import re
import subprocess
import sys
import tempfile

root = sys.argv[1]
problems = []


def lines(path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip() and not line.startswith("#")]


listed = set(lines("po/POTFILES"))
for folder in ("core", "plugins", "testkit", "tools"):
    for path, _, names in os.walk(os.path.join(root, folder)):
        for name in (os.path.relpath(os.path.join(path, n), root) for n in names if n.endswith(".c")):
            with open(os.path.join(root, name), encoding="utf-8") as file:
                if re.search(r'\bN?_ \(|\bN?_\("', file.read()) and name not in listed:
                    problems.append(f"po/POTFILES does not list {name}")
problems += [f"po/POTFILES lists {name}, which is not there" for name in listed if not os.path.exists(os.path.join(root, name))]

with tempfile.TemporaryDirectory() as work:
    template = os.path.join(work, "tailnet.pot")
    subprocess.run(["xgettext", "--from-code=UTF-8", "-k_", "-kN_", "-f", "po/POTFILES", "-o", template], cwd=root, check=True)
    for language in lines("po/LINGUAS"):
        catalogue, merged = f"po/{language}.po", os.path.join(work, language + ".po")
        subprocess.run(["msgmerge", "-q", "-o", merged, catalogue, template], cwd=root, check=True)
        for path in (catalogue, merged):
            check = subprocess.run(["msgfmt", "--check", "--statistics", "-o", "/dev/null", path], cwd=root, capture_output=True, text=True,
                                   env={**os.environ, "LC_ALL": "C"})
            if check.returncode != 0 or "untranslated" in check.stderr or "fuzzy" in check.stderr:
                problems.append(f"{catalogue}{'' if path == catalogue else ' against the sources'}: {check.stderr.strip()}")

print("\n".join(problems))
sys.exit(1 if problems else 0)
