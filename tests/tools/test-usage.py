#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the program says to what it cannot do. An error shows the value, on one line of standard error."""
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from program import ENV, LIMIT_S, TAILNET, Case, Program, TailnetCase, run


class Usage(Case):
    def test_wrong_use(self):
        self.refuse(2, 'no command')
        self.refuse(2, 'bogus', 'bogus')
        self.refuse(2, '--bogus', '--bogus')
        self.refuse(2, '--state DIR', 'ip')
        self.refuse(2, '--state DIR', 'down')
        self.refuse(2, '--state DIR', 'logout')
        self.refuse(2, '--state DIR', 'logout', '--ephemeral')
        self.refuse(2, '-5', '--timeout', '-5', '-e', 'ip')
        self.refuse(2, '-1', '--timeout', '-1', '-e', 'ip')
        self.refuse(2, '--ephemeral', '-e', '-s', 'somewhere', 'ip')
        self.refuse(2, '--state', '-s', '', 'ip')
        self.refuse(2, 'TAILNET_NOTHING', '-e', '-k', 'env:TAILNET_NOTHING', 'ip')
        self.refuse(2, 'soon', '--timeout', 'soon', '-e', 'ip')
        self.refuse(2, 'server', '-t', 'server', '-e', 'ip')

    def test_wrong_arguments(self):
        for command, arguments, shown in [
            ('up', ['more'], 'more'), ('down', ['more'], 'more'), ('logout', ['more'], 'more'), ('status', ['more'], 'more'), ('whoami', ['more'], 'more'),
            ('version', ['more'], 'more'), ('demo', ['more'], 'more'), ('ip', ['a', 'more'], 'more'),
            ('whois', [], 'got 0'), ('whois', ['a', 'b'], 'got 2'), ('dns', [], '“status”'), ('dns', ['query'], 'query'), ('dns', ['status', 'more'], 'more'), ('dns', ['publish', 'name'], 'got 1'), ('id-token', [], 'got 0'), ('id-token', ['a', 'b'], 'got 2'), ('ping', [], 'got 0'), ('ping', ['-c', 'few', 'host'], 'few'),
            ('ping', ['-c', '-1', 'host'], '-1'), ('ping', ['--size', '1201', 'host'], '1201'), ('ping', ['--tsmp', '--icmp', 'host'], '--icmp'),
            ('nc', [], 'got 0'), ('nc', ['host'], 'got 1'), ('nc', ['host', '99999'], '99999'), ('nc', ['host', 'http'], 'http'),
            ('nc', ['-l'], 'got 0'), ('nc', ['-l', '0'], '“0”'), ('nc', ['-w', '-3', 'host', '80'], '-3'),
            ('serve', [], 'got 0'), ('serve', ['80'], 'got 1'), ('serve', ['0', '80'], '“0”'), ('serve', ['80', 'nowhere'], 'nowhere'),
            ('serve', ['80', 'host:'], 'host:'), ('serve', ['80', 'unix:'], 'unix:'), ('perf', [], 'got 0'), ('perf', ['--bytes', 'x', 'host'], '“x”'),
            ('perf', ['--streams', '33', 'host'], '33'), ('perf', ['-p', '0', 'host'], '“0”'), ('perf', ['--time', '0', 'host'], ' 0 s'),
            ('perf', ['-l', 'x'], '“x”'),
        ]:
            with self.subTest(command=command, arguments=arguments):
                self.refuse(2, shown, '-e', command, *arguments)

    def test_help_and_version(self):
        self.assertIn('perf', run('--help').stdout)
        self.assertIn('--streams', run('perf', '--help').stdout)
        self.assertEqual(set(json.loads(run('version', '--json').stdout)), {'majorMinorPatch', 'short', 'long', 'cap'})

    def test_options_after_the_command(self):
        """As before it; a letter that the command has itself is the command's."""
        self.refuse(2, '-5', 'ip', '-e', '--timeout', '-5')
        self.refuse(2, '“0”', 'nc', '-e', '-l', '0')
        self.refuse(2, 'nonsense', 'nc', '-e', '--login-server', 'nonsense', 'host', '80')
        self.refuse(2, 'exclude', 'ip', '-s', '/first', '-e')
        self.assertIn('--login-server', run('nc', '--help-node').stdout)

    def test_bad_servers(self):
        self.refuse(2, 'nonsense', '-e', '-l', 'nonsense', '-k', 'key', 'ip')
        self.refuse(2, 'ftp://example.com', '-e', '-l', 'ftp://example.com', '-k', 'key', 'ip')
        self.refuse(1, 'http://example.com', '-e', '-l', 'http://example.com', '-k', 'key', 'ip')
        self.refuse(1, '127.0.0.1:1', '--timeout', '1', '-e', '-l', 'http://127.0.0.1:1', '-k', 'key', 'ip')

    def test_bad_files(self):
        self.refuse(1, '/nowhere', '-e', '-k', 'file:/nowhere', 'ip')
        self.refuse(1, '/dev/null', '-e', '-k', 'file:/dev/null', 'ip')      # empty
        self.refuse(1, '/nowhere', '-e', '--ca', '/nowhere', 'ip')
        self.refuse(1, sys.argv[0], '-e', '--ca', sys.argv[0], 'ip')      # no certificate in it


    def test_pipe_that_nobody_writes_to(self):
        """Neither it nor a file without an end keeps the limit of time from counting."""
        with tempfile.TemporaryDirectory() as folder:
            pipe = os.path.join(folder, 'pipe')
            os.mkfifo(pipe)
            self.refuse(1, '1 s', '--timeout', '1', '-e', '-k', f'file:{pipe}', 'ip')
            self.refuse(1, pipe, '-e', '--ca', pipe, 'ip')
        self.refuse(1, '/dev/zero', '-e', '-k', 'file:/dev/zero', 'ip')
        self.refuse(1, '/dev/zero', '-e', '--ca', '/dev/zero', 'ip')

    def test_closed_output(self):
        result = subprocess.run(['sh', '-c', '"$0" version >&-', TAILNET], capture_output=True, text=True, env=ENV)
        self.assertEqual(result.returncode, 1)
        self.assertIn(os.strerror(errno.EBADF), result.stderr)


