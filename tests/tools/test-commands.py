#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands as a user meets them, against a tailnet of the testkit. Waits for lines and for ends of processes, never for time."""
import base64
import json
import os
import socket
import subprocess
import sys
import unittest

from program import TAILNET, Background, Program, TailnetCase, run

PIPE = subprocess.PIPE
FILE = os.urandom(3_000_000)


class Move(TailnetCase):
    """Files through nc, in both directions at once, by nodes that are alone and by ones that others run."""

    def move(self, receiver, sender, rounds):
        for port in range(7000, 7000 + rounds):
            here = Program(self, TAILNET, *receiver, 'nc', '-l', str(port), stdin=PIPE, stderr=PIPE)
            self.assertIn(str(port), here.error_line())
            there = Program(self, TAILNET, *sender, 'nc', 'receiver', str(port), stdin=PIPE)
            sent = Background(there.finish, FILE)
            self.assertEqual(here.finish(FILE[::-1]), (FILE, 0))
            self.assertEqual(sent.result(), (FILE[::-1], 0))

    def test_alone(self):
        self.move(['-e', *self.access, '-n', 'receiver'], ['-e', *self.access, '-n', 'sender'], 1)

    def test_attached(self):
        self.up('receiver')
        self.up('sender')
        self.move(self.node('receiver'), self.node('sender'), 5)

    def test_attached_receiver(self):
        self.up('receiver')
        self.move(self.node('receiver'), ['-e', *self.access], 2)

    def test_datagrams(self):
        self.up('receiver')      # the socket passes through the bus
        here = Program(self, TAILNET, *self.node('receiver'), 'nc', '-u', '-l', '5353', stdin=PIPE, stderr=PIPE)
        self.assertIn('5353', here.error_line())
        there = Program(self, TAILNET, '-e', *self.access, 'nc', '-u', 'receiver', '5353', stdin=PIPE)

        # Not even the first one is lost: it waits for the tunnel.
        for word in 'one\n', 'two\n':
            self.say(there, word.encode())
            self.assertEqual(here.line(), word)
            self.say(here, word.upper().encode())
            self.assertEqual(there.line(), word.upper())

    def say(self, program, data):
        program.process.stdin.write(data)
        program.process.stdin.flush()


