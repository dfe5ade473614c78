# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an administrator of Headscale does to our node while it runs: expire, extend, rename, tag, move and delete it, change what it may do,
and which routes it sees."""

import subprocess
import sys

import lab as interop
import nodes
import servers
from nodes import checked

PORT, OTHER_PORT = '7007', '7008'
OPEN = {'action': 'accept', 'src': ['*'], 'dst': ['*:*']}
TAGS = {'tag:web': ['lab@'], 'tag:db': ['lab@']}
ROUTE = '192.0.2.0/24'
AUTO_ROUTE = '198.51.100.0/24'
MODEST = 20     # requests, for all of what a node does that has been deleted
LATER = '2040-01-01T00:00:00Z'


def set_rules(lab, *rules):
    lab.control.set_policy({'tagOwners': TAGS, 'autoApprovers': {'routes': {AUTO_ROUTE: ['lab@']}}, 'acls': rules})


def set_expiry(lab, name, *args):
    lab.control.change(name, 'expire', *args)


def wait_state(node, state):
    return interop.wait_for(f'{node.name} is in state {state}', lambda: (s := node.status())['BackendState'] == state and s)


def wait_peer(node, other, condition):
    return interop.wait_for(f'what {node.name} sees of {other}', lambda: (p := node.peer(other)) and condition(p) and p)


def wait_self(node, condition):
    return interop.wait_for(f'what {node.name} sees of itself', lambda: (s := node.status()['Self']) and condition(s) and s)


def joined(lab, name, *args):
    node = nodes.OurNode(lab, name, lab.url, '-k', lab.control.make_key())
    node.up(*args)
    return nodes.OurNode(lab, name, lab.url), node.process


def start(lab):
    servers.start_servers(lab)
    set_rules(lab, OPEN)
    lab.other, _ = joined(lab, 'other', 'serve', PORT, PORT)
    other_service = lab.other.start('serve', OTHER_PORT, OTHER_PORT)
    for port in PORT, OTHER_PORT:
        echo = lab.start('other', sys.executable, '-c', interop.ECHO, port, stdout=subprocess.PIPE, text=True)
        assert interop.read_line(echo.stdout) == 'ready\n'
    assert interop.read_line(other_service.stdout)
    lab.node, _ = joined(lab, 'node')
    wait_peer(lab.other, 'node', lambda peer: peer['Online'])


def extend_key(lab):
    """A new date of expiry comes through, and so does that there is none."""
    set_expiry(lab, 'node', '-e', LATER)
    wait_self(lab.node, lambda own: own.get('KeyExpiry') == LATER)
    wait_peer(lab.other, 'node', lambda peer: peer.get('KeyExpiry') == LATER)
    set_expiry(lab, 'node', '--disable')
    wait_self(lab.node, lambda own: 'KeyExpiry' not in own)
    assert lab.node.status()['BackendState'] == 'Running'


def expire_and_extend(lab):
    """A node whose key has expired waits, and goes on by itself once the server lets it."""
    set_expiry(lab, 'node')
    status = wait_state(lab.node, 'NeedsLogin')
    assert status['Health'] == ['the node key has expired'] and status['Self']['Expired'], status
    wait_peer(lab.other, 'node', lambda peer: peer.get('Expired'))
    set_expiry(lab, 'node', '-e', LATER)
    assert wait_state(lab.node, 'Running')['Health'] == []
    nodes.answered(lab.other, 'node')


def expire_and_log_in(lab):
    """With another auth key it is the same node with a new key, and its peers reach it with that."""
    before = lab.node.status()['Self']
    set_expiry(lab, 'node')
    wait_state(lab.node, 'NeedsLogin')
    lab.node.stop()
    result = lab.node.run('--timeout', '1', 'ip')
    assert result.returncode == 1 and 'To log in, visit' in result.stderr, result
    joined(lab, 'node')
    own = lab.node.status()['Self']
    assert own['ID'] == before['ID'] and own['TailscaleIPs'] == before['TailscaleIPs'], (own, before)
    assert own['PublicKey'] != before['PublicKey'] and 'Expired' not in own, own
    assert lab.control.node('node')['nodeKey'] == own['PublicKey']
    wait_peer(lab.other, 'node', lambda peer: peer['PublicKey'] == own['PublicKey'])
    nodes.answered(lab.other, 'node')
    nodes.answered(lab.node, 'other')


def rename(lab):
    """The new name is there at once, here and for the others, and the old one is not."""
    lab.control.change('node', 'rename', 'renamed')
    dns_name = f'renamed.{servers.DOMAIN}.'
    wait_self(lab.node, lambda own: own['DNSName'] == dns_name)
    wait_peer(lab.other, 'node', lambda peer: peer['DNSName'] == dns_name)
    assert nodes.answered(lab.other, 'renamed')['NodeName'] == 'renamed'
    result = lab.other.run('--timeout', '1', 'ip', f'node.{servers.DOMAIN}')
    assert result.returncode == 1, result


def tag(lab):
    """A node that is tagged belongs to its tags."""
    lab.control.change('node', 'tag', '-t', 'tag:web,tag:db')
    tags = ['tag:db', 'tag:web']
    wait_self(lab.node, lambda own: sorted(own.get('Tags', [])) == tags)
    peer = wait_peer(lab.other, 'node', lambda peer: sorted(peer.get('Tags', [])) == tags)
    user = lab.other.status()['User'][str(peer['UserID'])]
    assert user['LoginName'] == 'tagged-devices', user


def connects(node, host, port):
    return node.run('--timeout', '3', 'nc', host, port, input='hello\n').stdout == 'echo hello\n'


def change_policy(lab):
    """While a connection carries something, its port is closed for others, and opened again."""
    call = nodes.Call(lab.node, 'other', PORT)
    assert call.echoes('before')
    assert connects(lab.node, 'other', PORT)
    set_rules(lab, {**OPEN, 'dst': [f'*:{OTHER_PORT}']})
    interop.wait_for('the port is closed', lambda: not connects(lab.node, 'other', PORT))
    assert connects(lab.node, 'other', OTHER_PORT)
    assert call.echoes('meanwhile')
    set_rules(lab, OPEN)
    interop.wait_for('the port is open again', lambda: connects(lab.node, 'other', PORT))
    assert call.echoes('after')
    call.close()


def hide_peers(lab):
    """Who may have nothing to do with each other do not see each other."""
    set_rules(lab, {**OPEN, 'src': ['tag:db'], 'dst': ['tag:db:*']})
    interop.wait_for('other is hidden', lambda: not lab.node.peer('other'))
    interop.wait_for('node is hidden', lambda: not lab.other.peer('node'))
    set_rules(lab, OPEN)
    wait_peer(lab.node, 'other', lambda peer: peer['Online'])
    interop.wait_for('the way to other', lambda: connects(lab.node, 'other', PORT))


def log_out_and_in(lab):
    """Whoever logs out has to log in, and is the same node with a new key."""
    lab.leaver, process = joined(lab, 'leaver')
    before = lab.leaver.status()['Self']
    checked(lab.leaver.run('logout'))
    assert process.wait(interop.PATIENCE) == 0
    assert 'logged out' in process.stdout.read()
    wait_peer(lab.other, 'leaver', lambda peer: peer.get('Expired'))
    lab.leaver, _ = joined(lab, 'leaver')
    own = lab.leaver.status()['Self']
    assert own['ID'] == before['ID'] and own['PublicKey'] != before['PublicKey'], (own, before)
    nodes.answered(lab.other, 'leaver')


def move_to_another_user(lab):
    """Headscale knows no move: the machine logs out, and somebody else registers it. It is another node then."""
    lab.control.make_user('second')
    before = lab.leaver.status()['Self']
    checked(lab.leaver.run('logout'))
    process = lab.leaver.start('up', stderr=subprocess.PIPE)
    lab.control.register(nodes.login_id(lab, process), user='second')
    assert interop.read_line(process.stdout).startswith('leaver')
    status = lab.leaver.status()
    own = status['Self']
    assert status['User'][str(own['UserID'])]['LoginName'] == 'second', status
    assert own['ID'] != before['ID'] and own['PublicKey'] != before['PublicKey'], (own, before)
    nodes.answered(lab.other, own['TailscaleIPs'][0])


def requests(lab, number):
    """How many the node with that number has made."""
    with open(f'{lab.folder}/headscale.log') as log:
        return sum('http request' in line and f'remote=10.98.{number}.2:' in line for line in log)


def give_news(lab, name):
    """Without UDP, a node has something to tell its server."""
    lab.ip(name, 'rule', 'add', 'ipproto', 'udp', 'prohibit')
    lab.ip(name, 'addr', 'add', 'fd98::2/64', 'dev', 'eth0')


def delete(lab):
    """The server keeps silent to a node that it has forgotten. The node finds out with the next thing that it tells, and somebody may let
    it in again."""
    number = len(lab.names)
    _, process = joined(lab, 'gone')
    process.terminate()
    assert process.wait(interop.PATIENCE) == 0
    gone = nodes.OurNode(lab, 'gone', lab.url)
    process = gone.start('up', stderr=subprocess.PIPE)
    assert interop.read_line(process.stdout).startswith('gone is up as gone.')
    before = gone.status()['Self']
    lab.control.change('gone', 'delete', '--force')
    interop.wait_for('gone is gone', lambda: not lab.other.peer('gone'))
    asked = requests(lab, number)
    give_news(lab, 'gone')
    auth_id = nodes.login_id(lab, process)
    assert wait_state(gone, 'NeedsLogin')['AuthURL'].endswith(auth_id)
    assert requests(lab, number) - asked < MODEST, requests(lab, number) - asked
    lab.control.register(auth_id)
    assert wait_state(gone, 'Running')['Self']['ID'] != before['ID']
    nodes.answered(lab.other, 'gone')


def delete_with_key(lab):
    """With an auth key that counts for many it comes back by itself."""
    back = nodes.OurNode(lab, 'back', lab.url, '-k', lab.key)
    back.up()
    before = lab.control.node('back')['id']
    lab.control.change('back', 'delete', '--force')
    interop.wait_for('back is gone', lambda: not lab.other.peer('back'))
    give_news(lab, 'back')
    wait_peer(lab.other, 'back', lambda peer: peer['Online'] and peer['ID'] != before)
    nodes.answered(lab.other, 'back')


def routes(lab):
    """Those that a node offers are seen once they are approved, by hand or by the policy."""
    router = nodes.StockNode(lab, 'router')
    router.up(lab.url, lab.key, f'--advertise-routes={ROUTE},{AUTO_ROUTE}')
    peer = wait_peer(lab.node, 'router', lambda peer: AUTO_ROUTE in peer.get('PrimaryRoutes', []))
    assert ROUTE not in peer['AllowedIPs'] and AUTO_ROUTE in peer['AllowedIPs'], peer
    lab.control.change('router', 'approve-routes', '-r', f'{ROUTE},{AUTO_ROUTE}')
    wait_peer(lab.node, 'router', lambda peer: {ROUTE, AUTO_ROUTE} <= set(peer['PrimaryRoutes']) and ROUTE in peer['AllowedIPs'])
    lab.control.change('router', 'approve-routes', '-r', '')
    # the policy approves its own again with the next thing that the router tells
    wait_peer(lab.node, 'router', lambda peer: ROUTE not in peer['AllowedIPs'] and ROUTE not in peer.get('PrimaryRoutes', []))


if __name__ == '__main__':
    interop.run_tests([start, extend_key, expire_and_extend, expire_and_log_in, change_policy, hide_peers, routes, rename, tag,
                       log_out_and_in, move_to_another_user, delete, delete_with_key], servers.require)
