# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our node in a tailnet of stock programs: Headscale, the stock relay, and stock nodes with and without a TUN device."""

import json
import re
import subprocess
import sys

import lab as interop
import nodes
import perf
import servers
from nodes import checked

ECHO_PORT = '7007'
PERF_PORT = '5209'


def start(lab):
    servers.start_servers(lab)
    lab.stock = {'user': nodes.StockNode(lab, 'user'), 'kernel': nodes.StockNode(lab, 'kernel', 'tailscale0')}
    for name, node in lab.stock.items():
        node.up(lab.url, lab.key)
        for args in ('-c', interop.ECHO, ECHO_PORT), (perf.__file__, 'serve', '0.0.0.0', PERF_PORT):
            server = lab.start(name, sys.executable, *args, stdout=subprocess.PIPE, text=True)
            assert interop.read_line(server.stdout) == 'ready\n'


def join_by_key(lab):
    lab.ours = nodes.OurNode(lab, 'ours', lab.url, '-k', lab.control.make_key())
    lab.ours.up()
    status = lab.ours.status()
    assert status['BackendState'] == 'Running', status
    assert status['Self']['DNSName'] == f'ours.{servers.DOMAIN}.', status


def wrong_key(lab):
    node = nodes.OurNode(lab, 'wrong', lab.url, '-k', lab.key[:-4] + 'beef')
    result = node.run('ip')
    assert result.returncode == 1 and 'key' in result.stderr, result


def restart_without_key(lab):
    """The same node again: address and name stay, and nobody asks for a key."""
    lab.ours.stop()
    address = lab.stock['user'].peer('ours')['TailscaleIPs'][0]
    lab.ours = nodes.OurNode(lab, 'ours', lab.url)
    lab.ours.up()
    assert lab.ours.address() == address


def join_by_url(lab):
    lab.visited = nodes.OurNode(lab, 'visited', lab.url)
    process = lab.visited.start('up', stderr=subprocess.PIPE)
    lines = [interop.read_line(process.stderr) for _ in range(3)]
    url = lines[2].strip()
    assert url.startswith(f'{lab.url}/'), lines
    lab.control.register(url.rsplit('/', 1)[1])
    assert interop.read_line(process.stdout).startswith('visited is up as visited.'), 'did not join'


def stock_status(lab):
    for node in lab.stock.values():
        for name in 'ours', 'visited':
            peer = interop.wait_for(f'{name} online for {node.name}', lambda: (p := node.peer(name)) and p['Online'] and p['Relay'] and p)
            assert peer['OS'] == 'linux' and peer['DNSName'] == f'{name}.{servers.DOMAIN}.', peer
            assert peer['Relay'] == servers.REGION, peer
        line = next(line for line in checked(node.run('status')).splitlines() if re.search(r'\bours\b', line))
        assert 'linux' in line and lab.ours.address() in line, line


def our_status(lab):
    status = lab.ours.status()
    peers = {peer['HostName']: peer for peer in status['Peer'].values()}
    for name, node in lab.stock.items():
        assert node.address() in peers[name]['TailscaleIPs'] and peers[name]['Online'], peers[name]
        assert peers[name]['OS'] == 'linux', peers[name]
        identity = json.loads(checked(lab.ours.run('whois', '--json', node.address())))
        assert identity['Node']['Name'] == f'{name}.{servers.DOMAIN}.', identity


def stock_pings_us(lab):
    for node in lab.stock.values():
        for kind, way in ([], f'DERP({servers.REGION})'), (['--tsmp'], 'TSMP'), (['--icmp'], 'ICMP'), (['--size=1000'], 'DERP'):
            out = checked(node.run('ping', *kind, '--c=1', '--until-direct=false', '--timeout=10s', 'ours'))
            assert f'pong from ours ({lab.ours.address()}) via {way}' in out, out


def stock_calls_us(lab):
    for port, node in enumerate(lab.stock.values(), 7100):
        listener = lab.ours.start('nc', '-l', str(port), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        line = interop.read_line(listener.stderr)
        assert line == f'Listening on port {port}.\n', line
        caller = lab.start(node.name, *node.command('nc', 'ours', str(port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        caller.stdin.write('hello\n')
        caller.stdin.flush()
        assert interop.read_line(listener.stderr) == f'Connection from {node.name} ({node.address()}).\n'
        assert interop.read_line(listener.stdout) == 'hello\n'
        listener.stdin.write('welcome\n')
        listener.stdin.flush()
        assert interop.read_line(caller.stdout) == 'welcome\n'
        caller.stdin.close()
        listener.stdin.close()
        assert listener.wait(interop.PATIENCE) == 0
        assert caller.wait(interop.PATIENCE) == 0


def we_ping_stock(lab):
    for name, node in lab.stock.items():
        for kind in [], ['--tsmp'], ['--icmp']:
            pong = nodes.answered(lab.ours, name, *kind)
            assert pong['NodeName'] == name and pong['NodeIP'] == node.address(), pong
        assert nodes.answered(lab.ours, name)['DERPRegionCode'] == servers.REGION


def we_call_stock(lab):
    for name, node in lab.stock.items():
        for host in name, f'{name}.{servers.DOMAIN}', node.address():
            assert checked(lab.ours.run('nc', host, ECHO_PORT, input='hello\n')) == 'echo hello\n'
        result = lab.ours.run('nc', name, '9')
        assert result.returncode == 1 and 'refused' in result.stderr, result


def perf_with_stock(lab):
    for name in lab.stock:
        report = json.loads(checked(lab.ours.run('perf', '--json', '--bytes', '8M', '--streams', '2', name)))
        for way in 'upload', 'download':
            assert report[way]['bytes'] == 8 << 20 and report[way]['verified'], report
        report = json.loads(checked(lab.ours.run('perf', '--json', '--pingpong', '--time', '0.5', name)))
        assert report['pingpong']['count'] > 10, report


def nodes_come_and_go(lab):
    """A node that goes is offline for the others, and one that is made later is there without a restart."""
    lab.visited.stop()
    for node in lab.stock.values():
        interop.wait_for('visited is offline', lambda: not node.peer('visited')['Online'])
    late = nodes.StockNode(lab, 'late')
    late.up(lab.url, lab.key)
    nodes.answered(lab.ours, 'late')
    checked(late.run('ping', '--c=1', '--until-direct=false', 'ours'))


if __name__ == '__main__':
    interop.run_tests([start, join_by_key, wrong_key, restart_without_key, join_by_url, stock_status, our_status, stock_pings_us,
                       stock_calls_us, we_ping_stock, we_call_stock, perf_with_stock, nodes_come_and_go], servers.require)
