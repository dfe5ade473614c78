# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of the program share: a tailnet of the testkit, commands, and programs that run beside the test."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

TAILNET, TESTKIT = sys.argv[1], sys.argv[2]
LIMIT_S = 50
ENV = {k: v for k, v in os.environ.items() if not k.startswith('TS_')} | {'LC_ALL': 'C.UTF-8', 'LANGUAGE': ''}


class Program:
    """A process that runs until the test is over; lines of its output can be waited for."""

    def __init__(self, test, *args, stdin=subprocess.DEVNULL, stderr=None):
        self.process = subprocess.Popen(args, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=ENV)
        test.addCleanup(self.stop)

    def line(self):
        return self.process.stdout.readline().decode()

    def error_line(self):
        return self.process.stderr.readline().decode()

    def finish(self, data=b''):
        """Standard input, until the end of the process: what it printed, and its exit code."""
        out, _ = self.process.communicate(data, timeout=LIMIT_S)
        return out, self.process.returncode

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(LIMIT_S)
        for stream in self.process.stdin, self.process.stdout, self.process.stderr:
            if stream is not None:
                stream.close()
        return code


def run(*args, stdin=b'', **kwargs):
    return subprocess.run([TAILNET, *args], input=stdin.decode(), capture_output=True, text=True, timeout=LIMIT_S, env=ENV, **kwargs)


class Background(threading.Thread):
    """A function in a thread; what it returns, or raises, comes with result()."""

    def __init__(self, function, *args):
        super().__init__(daemon=True)
        self.function, self.args, self.value, self.error = function, args, None, None
        self.start()

    def run(self):
        try:
            self.value = self.function(*self.args)
        except BaseException as error:
            self.error = error

    def result(self):
        self.join(LIMIT_S)
        if self.error is not None:
            raise self.error
        return self.value


class Case(unittest.TestCase):
    def refuse(self, code, shown, *args):
        """One line on standard error, which shows what was wrong, and nothing else."""
        result = run(*args)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, '')
        self.assertIn(shown, result.stderr)
        self.assertEqual(result.stderr.count('\n'), 1, result.stderr)


class TailnetCase(Case):
    """With a fresh tailnet, and a folder for states."""
    users = []
    dns_config = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.start_testkit()

    def start_testkit(self):
        self.testkit = Program(self, TESTKIT, *[f'--user={user}' for user in self.users],
                               *([f'--dns-config={self.dns_config}'] if self.dns_config else []))
        access = json.loads(self.testkit.line())
        self.access = ['-l', access['control-url'], '-k', access['auth-key']]
        self.url = access['control-url']
        self.keys = access.get('auth-keys')

    def state(self, name):
        return os.path.join(self.folder, name)

    def node(self, name):
        """Options that make a command the node of that name, or attach it to the program that is it."""
        return ['-s', self.state(name), *self.access, '-n', name]

    def up(self, name):
        program = Program(self, TAILNET, *self.node(name), 'up')
        self.assertIn(name + '.', program.line())
        return program

    def new(self, *args, code=0):
        result = run('-e', *self.access, *args)
        self.assertEqual(result.returncode, code, result.stderr)
        return result
