# SPDX-License-Identifier: LGPL-2.1-or-later
"""A node that moves from network to network, against the testkit: no stock program is needed."""

import os
import shutil
import sys
import time

import lab as interop
import nodes

PORTAL = '''
import http.server
class Portal(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302)
        self.send_header('Location', 'http://portal.test/login')
        self.end_headers()
    do_POST = do_GET
http.server.ThreadingHTTPServer(('0.0.0.0', 8080), Portal).serve_forever()
'''

# Of a network that lets nobody out who has not logged in.
CAPTIVITY = '''table ip captivity {
    chain catch { type nat hook output priority -100; tcp dport 80 redirect to :8080; }
    chain out { type filter hook output priority 0; oif lo accept; tcp dport 8080 accept; tcp sport 8080 accept; drop; }
}'''

# FILE PROGRAM...: names that a program sees, without a name server.
PRIVATE_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'


def require():
    for program in ('nft', 'ss', 'unshare'):
        if shutil.which(program) is None:
            raise interop.Skip(f'needs {program}')


def checked(result):
    return nodes.checked(result)


def timed_answer(node, other, what):
    """Well before the two minutes after which silence alone shows that a connection is dead."""
    begin = time.monotonic()
    answer = nodes.answered(node, other)
    print(f'# {what}: {time.monotonic() - begin:.1f} s', flush=True)
    return answer


def health(node):
    return node.status().get('Health') or []


def joins(lab):
    lab.url, lab.key = lab.start_testkit()
    lab.rover = nodes.OurNode(lab, 'rover', lab.url, '-k', lab.key)
    lab.home = nodes.OurNode(lab, 'home', lab.url, '-k', lab.key)
    lab.rover.up(env={**os.environ, 'G_MESSAGES_DEBUG': 'all'})
    lab.home.up()
    nodes.answered(lab.rover, 'home')


def ports(lab):
    """Of its connections."""
    lines = checked(lab.run('rover', 'ss', '-Htn', 'state', 'established')).splitlines()
    return {line.split()[2].rpartition(':')[2] for line in lines}


def changes(lab):
    """How often it took the network for another one."""
    with open(os.path.join(lab.folder, 'rover.log')) as log:
        return log.read().count('the network changed')


def keeps_connections_through_churn(lab):
    """Routes and interfaces come and go as containers and VPNs do it: none of it is about this node."""
    ports_before, changes_before = ports(lab), changes(lab)
    assert ports_before
    for i in range(20):
        lab.ip('rover', 'link', 'add', f'veth{i}', 'type', 'veth', 'peer', 'name', f'peer{i}')
        lab.ip('rover', 'link', 'set', f'veth{i}', 'up')
        lab.ip('rover', 'route', 'add', f'192.0.2.{i}/32', 'dev', f'veth{i}')
        lab.ip('rover', 'link', 'del', f'veth{i}')
    nodes.answered(lab.rover, 'home')
    assert changes(lab) == changes_before
    assert ports(lab) == ports_before


def gets_another_address(lab):
    """The address that its connections were made from is gone."""
    lab.add_link('rover', 'eth1', 77)
    lab.ip('rover', 'addr', 'flush', 'dev', 'eth0')
    lab.ip('rover', 'link', 'set', 'eth0', 'down')
    lab.ip('rover', 'route', 'replace', 'default', 'via', '10.98.77.1')
    timed_answer(lab.rover, 'home', 'answered from another address')
    timed_answer(lab.home, 'rover', 'asked at another address')
    assert changes(lab) > 0
    interop.wait_for('control', lambda: not health(lab.rover))


def loses_what_was_on_the_way(lab):
    """A router that has forgotten the connections, as when a cable was pulled and put in elsewhere: the address is the same."""
    ports = sorted({line.split()[3].rpartition(':')[2] for line in checked(lab.run('rover', 'ss', '-Htn')).splitlines()})
    assert ports
    rules = 'table inet forget { chain in { type filter hook input priority 0; tcp sport { %s } drop; }; }' % ', '.join(ports)
    checked(lab.run('srv', 'nft', rules))
    lab.ip('rover', 'route', 'del', 'default')
    lab.ip('rover', 'route', 'add', 'default', 'via', '10.98.77.1')
    timed_answer(lab.rover, 'home', 'answered through new connections')
    left = {line.split()[3].rpartition(':')[2] for line in checked(lab.run('rover', 'ss', '-Htn', 'state', 'established')).splitlines()}
    interop.wait_for('control', lambda: not health(lab.rover))
    assert not left & set(ports), (left, ports)
    checked(lab.run('srv', 'nft', 'delete', 'table', 'inet', 'forget'))


def is_away_for_a_while(lab):
    """No network at all, until there is one again: nobody waits for the next of many tries."""
    lab.ip('rover', 'link', 'set', 'eth1', 'down')
    interop.wait_for('a word of it', lambda: health(lab.rover))
    lab.ip('rover', 'link', 'set', 'eth1', 'up')
    lab.ip('rover', 'route', 'add', 'default', 'via', '10.98.77.1')
    timed_answer(lab.rover, 'home', 'answered after no network')
    interop.wait_for('control', lambda: not health(lab.rover))


def is_held_captive(lab):
    """A network that wants a login says so, and is made use of as soon as it does not."""
    lab.start('rover', sys.executable, '-c', PORTAL, log='portal.log')
    checked(lab.run('rover', 'nft', CAPTIVITY))
    lab.ip('rover', 'route', 'del', 'default')
    lab.ip('rover', 'route', 'add', 'default', 'via', '10.98.77.1')      # it has just arrived there
    interop.wait_for('a word of it', lambda: any('http://portal.test/login' in line for line in health(lab.rover)))
    checked(lab.run('rover', 'nft', 'delete', 'table', 'ip', 'captivity'))
    timed_answer(lab.rover, 'home', 'answered after the login')
    interop.wait_for('control', lambda: not health(lab.rover))


def finds_the_family_that_works(lab):
    """The server's name has addresses of both families, of which one leads nowhere."""
    hosts = os.path.join(lab.folder, 'hosts')
    with open(hosts, 'w') as names:
        names.write(f'127.0.0.1 localhost\nfd98::1 control.test\n{lab.address} control.test\n')
    node = nodes.OurNode(lab, 'dual', lab.url.replace(lab.address, 'control.test'), '-k', lab.key, '--allow-plain-http')
    lab.ip('dual', 'addr', 'add', 'fd98:1::2/64', 'dev', 'eth0', 'nodad')
    lab.ip('dual', 'route', 'add', 'default', 'via', 'fd98:1::1', 'dev', 'eth0')
    lab.ip('dual', 'neigh', 'add', 'fd98:1::1', 'lladdr', '02:00:00:00:00:01', 'dev', 'eth0')      # packets leave, and nobody has them
    node.command = ['unshare', '-m', 'sh', '-c', PRIVATE_HOSTS, hosts, *node.command]
    begin = time.monotonic()
    node.up()      # it has 20 s, an attempt of the kernel takes two minutes
    print(f'# joined past the other family: {time.monotonic() - begin:.1f} s', flush=True)
    nodes.answered(node, 'home')


if __name__ == '__main__':
    interop.run_tests([joins, keeps_connections_through_churn, gets_another_address, loses_what_was_on_the_way, is_away_for_a_while, is_held_captive,
                       finds_the_family_that_works], require)