class Output(TailnetCase):
    def test_no_room(self):
        """What was not printed was not done."""
        for arguments in ['--help'], ['ip', '--help'], ['version'], [*self.node('own'), 'ip'], [*self.node('own'), 'status', '--json']:
            with self.subTest(arguments=arguments), open('/dev/full', 'w') as full:
                result = subprocess.run([TAILNET, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, env=ENV)
                self.assertEqual(result.returncode, 1)
                self.assertIn(os.strerror(errno.ENOSPC), result.stderr)
                self.assertEqual(result.stderr.count('\n'), 1, result.stderr)

    def test_reader_leaves(self):
        """A ping without an end has one when nobody reads any more."""
        self.up('other')
        ping = Program(self, TAILNET, *self.node('own'), 'ping', '-c', '0', '-i', '1', 'other', stderr=subprocess.PIPE)
        self.assertIn('pong', ping.line())
        ping.process.stdout.close()
        self.assertEqual(ping.process.wait(LIMIT_S), 1)
        self.assertEqual(ping.process.stderr.read(), b'')

    def test_addresses_as_json(self):
        whole = json.loads(run(*self.node('own'), 'ip', '--json').stdout)['TailscaleIPs']
        self.assertEqual(run(*self.node('own'), 'ip').stdout.split(), whole)
        self.assertEqual(len(whole), 2)

    def test_warning(self):
        """One line, however many files it is about."""
        os.mkdir(self.state('open'))
        os.chmod(self.state('open'), 0o755)
        result = run(*self.node('open'), 'ip')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stderr.startswith('tailnet: warning: '), result.stderr)
        self.assertEqual(result.stderr.count('\n'), 1, result.stderr)

    def test_interrupted(self):
        process = subprocess.Popen([TAILNET, '-e', '-l', self.url, 'up'], stderr=subprocess.PIPE, text=True, env=ENV)
        lines = [process.stderr.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=LIMIT_S)
        self.assertIn(self.url, lines[2])
        self.assertEqual(rest.split('\n')[-2], 'tailnet: interrupted')
        self.assertEqual(process.returncode, 1)


class States(TailnetCase):
    def test_wrong_key(self):
        self.refuse(1, 'auth key', '-e', '-l', self.url, '-k', 'wrong', 'ip')

    def test_no_folder(self):
        path = self.state('file')
        open(path, 'w').close()
        self.refuse(2, path, '-s', path, *self.access, 'ip')
        self.refuse(1, '/proc/no/folder', '-s', '/proc/no/folder', *self.access, 'ip')

    @unittest.skipIf(os.geteuid() == 0 and not shutil.which('setpriv'), 'needs another user, or setpriv')
    def test_unreadable_folder(self):
        path = self.state('closed')
        os.mkdir(path, 0o700)
        os.chmod(self.folder, 0o755)
        as_other = []
        if os.geteuid() == 0:
            as_other = ['setpriv', '--reuid=65534', '--clear-groups']
        else:
            os.chmod(path, 0)
        result = subprocess.run([*as_other, TAILNET, '-s', path, *self.access, 'ip'], capture_output=True, text=True, env=ENV)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(path, result.stderr)
        os.chmod(path, 0o700)

    def test_damaged_state(self):
        address = run(*self.node('own'), 'ip').stdout
        key = os.path.join(self.state('own'), 'node-key.state')
        with open(key, 'rb') as file:
            whole = file.read()
        for damaged in (b'', b'garbage', whole[:-1], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]):
            with open(key, 'wb') as file:
                file.write(damaged)
            self.refuse(1, key, *self.node('own'), 'ip')
            with open(key, 'rb') as file:
                self.assertEqual(file.read(), damaged)      # nothing is lost that could be mended
        with open(key, 'wb') as file:
            file.write(whole)
        self.assertEqual(run(*self.node('own'), 'ip').stdout, address)

    def test_modes(self):
        self.up('own')
        self.assertEqual(os.stat(self.state('own')).st_mode & 0o777, 0o700)
        for name in os.listdir(self.state('own')):
            self.assertEqual(os.stat(os.path.join(self.state('own'), name)).st_mode & 0o777, 0o600, name)

    @unittest.skipIf(os.geteuid() != 0, 'needs root, to make a file of somebody else')
    def test_socket_of_somebody_else(self):
        os.mkdir(self.state('own'), 0o700)
        path = os.path.join(self.state('own'), 'bus')
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            os.chown(path, 65534, 65534)
            self.refuse(1, path, *self.node('own'), 'ip')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
