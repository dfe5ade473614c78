# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two stock nodes log in to the testkit's control server, and talk through its relay."""

import json
import os
import subprocess

import lab as interop

NODES = ('one', 'two')
ECHO_PORT = '7007'


def tailscale(lab, name, *args, **kwargs):
    return lab.run(name, os.environ['TAILNET_TEST_TAILSCALE'], f'--socket={lab.folder}/{name}.sock', *args, **kwargs)


def checked(result):
    if result.returncode != 0:
        raise AssertionError(f'{result.args}: exit {result.returncode}: {result.stdout} {result.stderr}')
    return result.stdout


def status(lab, name):
    result = tailscale(lab, name, 'status', '--json')
    return json.loads(result.stdout) if result.returncode == 0 else {}


def peer(lab, name, other):
    peers = status(lab, name).get('Peer') or {}
    return next((p for p in peers.values() if p['HostName'] == other), None)


def login(lab):
    url, key = lab.start_testkit()
    for name in NODES:
        lab.add_node(name)
        lab.start(name, os.environ['TAILNET_TEST_TAILSCALED'], '--tun=userspace-networking', '--no-logs-no-support',
                  f'--statedir={lab.folder}/{name}', f'--socket={lab.folder}/{name}.sock', log=f'{name}.log',
                  env={**os.environ, 'TS_DEBUG_DISABLE_PORTLIST': 'true'})
        interop.wait_for(f'socket of {name}', lambda: os.path.exists(f'{lab.folder}/{name}.sock'))
        checked(tailscale(lab, name, 'up', f'--login-server={url}', f'--auth-key={key}', f'--hostname={name}',
                          '--accept-dns=false', '--timeout=60s'))
        assert status(lab, name)['BackendState'] == 'Running'


def see_each_other(lab):
    for name, other in (NODES, NODES[::-1]):
        found = interop.wait_for(f'{name} sees {other}', lambda: peer(lab, name, other))
        assert found['DNSName'] == f'{other}.tail.test.', found
        interop.wait_for(f'{name} sees {other} online, with a home', lambda: peer(lab, name, other)['Online'] and
                         peer(lab, name, other)['Relay'])


def ping(lab):
    for name, other in (NODES, NODES[::-1]):
        out = checked(tailscale(lab, name, 'ping', '--c=1', '--until-direct=false', other))
        assert f'pong from {other}' in out and 'via DERP' in out, out


def connect(lab):
    server = lab.start('two', 'python3', '-c', interop.ECHO, ECHO_PORT, stdout=subprocess.PIPE, text=True)
    assert interop.read_line(server.stdout) == 'ready\n'
    client = lab.start('one', os.environ['TAILNET_TEST_TAILSCALE'], f'--socket={lab.folder}/one.sock', 'nc', 'two', ECHO_PORT,
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    client.stdin.write('hello\n')
    client.stdin.flush()
    line = interop.read_line(client.stdout)
    assert line == 'echo hello\n', line


def log_out(lab):
    checked(tailscale(lab, 'two', 'logout'))
    assert interop.wait_for('two is logged out', lambda: status(lab, 'two').get('BackendState') == 'NeedsLogin')
    interop.wait_for('one sees that', lambda: peer(lab, 'one', 'two').get('Expired') or not peer(lab, 'one', 'two')['Online'])


def require():
    for variable in ('TAILNET_TEST_TAILSCALED', 'TAILNET_TEST_TAILSCALE'):
        interop.require_program(variable)


if __name__ == '__main__':
    interop.run_tests([login, see_each_other, ping, connect, log_out], require)
