# SPDX-License-Identifier: LGPL-2.1-or-later
"""Headscale goes away and comes back, with what it knew and without; and relays that come, move and go while nodes use them."""

import datetime
import glob
import os
import subprocess
import sys
import time

import lab as interop
import nodes
import servers
from nodes import checked

PORT = '7007'
REKEY_S = 120      # of WireGuard: how old the keys of a session in use become
NAMES = ('far', 'near')


def start(lab):
    servers.start_servers(lab, reads_relays=True)
    lab.far = nodes.OurNode(lab, 'far', lab.url)
    process = lab.far.start('serve', PORT, PORT, stderr=subprocess.PIPE)
    lab.control.register(nodes.login_id(lab, process))
    assert interop.read_line(process.stdout)
    lab.far.process = process
    echo = lab.start('far', sys.executable, '-c', interop.ECHO, PORT, stdout=subprocess.PIPE, text=True)
    assert interop.read_line(echo.stdout) == 'ready\n'
    lab.near = nodes.OurNode(lab, 'near', lab.url, '-k', lab.key)
    lab.near.up()
    nodes.answered(lab.near, 'far')
    lab.call = nodes.Call(lab.near, 'far', PORT)
    assert lab.call.echoes('first')


def connects(lab):
    return lab.near.run('nc', 'far', PORT, input='hello\n').stdout == 'echo hello\n'


def is_unreachable(node):
    return any('control server' in text for text in node.status()['Health'])


def wait_until_well(node):
    return interop.wait_for(f'{node.name} is well', lambda: (s := node.status())['BackendState'] == 'Running' and not s['Health'] and s)


def control_is_away(lab):
    """What the nodes have goes on, and they say what they miss."""
    lab.before = {name: getattr(lab, name).status()['Self'] for name in NAMES}
    lab.control.kill()
    lab.killed = time.time()
    for name in NAMES:
        node = getattr(lab, name)
        interop.wait_for(f'{name} misses its server', lambda: is_unreachable(node))
        assert node.status()['BackendState'] == 'Running'
    assert lab.call.echoes('meanwhile') and connects(lab)
    result = lab.near.run('status')
    assert result.returncode == 0 and '# ' in result.stdout and 'control server' in result.stdout, result


def handshake_time(node, other):
    peer = next(peer for peer in node.status()['Peer'].values() if peer['HostName'] == other)
    return datetime.datetime.fromisoformat(peer['LastHandshake']).timestamp()


def control_stays_away(lab):
    """For minutes: sessions are two minutes old at most, and are renewed without a server, under a call that goes on."""
    def renewed():
        assert lab.call.echoes('still')
        return handshake_time(lab.near, 'far') > lab.killed + REKEY_S
    interop.wait_for('keys of after the outage began, renewed once more', renewed, patience=4 * REKEY_S)
    assert is_unreachable(lab.near) and is_unreachable(lab.far)


def start_without_control(lab):
    """Who starts meanwhile has the map that it kept, and says whom it misses."""
    lab.call.close()
    lab.near.stop()
    lab.near = nodes.OurNode(lab, 'near', lab.url)
    lab.near.up()
    nodes.answered(lab.near, 'far', '--tsmp')      # a disco ping it does not heed: the disco key is new, and nobody tells it
    interop.wait_for('near misses its server again', lambda: is_unreachable(lab.near))
    assert connects(lab)
    lab.call = nodes.Call(lab.near, 'far', PORT)
    assert lab.call.echoes('from a kept map')


def check_same_nodes(lab):
    for name in NAMES:
        own = wait_until_well(getattr(lab, name))['Self']
        assert own == lab.before[name], (own, lab.before[name])
    assert sorted(node['name'] for node in lab.control.ask('nodes', 'list')) == sorted(NAMES)


def control_is_back(lab):
    """The nodes are those they were, and hear of others again."""
    lab.control.start()
    check_same_nodes(lab)
    late = nodes.OurNode(lab, 'late', lab.url, '-k', lab.control.make_key('--ephemeral'), ephemeral=True)
    late.up()
    for name in NAMES:
        interop.wait_for(f'late is there for {name}', lambda: getattr(lab, name).peer('late'))
    late.process.terminate()
    for name in NAMES:
        interop.wait_for(f'late is gone for {name}', lambda: not getattr(lab, name).peer('late'))
    assert lab.call.echoes('afterwards') and connects(lab)


def control_has_another_key(lab):
    """A server that lost its key, but not what it knew, is believed the new one."""
    lab.control.kill()
    os.unlink(f'{lab.folder}/noise.key')
    lab.control.start()
    for name in NAMES:
        # It was back for seconds only: a node that had missed it for long may let a minute pass before the next try, and the one after that.
        interop.wait_for(f'{name} is there again', lambda: lab.control.node(name)['online'], patience=180)
    check_same_nodes(lab)


def is_at_home(node, region):
    """Whether a node lives there, and so do all of its peers that are online."""
    status = node.status()
    return all(known['Relay'] == region for known in (status['Self'], *status['Peer'].values()) if known['Online'])


def settle(lab, region):
    for name in NAMES:
        node = getattr(lab, name)
        interop.wait_for(f'{name} lives in {region}', lambda: is_at_home(node, region), patience=2 * interop.PATIENCE)
    assert nodes.answered(lab.near, 'far')['DERPRegionCode'] == region
    assert lab.call.echoes(region) and connects(lab)


def relay_is_added(lab):
    """One that is no better changes nothing. When the one before dies, it is there."""
    lab.other_relay = servers.Relay(lab, 1)
    lab.other_relay.start()
    lab.control.set_relays({servers.REGION: lab.relay, servers.OTHER_REGION: lab.other_relay})
    lab.relay.kill()
    settle(lab, servers.OTHER_REGION)


def relay_is_removed(lab):
    """Before it goes, the nodes are told, and leave it."""
    lab.relay.start()
    lab.control.set_relays({servers.REGION: lab.relay})
    settle(lab, servers.REGION)
    lab.other_relay.stop()
    assert lab.call.echoes('without it')


def relay_moves(lab):
    """The region stays, and is elsewhere."""
    lab.other_relay.start()
    lab.control.set_relays({servers.REGION: lab.other_relay})
    interop.wait_for('the old one to be left', lambda: not lab.relay.clients())
    lab.relay.stop()
    settle(lab, servers.REGION)


def control_forgets(lab):
    """Without its state and with another key, the server knows nobody, and an auth key of the one before is worth nothing: both nodes wait for
    somebody, and say so."""
    lab.control.kill()
    for path in (f'{lab.folder}/noise.key', *glob.glob(f'{lab.folder}/headscale.db*')):
        os.unlink(path)
    lab.control.start()
    lab.control.make_user()
    auth_id = nodes.login_id(lab, lab.far.process)
    url = interop.wait_for('the URL of near', lambda: lab.near.status()['AuthURL'])
    for number in auth_id, url.rsplit('/', 1)[1]:
        lab.control.register(number)
    for node in lab.far, lab.near:
        wait_until_well(node)
    assert sorted(node['name'] for node in lab.control.ask('nodes', 'list')) == sorted(NAMES)
    nodes.answered(lab.near, 'far')
    assert connects(lab)


if __name__ == '__main__':
    interop.run_tests([start, control_is_away, control_stays_away, start_without_control, control_is_back, control_has_another_key,
                       relay_is_added, relay_is_removed, relay_moves, control_forgets], servers.require_servers)
