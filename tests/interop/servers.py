# SPDX-License-Identifier: LGPL-2.1-or-later
"""The servers of a lab: Headscale and the stock relay, which can be restarted."""

import hashlib
import json
import os
import ssl

import lab as interop
from nodes import checked

CONTROL_PORT, RELAY_PORT, STUN_PORT = 8080, 443, 3478
URL = f'http://{interop.SERVER_ADDRESS}:{CONTROL_PORT}'
REGION, OTHER_REGION = 'lab', 'annex'
REGION_IDS = {REGION: 900, OTHER_REGION: 901}
DOMAIN = 'lab.test'

# insecurefortests is for nodes that cannot pin a certificate; those that can check the pin all the same.
REGION_ENTRY = '''
  {id}:
    {{regionid: {id}, regioncode: {code}, regionname: Lab, nodes: [{{name: {id}a, regionid: {id}, hostname: {address}, ipv4: {address},
     ipv6: none, stunport: {stun}, derpport: {port}, certname: "sha256-raw:{pin}", insecurefortests: true}}]}}
'''

CONFIG = '''
server_url: {url}
listen_addr: {address}:{port}
metrics_listen_addr: ""
grpc_listen_addr: {address}:50443
noise: {{private_key_path: {folder}/noise.key}}
prefixes: {{v4: 100.64.0.0/10, v6: "fd7a:115c:a1e0::/48"}}
derp: {{server: {{enabled: false}}, urls: [], paths: [{folder}/derp.yaml], auto_update_enabled: {reads_relays}, update_frequency: 1s}}
disable_check_updates: true
database: {{type: sqlite, sqlite: {{path: {folder}/headscale.db}}}}
dns: {{magic_dns: true, base_domain: {domain}, override_local_dns: false, nameservers: {{global: []}}}}
unix_socket: {folder}/headscale.sock
policy: {{mode: database}}
node: {{ephemeral: {{inactivity_timeout: 66s}}}}
tuning: {{node_store_batch_timeout: 1ms, batch_change_delay: 1ms}}
log: {{level: info}}
'''


class Server:
    """A program in the namespace of the servers that can be stopped and started again."""

    def __init__(self, lab, name, *command):
        self.lab, self.name, self.command = lab, name, command
        self.process = None

    def start(self):
        self.process = self.lab.start('srv', *self.command, log=f'{self.name}.log')

    def stop(self):
        self.process.terminate()
        self.process.wait(interop.PATIENCE)

    def kill(self):
        """Ends without a word to anybody, as when the machine loses power."""
        self.process.kill()
        self.process.wait(interop.PATIENCE)

    def check(self):
        if self.process.poll() is not None:
            raise AssertionError(f'{self.name} ended: exit {self.process.returncode}')


class Relay(Server):
    """The stock relay, with STUN, and a certificate that it makes itself. There may be more than one, by number."""

    def __init__(self, lab, number=0):
        address = interop.SERVER_ADDRESS
        self.port, self.stun_port = RELAY_PORT + number, STUN_PORT + number
        folder = f'{lab.folder}/derper{number}'
        os.mkdir(folder)
        super().__init__(lab, 'derper', interop.require_program('TAILNET_TEST_DERPER'), '-a', f'{address}:{self.port}', '-http-port', '-1',
                         '-certmode', 'manual', '-certdir', folder, '-hostname', address, '-stun', '-stun-port', str(self.stun_port),
                         '-c', f'{folder}/derper.json')
        self.certificate = f'{folder}/{address}.crt'

    def start(self):
        super().start()
        interop.wait_for('the relay', self.listens)

    def listens(self):
        self.check()
        return f'{interop.SERVER_ADDRESS}:{self.port}' in checked(self.lab.run('srv', 'ss', '-Hltn'))

    def clients(self):
        return checked(self.lab.run('srv', 'ss', '-Htn', 'state', 'established', f'sport = :{self.port}')).splitlines()

    def pin(self):
        with open(self.certificate) as pem:
            return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.read())).hexdigest()


class Control(Server):
    """Headscale with one user. It tells changes at once instead of gathering them for a second. reads_relays: again and again."""

    def __init__(self, lab, relay, reads_relays=False):
        self.config = f'{lab.folder}/headscale.yaml'
        super().__init__(lab, 'headscale', interop.require_program('TAILNET_TEST_HEADSCALE'), '-c', self.config, 'serve')
        self.set_relays({REGION: relay})
        with open(self.config, 'w') as file:
            file.write(CONFIG.format(url=URL, address=interop.SERVER_ADDRESS, port=CONTROL_PORT, folder=lab.folder, domain=DOMAIN,
                                     reads_relays=str(reads_relays).lower()))

    def start(self):
        super().start()
        interop.wait_for('the control server', self.answers)

    def answers(self):
        self.check()
        return self.run('users', 'list').returncode == 0

    def run(self, *args):
        return self.lab.run('srv', self.command[0], '-c', self.config, *args)

    def ask(self, *args):
        """What it says as JSON."""
        return json.loads(checked(self.run(*args, '-o', 'json')))

    def make_user(self, name='lab'):
        return str(self.ask('users', 'create', name)['id'])

    def make_key(self, *options):
        return self.ask('preauthkeys', 'create', '-u', '1', '-e', '24h', *options)['key']

    def register(self, auth_id, user='lab'):
        checked(self.run('auth', 'register', '--user', user, '--auth-id', auth_id))

    def nodes(self, name):
        """All there are of that name."""
        return [node for node in self.ask('nodes', 'list') if node['name'] == name]

    def node(self, name):
        node, = self.nodes(name)
        return node

    def change(self, name, what, *args):
        """An administrator's command for a node."""
        checked(self.run('nodes', what, '-i', self.node(name)['id'], *args))

    def set_relays(self, relays):
        """By the codes of their regions."""
        path = f'{self.lab.folder}/derp.yaml'
        with open(f'{path}.new', 'w') as file:
            file.write('regions:')
            for code, relay in relays.items():
                file.write(REGION_ENTRY.format(id=REGION_IDS[code], code=code, address=interop.SERVER_ADDRESS, stun=relay.stun_port,
                                               port=relay.port, pin=relay.pin()))
        os.replace(f'{path}.new', path)

    def set_policy(self, policy):
        path = f'{self.lab.folder}/policy.json'
        with open(path, 'w') as file:
            json.dump(policy, file)
        checked(self.run('policy', 'set', '-f', path))


def start_servers(lab, **kwargs):
    """The two of them, and a key for many nodes."""
    lab.relay = Relay(lab)
    lab.relay.start()
    lab.control = Control(lab, lab.relay, **kwargs)
    lab.control.start()
    lab.control.make_user()
    lab.url, lab.key = URL, lab.control.make_key('--reusable')


def require_servers():
    for variable in ('HEADSCALE', 'DERPER', 'TOOL'):
        interop.require_program(f'TAILNET_TEST_{variable}')


def require():
    for variable in ('HEADSCALE', 'DERPER', 'TAILSCALED', 'TAILSCALE', 'TOOL'):
        interop.require_program(f'TAILNET_TEST_{variable}')