class Commands(TailnetCase):
    def test_demo(self):
        result = run('demo')
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        self.assertIn('bob is called by alice', result.stdout)
        self.assertIn('same checksum', result.stdout)

    def test_verbose_keeps_to_standard_error(self):
        result = self.new('-v', 'ip', '-4')
        self.assertEqual(result.stdout.count('\n'), 1, result.stdout)
        self.assertIn('DEBUG', result.stderr)

    def test_ip(self):
        addresses = self.new('ip').stdout.split()
        self.assertEqual(len(addresses), 2)
        self.assertNotIn(':', self.new('ip', '-4').stdout)
        self.assertIn(':', self.new('ip', '-6').stdout)
        self.assertEqual(self.new('ip', '--first').stdout.count('\n'), 1)
        self.assertIn('nobody', self.new('ip', 'nobody', code=1).stderr)

    def test_whois(self):
        self.up('own')
        own = self.node('own')
        address = run(*own, 'ip', '-4').stdout.strip()
        for text in address, 'own', 'own.tail.test', 'OWN.tail.test.', address + ':80', run(*own, 'ip', '-6').stdout.strip():
            with self.subTest(text=text):
                answer = json.loads(run(*own, 'whois', '--json', text).stdout)
                self.assertEqual(answer['Node']['ComputedName'], 'own')
                self.assertEqual(answer['Node']['Addresses'][0], address + '/32')
                self.assertEqual(answer['UserProfile']['LoginName'], 'user@example.test')
        self.assertIn('user@example.test', run(*own, 'whoami').stdout)
        self.refuse(1, '1.2.3.4', *own, 'whois', '1.2.3.4')
        self.refuse(1, 'nobody', *own, 'whois', 'nobody')
        self.refuse(1, 'no name', *own, 'whois', 'no name')

    def test_id_token(self):
        """From a node of this program, and from that of another one."""
        self.up('own')
        own = self.node('own')
        for result in run(*own, 'id-token', 'https://sts.example'), self.new('id-token', 'https://sts.example'):
            with self.subTest(result=result):
                token = result.stdout
                self.assertEqual(token.count('\n'), 1, token)
                claims = token.split('.')[1]
                claims = json.loads(base64.urlsafe_b64decode(claims + '=' * (-len(claims) % 4)))
                self.assertEqual(claims['aud'], 'https://sts.example')
        self.refuse(1, '0 bytes', *own, 'id-token', '')
        self.refuse(1, '2000 bytes', *own, 'id-token', 'a' * 2000)
        self.refuse(1, 'control characters', *own, 'id-token', 'a\nb')

    def test_dns_publish(self):
        self.up('own')
        own = self.node('own')
        name = '_acme-challenge.own.tail.test'
        self.assertEqual(run(*own, 'dns', 'publish', name, 'challenge').returncode, 0)
        self.assertEqual(run(*own, 'dns', 'publish', '--', name, '-challenge').returncode, 0)      # base64 may begin like an option
        self.refuse(1, 'not a name of this node', *own, 'dns', 'publish', '_acme-challenge.other.tail.test', 'challenge')
        self.refuse(1, '“no name”', *own, 'dns', 'publish', 'no name', 'challenge')
        self.refuse(1, '“two words”', *own, 'dns', 'publish', name, 'two words')

    def test_ping(self):
        other = self.up('other')      # first: who joins later has it on the first map
        self.up('own')
        own = self.node('own')
        address = run(*own, 'ip', '-4', 'other').stdout.strip()
        for host in 'other', 'other.tail.test', address, run(*own, 'ip', '-6', 'other').stdout.strip():
            for kind in [], ['--tsmp'], ['--icmp']:
                with self.subTest(host=host, kind=kind):
                    pong = json.loads(run(*own, 'ping', '--json', '-c', '1', *kind, host).stdout)
                    self.assertEqual((pong['NodeName'], pong['NodeIP'] in (address, host), pong['Err']), ('other', True, ''))
        self.assertEqual(run(*own, 'ping', '-c', '3', '-i', '1', 'other').stdout.count('pong from other'), 3)
        self.refuse(1, 'nobody', *own, 'ping', 'nobody')
        self.refuse(1, '100.99.98.97', *own, 'ping', '100.99.98.97')
        self.refuse(1, 'this node itself', *own, 'ping', 'own')
        self.assertEqual(other.stop(), 0)

    def test_connect_to_nothing(self):
        self.up('other')
        self.up('own')
        self.refuse(1, 'nobody', *self.node('own'), 'nc', 'nobody', '80')
        self.refuse(1, 'other: cannot connect to', *self.node('own'), 'nc', 'other', '81')
        self.refuse(1, 'own: cannot connect to', *self.node('own'), 'nc', 'own', '81')

    def test_perf(self):
        server = Program(self, TAILNET, '-e', *self.access, '-n', 'server', 'perf', '-l')
        self.assertIn('5209', server.line())
        report = json.loads(self.new('perf', '--json', '--bytes', '2M', '--streams', '3', 'server').stdout)
        for way in 'upload', 'download':
            self.assertEqual(report[way]['bytes'], 2 << 20)
            self.assertTrue(report[way]['verified'])
            self.assertEqual(set(report[way]['cpu_seconds']), {'local', 'remote'})
        report = json.loads(self.new('perf', '--json', '--bytes', '8M', '--streams', '32', '--upload', 'server').stdout)
        self.assertEqual((report['upload']['bytes'], report['upload']['streams']), (8 << 20, 32))
        report = json.loads(self.new('perf', '--json', '--pingpong', '--time', '0.2', 'server').stdout)
        self.assertLessEqual(report['pingpong']['min_us'], report['pingpong']['p50_us'])
        self.assertEqual(server.stop(), 0)


