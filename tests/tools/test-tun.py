#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A node with an interface of the kernel, as a user meets it: in a network namespace of the test's own, as root."""
import json
import os
import socket
import subprocess
import sys
import time
import unittest

INSIDE = 'TAILNET_TEST_INSIDE'
if INSIDE not in os.environ:
    if subprocess.run(['unshare', '--net', 'test', '-c', '/dev/net/tun'], capture_output=True, check=False).returncode != 0:
        print('1..0 # SKIP needs to be root, with network namespaces and /dev/net/tun')
        sys.exit(77)
    os.execvpe('unshare', ['unshare', '--net', sys.executable, *sys.argv], os.environ | {INSIDE: '1'})

from program import LIMIT_S, TAILNET, Program, TailnetCase, run      # noqa: E402

PIPE = subprocess.PIPE


def ip(*args):
    return subprocess.run(['ip', *args], capture_output=True, text=True, check=True).stdout


def is_ours(route):
    return route.startswith('100.') and 'dev tn0' in route and 'table 52' in route


def routes():
    return [line for line in ip('-o', 'route', 'show', 'table', 'all').splitlines() if is_ours(line)]


class Tun(TailnetCase):
    def setUp(self):
        ip('link', 'set', 'lo', 'up')
        ip('link', 'add', 'wan0', 'type', 'veth', 'peer', 'name', 'wan1')
        self.addCleanup(ip, 'link', 'delete', 'wan0')
        for name in 'wan0', 'wan1':
            ip('link', 'set', name, 'up')
        ip('address', 'add', '192.0.2.5/24', 'dev', 'wan0')
        super().setUp()

    def up_with_interface(self):
        """Beside a peer, which has a route then."""
        self.up('other')
        changes = Program(self, 'ip', '-o', 'monitor', 'route')
        own = Program(self, TAILNET, *self.node('own'), 'up', '--tun=tn0')
        self.assertIn('own.', own.line())
        while not routes() and not is_ours(changes.line()):
            pass
        return own

    def test_interface(self):
        rules = ip('rule')
        own = self.up_with_interface()
        address = run(*self.node('own'), 'ip', '-4').stdout.strip()
        self.assertIn(f'{address}/32', ip('-o', 'address', 'show', 'tn0'))

        # A program that knows nothing of it reaches a peer.
        here = Program(self, TAILNET, *self.node('other'), 'nc', '-l', '7000', stdin=PIPE, stderr=PIPE)
        self.assertIn('7000', here.error_line())
        there = run(*self.node('own'), 'ip', '-4', 'other').stdout.strip()
        with socket.create_connection((there, 7000), timeout=LIMIT_S) as connection:
            connection.sendall(b'hello\n')
            self.assertEqual(here.line(), 'hello\n')

        # Peers are told where it is, so that they can go straight.
        end = time.monotonic() + LIMIT_S
        while not any(text.startswith('192.0.2.5:') for text in self.addresses_of('own')):
            self.assertLess(time.monotonic(), end)
        own.stop()
        self.assertEqual(ip('rule'), rules)
        self.assertNotIn('tn0', ip('route', 'show', 'table', 'all') + ip('-o', 'link'))

    def addresses_of(self, name):
        status = json.loads(run(*self.node('other'), 'status', '--json').stdout)
        return next((peer['Addrs'] or [] for peer in status['Peer'].values() if peer['HostName'] == name), [])

    def test_second(self):
        """One node a network namespace: the second one says who is there, and leaves that one alone."""
        self.up_with_interface()
        before = routes()
        second = Program(self, TAILNET, *self.node('second'), 'up', '--tun=tn1', stderr=PIPE)
        self.assertIn('second.', second.line())
        while 'tn0' not in (line := second.error_line()):
            self.assertNotEqual(line, '')
        self.assertIn('tn0', run(*self.node('second'), 'status').stdout)
        self.assertLessEqual(set(before), set(routes()))      # the second one is a peer of the first by now
        self.assertNotIn('dev tn1 table 52', ip('-o', 'route', 'show', 'table', 'all'))

    def test_name_taken(self):
        self.refuse(1, 'wan0', *self.node('own'), 'up', '--tun=wan0')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
