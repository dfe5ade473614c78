# SPDX-License-Identifier: LGPL-2.1-or-later
"""How our node gets into a tailnet of Headscale: with auth keys of every kind, and by somebody who registers it."""

import subprocess

import lab as interop
import nodes
import servers
from nodes import checked

TAGS = {'tagOwners': {'tag:web': ['lab@'], 'tag:db': ['lab@']}, 'acls': [{'action': 'accept', 'src': ['*'], 'dst': ['*:*']}]}


def joined(lab, name, key, *options):
    node = nodes.OurNode(lab, name, lab.url, '-k', key, *options)
    node.up()
    return node


def refused(lab, name, key, words):
    """A node that is not let in ends, with the words of the server."""
    result = nodes.OurNode(lab, name, lab.url, '-k', key).run('up')
    assert result.returncode == 1 and words in result.stderr, result
    assert lab.control.nodes(name) == []


def waiting(lab, name, *args):
    node = nodes.OurNode(lab, name, lab.url, *args)
    return node, node.start('up', stderr=subprocess.PIPE)


def start(lab):
    servers.start_servers(lab)
    lab.control.set_policy(TAGS)
    lab.watcher = joined(lab, 'watcher', lab.key)
    kept = joined(lab, 'kept', lab.control.make_key('--ephemeral'))
    interop.wait_for('kept', lambda: lab.watcher.peer('kept'))
    kept.stop()


def reusable_key(lab):
    for name in 'first', 'second':
        joined(lab, name, lab.key)
        interop.wait_for(name, lambda: lab.watcher.peer(name))


def single_use_key(lab):
    key = lab.control.make_key()
    once = joined(lab, 'once', key)
    refused(lab, 'twice', key, 'authkey already used')
    before = once.status()['Self']
    for options in ([], ['-k', key]):      # it is known, with or without the key that is spent
        once.stop()
        once = nodes.OurNode(lab, 'once', lab.url, *options)
        once.up()
        assert once.status()['Self']['PublicKey'] == before['PublicKey']
    assert lab.control.node('once')['nodeKey'] == before['PublicKey']


def expired_key(lab):
    made = lab.control.ask('preauthkeys', 'create', '-u', '1', '-e', '24h', '--reusable')
    checked(lab.control.run('preauthkeys', 'expire', '-i', str(made['id'])))
    refused(lab, 'late', made['key'], 'authkey expired')


def deleted_key(lab):
    made = lab.control.ask('preauthkeys', 'create', '-u', '1', '-e', '24h')
    checked(lab.control.run('preauthkeys', 'delete', '-i', str(made['id'])))
    refused(lab, 'late', made['key'], 'auth key')


def tagged_key(lab):
    own = joined(lab, 'tagged', lab.control.make_key('--tags', 'tag:web')).status()['Self']
    assert own['Tags'] == ['tag:web'], own
    peer = lab.watcher.peer('tagged')
    assert peer['Tags'] == ['tag:web'], peer


def requested_tags(lab):
    """The policy says which of them a user may give to a machine."""
    node, process = waiting(lab, 'asks', '-t', 'tag:db')
    lab.control.register(nodes.login_id(lab, process))
    assert interop.read_line(process.stdout).startswith('asks is up as asks.')
    own = node.status()['Self']
    assert own['Tags'] == ['tag:db'], own
    result = nodes.OurNode(lab, 'greedy', lab.url, '-k', lab.key, '-t', 'tag:root').run('up')
    assert result.returncode == 1 and 'requested tags [tag:root] are invalid or not permitted' in result.stderr, result


def register_by_hand(lab):
    """Somebody at the server does what the printed URL asks for. The program, which has waited, goes on."""
    node, process = waiting(lab, 'visited')
    auth_id = nodes.login_id(lab, process)
    status = node.status()
    assert status['BackendState'] == 'NeedsLogin', status
    assert status['AuthURL'].endswith(auth_id), status
    lab.control.register(auth_id)
    assert interop.read_line(process.stdout).startswith('visited is up as visited.')
    status = node.status()
    assert status['BackendState'] == 'Running' and not status['AuthURL'], status


def register_after_restart(lab):
    """A server that was restarted knows nothing of a login that waits: there is another URL then, and the first one is of no use."""
    node, process = waiting(lab, 'patient')
    first = nodes.login_id(lab, process)
    lab.control.kill()
    lab.control.start()
    second = nodes.login_id(lab, process)
    assert second != first
    assert lab.control.run('auth', 'register', '--user', 'lab', '--auth-id', first).returncode != 0
    assert interop.wait_for('the URL', lambda: node.status()['AuthURL']).endswith(second)
    lab.control.register(second)
    assert interop.read_line(process.stdout).startswith('patient is up as patient.')


def ephemeral(lab):
    """Who is ephemeral logs out as the program ends, and nothing is left."""
    node = nodes.OurNode(lab, 'brief', lab.url, '-k', lab.control.make_key('--ephemeral'), ephemeral=True)
    node.up()
    interop.wait_for('brief', lambda: lab.watcher.peer('brief'))
    node.process.terminate()
    assert node.process.wait(interop.PATIENCE) == 0
    assert lab.control.nodes('brief') == []
    interop.wait_for('brief is gone', lambda: not lab.watcher.peer('brief'))


def ephemeral_by_key(lab):
    """The same for one that has not been told, and logs out."""
    node = joined(lab, 'unaware', lab.control.make_key('--ephemeral'))
    checked(node.run('logout'))
    assert node.process.wait(interop.PATIENCE) == 0
    assert lab.control.nodes('unaware') == []


def ephemeral_by_key_ends(lab):
    """One that does not know that its key makes it ephemeral is removed by the server some time after it has ended."""
    interop.wait_for('kept is gone', lambda: not lab.watcher.peer('kept'), patience=2 * interop.PATIENCE)
    assert lab.control.nodes('kept') == []


if __name__ == '__main__':
    interop.run_tests([start, reusable_key, single_use_key, expired_key, deleted_key, tagged_key, requested_tags, register_by_hand,
                       register_after_restart, ephemeral, ephemeral_by_key, ephemeral_by_key_ends], servers.require_servers)
