# SPDX-License-Identifier: LGPL-2.1-or-later
"""The nodes of a lab: ours, as the program, and stock ones."""

import json
import os
import subprocess

import lab as interop


def checked(result):
    """What a program printed; it must have ended well."""
    if result.returncode != 0:
        raise AssertionError(f'{result.args}: exit {result.returncode}: {result.stdout} {result.stderr}')
    return result.stdout


class OurNode:
    """The program with a state of its own in a namespace of its own. What is started first is the node, the rest attaches to it."""

    def __init__(self, lab, name, url, *options, ephemeral=False):
        self.lab, self.name = lab, name
        self.state = os.path.join(lab.folder, f'{name}.state')
        kept = ['--ephemeral'] if ephemeral else ['--state', self.state]
        self.command = [interop.require_program('TAILNET_TEST_TOOL'), *kept, '-l', url, '-n', name, *options]
        if name not in lab.names:
            lab.add_node(name)

    def start(self, *args, **kwargs):
        """Runs until the end of the test; its standard output can be read line by line."""
        kwargs.setdefault('stderr', open(os.path.join(self.lab.folder, f'{self.name}.log'), 'ab'))
        return self.lab.start(self.name, *self.command, *args, stdout=subprocess.PIPE, text=True, **kwargs)

    def up(self, *args, **kwargs):
        """Joins; gives the process once it has joined."""
        process = self.start(*args or ('up',), **kwargs)
        line = interop.read_line(process.stdout)
        if not line:
            raise AssertionError(f'{self.name} did not join: exit {process.wait()}')
        self.process = process
        return process

    def stop(self):
        """Takes the node down; others see it offline."""
        checked(self.run('down'))

    def run(self, *args, **kwargs):
        return self.lab.run(self.name, *self.command, *args, **kwargs)

    def status(self):
        return json.loads(checked(self.run('status', '--json')))

    def peer(self, other):
        return next((peer for peer in self.status()['Peer'].values() if peer['HostName'] == other), None)

    def address(self):
        return checked(self.run('ip')).split()[0]


class Call:
    """A connection that stays."""

    def __init__(self, node, host, port):
        self.process = node.start('nc', host, port, stdin=subprocess.PIPE)

    def echoes(self, text):
        self.process.stdin.write(f'{text}\n')
        self.process.stdin.flush()
        return interop.read_line(self.process.stdout) == f'echo {text}\n'

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(interop.PATIENCE) == 0


def answered(node, other, *args):
    """Pings until there is an answer, which comes as JSON: a peer is on the map before it can be reached."""
    def ask():
        result = node.run('--timeout', '5', 'ping', '--json', '-c', '1', *args, other)
        return result.returncode == 0 and json.loads(result.stdout)
    return interop.wait_for(f'answer of {other} to {node.name}', ask)


def login_id(lab, process):
    """From the URL that a program prints that cannot log in by itself."""
    lines = [interop.read_line(process.stderr) for _ in range(4)]
    url = lines[2].strip()
    assert lines[0] == 'To log in, visit:\n' and url.startswith(f'{lab.url}/'), lines
    return url.rsplit('/', 1)[1]


class StockNode:
    """tailscaled, and the command line that talks to it."""

    def __init__(self, lab, name, tun='userspace-networking', *options):
        self.lab, self.name = lab, name
        self.socket = os.path.join(lab.folder, f'{name}.sock')
        if name not in lab.names:
            lab.add_node(name)
        self.process = lab.start(
            name, 'sh', '-c', interop.PRIVATE_ETC, f'{lab.folder}/{name}.etc', interop.require_program('TAILNET_TEST_TAILSCALED'),
            f'--tun={tun}', '--no-logs-no-support', f'--statedir={lab.folder}/{name}', f'--socket={self.socket}', *options,
            log=f'{name}.log', env={**os.environ, 'TS_DEBUG_DISABLE_PORTLIST': 'true'})
        interop.wait_for(f'socket of {name}', lambda: os.path.exists(self.socket))

    def command(self, *args):
        return [interop.require_program('TAILNET_TEST_TAILSCALE'), f'--socket={self.socket}', *args]

    def run(self, *args, **kwargs):
        return self.lab.run(self.name, *self.command(*args), **kwargs)

    def up(self, url, key, *options):
        checked(self.run('up', f'--login-server={url}', f'--auth-key={key}', f'--hostname={self.name}', '--accept-dns=false',
                         '--timeout=60s', *options))

    def status(self):
        result = self.run('status', '--json')
        return json.loads(result.stdout) if result.returncode == 0 else {}

    def peer(self, other):
        peers = self.status().get('Peer') or {}
        return next((p for p in peers.values() if p['HostName'] == other), None)

    def address(self):
        return checked(self.run('ip', '-4')).strip()


def require_stock_node():
    for variable in ('TAILNET_TEST_TAILSCALED', 'TAILNET_TEST_TAILSCALE'):
        interop.require_program(variable)
