#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the folder of a state keeps besides the keys: how the node was joined."""
import json
import os
import sys
import unittest

from program import TailnetCase, run


class Settings(TailnetCase):
    def own_name(self, *args):
        result = run('-s', self.state('own'), *args, 'whoami', '--json')
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        return json.loads(result.stdout)['Node']['ComputedName']

    def settings(self):
        return os.path.join(self.state('own'), 'settings.state')

    def test_kept(self):
        self.assertEqual(self.own_name(*self.access, '-n', 'ann', '-t', 'tag:web'), 'ann')
        self.assertEqual(self.own_name(), 'ann')      # nothing given: neither name, nor server, nor key
        self.assertEqual(self.own_name('-n', 'eve'), 'eve')
        self.assertEqual(self.own_name(), 'eve')
        self.assertEqual(os.stat(self.settings()).st_mode & 0o777, 0o600)

    def test_not_kept_of_a_start_that_failed(self):
        self.own_name(*self.access, '-n', 'ann')
        self.refuse(1, 'unix.invalid', '-s', self.state('own'), '-l', 'https://unix.invalid', '--timeout', '1', 'ip')
        self.assertEqual(self.own_name(), 'ann')

    def test_no_node(self):
        self.refuse(1, self.state('typo'), '-s', self.state('typo'), 'ip')
        self.assertFalse(os.path.exists(self.state('typo')))
        self.refuse(2, __file__, '-s', __file__, 'ip')
        self.refuse(2, '--hostname', '-s', self.state('own'), '-n', '', 'ip')

    def test_damaged(self):
        self.own_name(*self.access)
        with open(self.settings(), 'r+b') as file:
            file.seek(0, os.SEEK_END)
            file.write(b'x')
            file.seek(0)
            damaged = file.read()
        self.refuse(1, self.settings(), '-s', self.state('own'), 'ip')
        with open(self.settings(), 'rb') as file:
            self.assertEqual(file.read(), damaged)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
