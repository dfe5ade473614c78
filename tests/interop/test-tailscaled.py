# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two stock nodes log in to the testkit's control server, and talk through its relay."""

import subprocess

import lab as interop
import nodes

NODES = ('one', 'two')
ECHO_PORT = '7007'


def login(lab):
    url, key = lab.start_testkit()
    lab.stock = {}
    for name in NODES:
        node = lab.stock[name] = nodes.StockNode(lab, name)
        node.up(url, key)
        assert node.status()['BackendState'] == 'Running'


def see_each_other(lab):
    for name, other in (NODES, NODES[::-1]):
        node = lab.stock[name]
        found = interop.wait_for(f'{name} sees {other}', lambda: node.peer(other))
        assert found['DNSName'] == f'{other}.tail.test.', found
        interop.wait_for(f'{name} sees {other} online, with a home', lambda: node.peer(other)['Online'] and node.peer(other)['Relay'])


def ping(lab):
    for name, other in (NODES, NODES[::-1]):
        out = nodes.checked(lab.stock[name].run('ping', '--c=1', '--until-direct=false', other))
        assert f'pong from {other}' in out and 'via DERP' in out, out


def connect(lab):
    server = lab.start('two', 'python3', '-c', interop.ECHO, ECHO_PORT, stdout=subprocess.PIPE, text=True)
    assert interop.read_line(server.stdout) == 'ready\n'
    client = lab.start('one', *lab.stock['one'].command('nc', 'two', ECHO_PORT), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    client.stdin.write('hello\n')
    client.stdin.flush()
    line = interop.read_line(client.stdout)
    assert line == 'echo hello\n', line


def log_out(lab):
    one, two = lab.stock['one'], lab.stock['two']
    nodes.checked(two.run('logout'))
    assert interop.wait_for('two is logged out', lambda: two.status().get('BackendState') == 'NeedsLogin')
    interop.wait_for('one sees that', lambda: one.peer('two').get('Expired') or not one.peer('two')['Online'])


if __name__ == '__main__':
    interop.run_tests([login, see_each_other, ping, connect, log_out], nodes.require_stock_node)
