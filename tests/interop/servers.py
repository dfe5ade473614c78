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
REGION = 'lab'
DOMAIN = 'lab.test'

# insecurefortests is for nodes that cannot pin a certificate; those that can check the pin all the same.
RELAY_MAP = '''
regions:
  900:
    {{regionid: 900, regioncode: {region}, regionname: Lab, nodes: [{{name: 900a, regionid: 900, hostname: {address}, ipv4: {address},
     ipv6: none, stunport: {stun}, derpport: {port}, certname: "sha256-raw:{pin}", insecurefortests: true}}]}}
'''

CONFIG = '''
server_url: {url}
listen_addr: {address}:{port}
metrics_listen_addr: ""
grpc_listen_addr: {address}:50443
noise: {{private_key_path: {folder}/noise.key}}
prefixes: {{v4: 100.64.0.0/10, v6: "fd7a:115c:a1e0::/48"}}
derp: {{server: {{enabled: false}}, urls: [], paths: [{folder}/derp.yaml], auto_update_enabled: false}}
disable_check_updates: true
database: {{type: sqlite, sqlite: {{path: {folder}/headscale.db}}}}
dns: {{magic_dns: true, base_domain: {domain}, override_local_dns: false, nameservers: {{global: []}}}}
unix_socket: {folder}/headscale.sock
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

    def check(self):
        if self.process.poll() is not None:
            raise AssertionError(f'{self.name} ended: exit {self.process.returncode}')


class Relay(Server):
    """The stock relay, with STUN, and a certificate that it makes itself."""

    def __init__(self, lab):
        address = interop.SERVER_ADDRESS
        super().__init__(lab, 'derper', interop.require_program('TAILNET_TEST_DERPER'), '-a', f'{address}:{RELAY_PORT}', '-http-port', '-1',
                         '-certmode', 'manual', '-certdir', lab.folder, '-hostname', address, '-stun', '-stun-port', str(STUN_PORT),
                         '-c', f'{lab.folder}/derper.json')
        self.certificate = f'{lab.folder}/{address}.crt'

    def start(self):
        super().start()
        interop.wait_for('the relay', self.listens)

    def listens(self):
        self.check()
        return f'{interop.SERVER_ADDRESS}:{RELAY_PORT}' in checked(self.lab.run('srv', 'ss', '-Hltn'))

    def pin(self):
        with open(self.certificate) as pem:
            return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.read())).hexdigest()

    def kill(self):
        """Ends without a word to anybody, as when the machine loses power."""
        self.process.kill()
        self.process.wait(interop.PATIENCE)


class Control(Server):
    """Headscale with one user. It tells changes at once instead of gathering them for a second."""

    def __init__(self, lab, relay):
        self.config = f'{lab.folder}/headscale.yaml'
        super().__init__(lab, 'headscale', interop.require_program('TAILNET_TEST_HEADSCALE'), '-c', self.config, 'serve')
        with open(f'{lab.folder}/derp.yaml', 'w') as file:
            file.write(RELAY_MAP.format(region=REGION, address=interop.SERVER_ADDRESS, stun=STUN_PORT, port=RELAY_PORT, pin=relay.pin()))
        with open(self.config, 'w') as file:
            file.write(CONFIG.format(url=URL, address=interop.SERVER_ADDRESS, port=CONTROL_PORT, folder=lab.folder, domain=DOMAIN))

    def start(self):
        super().start()
        interop.wait_for('the control server', self.answers)

    def answers(self):
        self.check()
        return self.run('users', 'list').returncode == 0

    def run(self, *args):
        return self.lab.run('srv', self.command[0], '-c', self.config, *args)

    def make_user(self):
        checked(self.run('users', 'create', 'lab'))

    def make_key(self, *options):
        return json.loads(checked(self.run('preauthkeys', 'create', '-u', '1', '-e', '24h', '-o', 'json', *options)))['key']

    def register(self, auth_id):
        checked(self.run('auth', 'register', '--user', 'lab', '--auth-id', auth_id))


def start_servers(lab):
    """The two of them, and a key for many nodes."""
    lab.relay = Relay(lab)
    lab.relay.start()
    lab.control = Control(lab, lab.relay)
    lab.control.start()
    lab.control.make_user()
    lab.url, lab.key = URL, lab.control.make_key('--reusable')


def require():
    for variable in ('HEADSCALE', 'DERPER', 'TAILSCALED', 'TAILSCALE', 'TOOL'):
        interop.require_program(f'TAILNET_TEST_{variable}')
