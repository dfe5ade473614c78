#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program as a user meets it, against a tailnet of the testkit. Waits for lines and for ends of processes, never for time."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

TAILNET, TESTKIT = sys.argv[1], sys.argv[2]
LIMIT_S = 50


class Program:
    """A process that runs until the test is over; lines of its output can be waited for."""

    def __init__(self, test, *args):
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=ENV)
        test.addCleanup(self.stop)

    def line(self):
        return self.process.stdout.readline()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(LIMIT_S)
        self.process.stdout.close()
        return code


ENV = {k: v for k, v in os.environ.items() if not k.startswith('TS_')} | {'LC_ALL': 'C.UTF-8', 'LANGUAGE': ''}


def run(*args, **kwargs):
    return subprocess.run([TAILNET, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, env=ENV, **kwargs)


class Usage(unittest.TestCase):
    def refuse(self, code, shown, *args):
        result = run(*args)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, '')
        self.assertIn(shown, result.stderr)
        self.assertEqual(result.stderr.count('\n'), 1, result.stderr)

    def test_wrong_use(self):
        self.refuse(2, 'no command')
        self.refuse(2, 'bogus', 'bogus')
        self.refuse(2, '--bogus', '--bogus')
        self.refuse(2, 'got 0', '-e', 'ping')
        self.refuse(2, '99999', '-e', 'nc', 'host', '99999')
        self.refuse(2, '“x”', '-e', 'perf', '--bytes', 'x', 'host')
        self.refuse(2, '33', '-e', 'perf', '--streams', '33', 'host')
        self.refuse(2, 'nowhere', '-e', 'serve', '80', 'nowhere')
        self.refuse(2, '-5', '--timeout', '-5', '-e', 'ip')

    def test_help_and_version(self):
        self.assertIn('perf', run('--help').stdout)
        self.assertIn('--streams', run('perf', '--help').stdout)
        self.assertEqual(set(json.loads(run('version', '--json').stdout)), {'majorMinorPatch', 'short', 'long', 'cap'})

    def test_bad_servers(self):
        self.refuse(1, 'nonsense', '-e', '-l', 'nonsense', '-k', 'key', 'ip')
        self.refuse(1, '127.0.0.1:1', '--timeout', '1', '-e', '-l', 'http://127.0.0.1:1', '-k', 'key', 'ip')


class Tailnet(unittest.TestCase):
    def setUp(self):
        access = json.loads(Program(self, TESTKIT).line())
        self.access = ['-l', access['control-url'], '-k', access['auth-key']]
        self.url = access['control-url']

    def new(self, *args, code=0):
        result = run('-e', *self.access, *args)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def test_wrong_key(self):
        result = run('-e', '-l', self.url, '-k', 'wrong', 'ip')
        self.assertEqual(result.returncode, 1)
        self.assertIn('auth key', result.stderr)

    def test_login_url(self):
        process = subprocess.Popen([TAILNET, '-e', '-l', self.url, 'up'], stderr=subprocess.PIPE, text=True, env=ENV)
        lines = [process.stderr.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT_S)
        self.assertIn(self.url, lines[2])
        self.assertEqual(process.returncode, 1)

    def test_perf(self):
        server = Program(self, TAILNET, '-e', *self.access, '-n', 'server', 'perf', '-l')
        self.assertIn('5209', server.line())
        report = json.loads(self.new('perf', '--json', '--bytes', '2M', '--streams', '3', 'server').stdout)
        for way in 'upload', 'download':
            self.assertEqual(report[way]['bytes'], 2 << 20)
            self.assertTrue(report[way]['verified'])
            self.assertEqual(set(report[way]['cpu_seconds']), {'local', 'remote'})
        report = json.loads(self.new('perf', '--json', '--pingpong', '--time', '0.2', 'server').stdout)
        self.assertLessEqual(report['pingpong']['min_us'], report['pingpong']['p50_us'])
        self.assertEqual(server.stop(), 0)

    def test_attached(self):
        with tempfile.TemporaryDirectory() as directory:
            own = ['--state', directory, *self.access, '-n', 'own']
            first = Program(self, TAILNET, *own, 'up')
            self.assertIn('own.', first.line())
            server = Program(self, TAILNET, '-e', *self.access, '-n', 'server', 'perf', '-l')
            server.line()
            self.assertEqual(os.stat(os.path.join(directory, 'bus')).st_mode & 0o777, 0o600)
            address = run(*own, 'ip').stdout.split()[0]
            self.assertEqual(json.loads(run(*own, 'whois', '--json', address).stdout)['Node']['Name'].split('.')[0], 'own')
            self.assertEqual(json.loads(run(*own, 'status', '--json').stdout)['BackendState'], 'Running')
            pong = run(*own, 'ping', '--json', '-c', '1', 'server')
            self.assertEqual(json.loads(pong.stdout)['NodeName'], 'server')
            self.assertEqual(run(*own, 'ping', 'nobody').returncode, 1)
            report = json.loads(run(*own, 'perf', '--json', '--bytes', '1M', 'server').stdout)
            self.assertTrue(report['upload']['verified'] and report['download']['verified'])
            down = run('--state', directory, 'down')
            self.assertEqual((down.returncode, down.stderr), (0, ''))
            self.assertEqual(first.process.wait(LIMIT_S), 0)
            self.assertEqual(run(*own, 'ip').stdout.split()[0], address)      # the same node, on its own


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