class Serve(TailnetCase):
    def answer(self, listener, expected):
        """One call: reads to the end, then answers, then ends."""
        connection, _ = listener.accept()
        with connection, connection.makefile('rb') as stream:
            self.assertEqual(stream.read(), expected)
            connection.sendall(expected[::-1])

    def call(self, target, listener):
        server = Program(self, TAILNET, '-e', *self.access, '-n', 'server', 'serve', '80', target)
        self.assertIn(target, server.line())
        answering = Background(self.answer, listener, FILE)
        caller = Program(self, TAILNET, '-e', *self.access, '-n', 'caller', 'nc', 'server', '80', stdin=PIPE)
        self.assertEqual(caller.finish(FILE), (FILE[::-1], 0))
        answering.result()
        self.assertRegex(server.line(), r'^caller \(100\.[\d.]+\) calls ' + target)
        self.assertEqual(server.stop(), 0)

    def test_port(self):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            self.call(f'127.0.0.1:{listener.getsockname()[1]}', listener)

    def test_bare_port(self):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            self.call(str(listener.getsockname()[1]), listener)

    def test_local_socket(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.state('socket'))
            listener.listen()
            self.call('unix:' + self.state('socket'), listener)

    def test_interrupted_during_a_call(self):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            target = f'127.0.0.1:{listener.getsockname()[1]}'
            server = Program(self, TAILNET, '-e', *self.access, '-n', 'server', 'serve', '80', target)
            server.line()
            Program(self, TAILNET, '-e', *self.access, '-n', 'caller', 'nc', 'server', '80', stdin=PIPE)
            connection, _ = listener.accept()
            with connection:
                self.assertIn('caller', server.line())
                self.assertEqual(server.stop(), 0)

    def test_nobody_there(self):
        server = Program(self, TAILNET, '-e', *self.access, '-n', 'server', 'serve', '80', 'unix:/nowhere', stderr=PIPE)
        server.line()
        self.new('nc', 'server', '80')
        self.assertIn('/nowhere', server.line())
        self.assertIn('No such file', server.error_line())


class Dns(TailnetCase):
    """What the tailnet wants of the DNS, from a node of this program, and over the bus from that of another one."""
    dns_config = json.dumps({
        'Proxied': True, 'Domains': ['tail.test', 'corp.example'], 'CertDomains': ['own.tail.test'],
        'Resolvers': [{'Addr': '192.0.2.53'}, {'Addr': 'https://dns.example/dns-query', 'BootstrapResolution': ['192.0.2.1']}],
        'FallbackResolvers': [{'Addr': '192.0.2.99'}],
        'Routes': {'corp.example.': [{'Addr': '192.0.2.54'}, {'Addr': '192.0.2.55:5353'}], 'tail.test': []},
        'ExtraRecords': [{'Name': 'db.corp.example', 'Value': '100.64.0.9'}, {'Name': 'db.corp.example', 'Value': 'fd7a:115c:a1e0::9'}],
    })

    def test_text(self):
        self.up('own')
        attached = run(*self.node('own'), 'dns', 'status')
        alone = self.new('-n', 'own', 'dns', 'status')
        for result in attached, alone:
            with self.subTest(result=result):
                self.assertEqual((result.returncode, result.stderr), (0, ''))
                self.assertIn('MagicDNS: on', result.stdout)
                lines = result.stdout.splitlines()
                for line in ('Names of nodes end with: tail.test', '  192.0.2.53', '  https://dns.example/dns-query', '  192.0.2.99',
                             '  corp.example: 192.0.2.54, 192.0.2.55:5353', '  tail.test: this node itself',
                             '  tail.test', '  corp.example', '  db.corp.example: 100.64.0.9, fd7a:115c:a1e0::9', '  own.tail.test'):
                    self.assertIn(line, lines)
        self.assertIn('Name of this node: own.tail.test', attached.stdout.splitlines())

    def test_json(self):
        self.up('own')
        own = self.node('own')
        for command in ['--json', 'dns', 'status'], ['dns', 'status', '--json'], ['dns', '--json', 'status']:
            with self.subTest(command=command):
                status = json.loads(run(*own, *command).stdout)
                self.assertEqual(status['CurrentTailnet'],
                                 {'MagicDNSEnabled': True, 'MagicDNSSuffix': 'tail.test', 'SelfDNSName': 'own.tail.test.'})
                self.assertEqual(status['Resolvers'], [{'Addr': '192.0.2.53'}, {'Addr': 'https://dns.example/dns-query',
                                                                               'BootstrapResolution': ['192.0.2.1']}])
                self.assertEqual(status['SplitDNSRoutes']['corp.example'], [{'Addr': '192.0.2.54'}, {'Addr': '192.0.2.55:5353'}])
                self.assertEqual([record['Value'] for record in status['ExtraRecords']], ['100.64.0.9', 'fd7a:115c:a1e0::9'])
                self.assertFalse(status['TailscaleDNS'])


class DnsOff(TailnetCase):
    dns_config = '{"Proxied":false}'

    def test_text(self):
        text = self.new('dns', 'status').stdout
        for line in 'MagicDNS: off', 'Resolvers: those of this system', 'Domains with resolvers of their own: none', 'More names: none':
            self.assertIn(line, text.splitlines())


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
