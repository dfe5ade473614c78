# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does bin/check find what it is for? A tree with one thing wrong of each kind, and a build whose libraries export too much and too little."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

CHECK, COMPILER = sys.argv[1], sys.argv[2:]
HEAD = "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"
HEADER = HEAD + "#pragma once\n\n"


class Checker(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root, self.build = folder.name, os.path.join(folder.name, "b")
        subprocess.run(["git", "init", "-q", self.root], check=True)
        self.write(".gitignore", "/b/\n")
        os.mkdir(os.path.join(self.root, "bin"))
        shutil.copy(CHECK, os.path.join(self.root, "bin", "check"))

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def library(self, name, *symbols):
        source = self.write("b/source.c", "".join(f"void {s} (void); void {s} (void) {{}}\n" for s in symbols))
        path = os.path.join(self.build, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        subprocess.run([*COMPILER, "-shared", "-fPIC", "-nostdlib", "-o", path, source], check=True)

    def check(self):
        done = subprocess.run([sys.executable, os.path.join(self.root, "bin", "check"), self.build], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1 if done.stdout else 0, done.stderr)
        return [line.replace(self.build + "/", "") for line in done.stdout.splitlines()], done.stderr

    def assert_found(self, *wanted):
        found, _ = self.check()
        self.assertEqual(len(found), len(wanted), found)
        for begin, text in wanted:
            self.assertTrue([f for f in found if f.startswith(begin) and text in f], (begin, text, found))

    def test_nothing_wrong(self):
        self.write("core/tn-a.h", HEADER + "TN_AVAILABLE_IN_ALL\nvoid tn_a (void);\n")
        self.library("core/libtailnet-1.so", "tn_a")
        self.assert_found()

    def test_sources(self):
        self.write("core/tn-a.c", HEAD + '#include "config.h"\n\nstatic int a = 1; \nvoid a (void) { if(a) abort (); }\n')
        self.write("core/tn-b.c", "int b;\n")
        self.assert_found(("core/tn-a.c:4:", "white space"), ("core/tn-a.c:5:", "ends the process"), ("core/tn-a.c:5:", "parenthesis"),
                          ("core/tn-b.c:1:", "SPDX"), ("core/tn-b.c:1:", "config.h"))

    def test_port_of_foreign_sources(self):
        self.write("subprojects/packagefiles/stack/port.h", HEADER + "#define LINE  sprintf (x)\n")
        self.write("subprojects/packagefiles/stack/fix.patch", "--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n \told\t\n+\tnew\n+good\n")
        self.assert_found(("subprojects/packagefiles/stack/port.h:4:", "unbounded"), ("subprojects/packagefiles/stack/fix.patch:5:", "tab"))

    def test_exports(self):
        self.write("core/tn-a.h", HEADER + "TN_AVAILABLE_IN_ALL\nvoid tn_a (void);\nvoid tn_hidden (void);\n")
        self.write("testkit/tn-testkit-a.h", HEADER + "TN_AVAILABLE_IN_ALL\nvoid tn_testkit_a (void);\n")
        self.write("b/core/tn-enum-types.h", "TN_AVAILABLE_IN_ALL GType tn_e_get_type (void);\n")
        self.library("core/libtailnet-1.so", "tn_e_get_type", "tn_hidden", "tn_stray_get_type")
        self.library("testkit/libtailnet-testkit-1.so", "tn_testkit_a", "tn_b")
        self.assert_found(("core/libtailnet-1.so:0:", "does not export tn_a,"), ("core/libtailnet-1.so:0:", "exports tn_hidden,"),
                          ("core/libtailnet-1.so:0:", "exports tn_stray_get_type,"), ("testkit/libtailnet-testkit-1.so:0:", "exports tn_b, which no"),
                          ("testkit/libtailnet-testkit-1.so:0:", "exports tn_b, which is outside"))

    def test_plugins(self):
        self.library("plugins/x/libtailnet-x-y.so", "tn_plugin_descriptor", "g_io_tailnet_x_y_load", "g_io_tailnet_x_y_unload", "helper")
        self.assert_found(("plugins/x/libtailnet-x-y.so:0:", "does not export g_io_tailnet_x_y_query"), ("plugins/x/libtailnet-x-y.so:0:", "exports helper"))

    def test_says_what_it_cannot_check(self):
        found, said = self.check()
        self.assertEqual(found, [])
        for what in ("exports of libtailnet-1.so", "exports of libtailnet-testkit-1.so", "exports of plugins", "each source is built"):
            self.assertIn(what, said)
        self.assertIn("not all was checked", said)


unittest.main(argv=[sys.argv[0]])
