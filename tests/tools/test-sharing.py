#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One state, one process: the first command with a state is the node, others attach to it."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

from program import LIMIT_S, TAILNET, Background, Program, TailnetCase, run


class Sharing(TailnetCase):
    def test_commands_attach(self):
        first = self.up('own')
        server = Program(self, TAILNET, '-e', *self.access, '-n', 'server', 'perf', '-l')
        server.line()
        own = self.node('own')
        address = run(*own, 'ip').stdout.split()[0]
        status = json.loads(run(*own, 'status', '--json').stdout)
        self.assertEqual((status['BackendState'], status['Self']['Relay']), ('Running', 'test900'))
        report = json.loads(run(*own, 'perf', '--json', '--bytes', '1M', 'server').stdout)
        self.assertTrue(report['upload']['verified'] and report['download']['verified'])
        again = run(*own, 'up')
        self.assertEqual((again.returncode, 'already' in again.stdout), (0, True))

        down = run('--state', self.state('own'), 'down')
        self.assertEqual((down.returncode, down.stderr), (0, ''))
        self.assertEqual(first.process.wait(LIMIT_S), 0)
        self.assertFalse(os.path.exists(os.path.join(self.state('own'), 'bus')))
        self.assertEqual(run(*own, 'ip').stdout.split()[0], address)      # the same node, on its own
        self.assertEqual(run('--state', self.state('own'), 'down').returncode, 0)

    def test_status_of_one_that_waits(self):
        """Where its program waits for somebody to log in, a node can be looked at."""
        own = ['-s', self.state('own'), '-l', self.url, '-n', 'own']
        first = Program(self, TAILNET, *own, 'up', stderr=subprocess.PIPE)
        first.error_line()
        first.error_line()
        url = first.error_line().strip()
        status = json.loads(run(*own, 'status', '--json').stdout)
        self.assertEqual((status['BackendState'], status['AuthURL']), ('NeedsLogin', url))
        result = run(*own, 'status')
        self.assertEqual((result.returncode, url in result.stderr), (0, True), result)

    def test_socket_of_a_dead_process(self):
        first = self.up('own')
        address = run(*self.node('own'), 'ip').stdout
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(LIMIT_S)
        self.assertTrue(os.path.exists(os.path.join(self.state('own'), 'bus')))
        self.assertEqual(run(*self.node('own'), 'ip').stdout, address)

    def test_many_at_once(self):
        """Whoever comes first is the node; the others find it."""
        addresses = [Background(run, *self.node('own'), 'ip', '-4') for _ in range(6)]
        results = [background.result() for background in addresses]
        self.assertEqual([(r.returncode, r.stderr) for r in results], [(0, '')] * 6)
        self.assertEqual(len({r.stdout for r in results}), 1)

    def test_many_attach_at_once(self):
        """More than the socket has room for."""
        self.up('own')
        address = run(*self.node('own'), 'ip', '-4').stdout
        results = [background.result() for background in [Background(run, *self.node('own'), 'ip', '-4') for _ in range(40)]]
        self.assertEqual([(r.returncode, r.stdout, r.stderr) for r in results], [(0, address, '')] * 40)

    def test_two_that_stay(self):
        both = [Program(self, TAILNET, *self.node('own'), 'up') for _ in range(2)]
        lines = sorted(program.line() for program in both)
        self.assertEqual(['already' in line for line in lines].count(True), 1, lines)

    def test_attach_while_the_first_stops(self):
        """Either still with the first, or on one's own, but never an error."""
        address = None
        for _ in range(5):
            first = self.up('own')
            asking = [Background(run, *self.node('own'), 'ip', '-4') for _ in range(2)]
            first.process.send_signal(signal.SIGINT)
            for background in asking:
                result = background.result()
                self.assertEqual((result.returncode, result.stderr), (0, ''))
                self.assertEqual(result.stdout, address or result.stdout)
                address = result.stdout
            self.assertEqual(first.process.wait(LIMIT_S), 0)      # no second signal: that would end it at once

    def test_who_waits_hears_of_the_end(self):
        first = self.up('own')
        listener = Program(self, TAILNET, *self.node('own'), 'nc', '-l', '80', stderr=-1)
        self.assertIn('80', listener.error_line())
        self.assertEqual(first.stop(), 0)
        self.assertIn(f"the program that runs the node of {self.state('own')} has ended", listener.error_line())
        self.assertEqual(listener.process.wait(LIMIT_S), 1)

    def test_log_out_of_a_running_node(self):
        first = self.up('own')
        result = run('logout', '-s', self.state('own'))
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, 'Logged out.\n', ''))
        self.assertEqual((first.line(), first.process.wait(LIMIT_S)), ('The node was logged out.\n', 0))

    def wait_until_expired(self, node, name):
        limit = time.monotonic() + LIMIT_S
        while time.monotonic() < limit:
            peers = json.loads(run(*self.node(node), 'status', '--json').stdout)['Peer'].values()
            if [peer['HostName'] for peer in peers if peer.get('Expired')] == [name]:
                return
        self.fail(f'{name} has not expired: {peers}')

    def log_out(self, name, said='Logged out.\n'):
        result = run('-s', self.state(name), 'logout')
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, said, ''))

    def test_log_out_alone(self):
        other = self.up('other')
        address = run(*self.node('own'), 'ip').stdout
        self.assertEqual(run(*self.node('other'), 'ip', 'own').stdout, address)
        self.log_out('own')
        self.wait_until_expired('other', 'own')
        self.log_out('own', 'The node was not logged in.\n')
        self.assertEqual(run(*self.node('own'), 'ip').stdout, address)      # the key lets the same machine of the same user in again
        self.assertEqual(other.stop(), 0)
        self.refuse(1, 'there is no node', '-s', self.state('nowhere'), 'logout')

    def test_log_out_without_a_server(self):
        """The key is gone in any case, and who does not know of it is said."""
        for running in False, True:
            name = 'running' if running else 'stopped'
            program = self.up(name)
            key = os.path.join(self.state(name), 'node-key.state')
            self.assertTrue(os.path.exists(key))
            if not running:
                program.stop()
            self.testkit.stop()
            self.refuse(1, 'could not be told', '--timeout', '2', '-s', self.state(name), 'logout')
            self.assertFalse(os.path.exists(key))
            self.start_testkit()


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
