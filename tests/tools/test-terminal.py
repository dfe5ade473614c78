#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names that others chose reach the terminal as text: nothing in them moves the cursor or starts a line."""
import json
import sys
import unittest

from program import TailnetCase, run

USER = 'eve\x1b[2J\x9b31m\r\n100.64.0.9 trusted\u202e'
SHOWN = r'eve\u001b[2J\u009b31m\u000d\u000a100.64.0.9 trusted\u202e'


class Terminal(TailnetCase):
    users = [USER]

    def setUp(self):
        super().setUp()
        self.own = ['-e', '-l', self.url, '-k', self.keys[USER], '-n', 'own']

    def test_lines(self):
        for command in 'status', 'whoami':
            with self.subTest(command=command):
                result = run(*self.own, command)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(SHOWN, result.stdout)

    def test_json(self):
        result = run(*self.own, 'whoami', '--json')
        self.assertNotIn('\x9b', result.stdout)
        self.assertEqual(json.loads(result.stdout)['UserProfile']['LoginName'], USER)

    def test_errors(self):
        self.refuse(2, r'\u001b[2J', '-e', '\x1b[2J')
        self.refuse(2, r'\u000a', '-e', 'nc', 'host', 'a\nb')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
