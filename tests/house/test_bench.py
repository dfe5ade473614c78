# SPDX-License-Identifier: LGPL-2.1-or-later
"""A benchmark takes minutes, and some take root: help and a slip of the pen must not start one."""

import os
import subprocess
import sys
import unittest

FOLDER = None
PROGRAMS = 'memory', 'netmap', 'relay', 'start', 'tun'


def run(name, *args):
    # No build and no programs: whoever measures something fails at once.
    environment = {'PATH': os.environ['PATH'], 'TAILNET_BUILD_DIR': '/nonexistent'}
    return subprocess.run([sys.executable, os.path.join(FOLDER, name), *args], env=environment, capture_output=True, text=True, timeout=30)


class Bench(unittest.TestCase):
    def test_help(self):
        for name in PROGRAMS:
            with self.subTest(name), open(os.path.join(FOLDER, name)) as source:
                result = run(name, '--help')
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(source.read().split('"""')[1], result.stdout)

    def test_unknown_option(self):
        for name in PROGRAMS:
            with self.subTest(name):
                result = run(name, '--nonesuch')
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn('--nonesuch', result.stderr)

    def test_unknown_word(self):
        for name in PROGRAMS:
            with self.subTest(name):
                result = run(name, 'nonesuch')
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn('nonesuch', result.stderr)


if __name__ == '__main__':
    FOLDER = sys.argv.pop(1)
    unittest.main()
