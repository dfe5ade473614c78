# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pairs of hosts with something between them, for bench/tun."""

import json
import os
import shutil
import socket
import subprocess

import bench
from bench import interop, nodes

NODE = os.path.join(bench.BUILD, 'bench', 'tun-node')
LOAD = os.path.join(bench.BUILD, 'bench', 'tun-load')
WIREGUARD_GO = os.environ.get('WIREGUARD_GO') or shutil.which('wireguard-go')
MTU = 1280
CUTTING = 'tx-tcp-segmentation', 'tx-tcp6-segmentation', 'tx-udp-segmentation'
CABLE = 'cable0'
PORT = '5301'

# Private and public (X25519).
KEYS = (('77' * 32, '1cf579aba45a10ba1d1ef06d91fca2aa9ed0a1150515653155405d0b18cb9a67'),
        ('5d' * 32, 'b795bc45da876a734d4dd92a67e4dbcefab44bb99e8d15afb52aeae80c296a0c'))


def wakeups(process):
    """How often the threads of a process have gone to sleep."""
    count = 0
    for thread in os.listdir(f'/proc/{process.pid}/task'):
        with open(f'/proc/{process.pid}/task/{thread}/status') as status:
            count += sum(int(line.split()[1]) for line in status if line.startswith('voluntary_ctxt_switches'))
    return count


class Pair:
    """Two hosts with a cable, and nothing else: what they say to each other goes over it as it is."""
    name = 'veth'

    def __init__(self, lab, number):
        self.lab = lab
        self.names = [f'{self.label}-{end}' for end in 'ab']
        self.outer = [f'10.97.{number}.{end}' for end in (1, 2)]      # addresses of the cable
        self.addresses = self.outer                                   # where the load goes
        self.processes = []
        for name in self.names:
            lab.add_node(name)
        lab.ip(self.names[0], 'link', 'add', CABLE, 'type', 'veth', 'peer', 'name', CABLE, 'netns', lab.namespace(self.names[1]))
        for name, address in zip(self.names, self.outer, strict=True):
            lab.ip(name, 'addr', 'add', f'{address}/24', 'dev', CABLE)
            lab.ip(name, 'link', 'set', CABLE, 'up')

    @property
    def label(self):
        return self.name.replace('-', '')[:6]

    @staticmethod
    def lack(stock):
        """Why it cannot be; None where it can."""
        return None

    def start(self):
        for name in self.names:
            self.lab.ip(name, 'link', 'set', CABLE, 'mtu', str(MTU))

    def serve(self):
        """From when the load can go, and does so over the cable."""
        server = self.lab.start(self.names[1], LOAD, 'serve', self.addresses[1], PORT, stdout=subprocess.PIPE)
        assert interop.read_line(server.stdout) == 'ready\n'
        interop.wait_for(f'routes of {self.name}', self.has_route)
        interop.wait_for(f'a direct path of {self.name}', self.is_direct)

    def has_route(self):
        """A connection that is made earlier keeps an address that the tunnel is not for."""
        route = nodes.checked(self.lab.run(self.names[0], 'ip', 'route', 'get', self.addresses[1]))
        return f'src {self.addresses[0]} ' in route

    def is_direct(self):
        before = self.cable_packets()
        rounds = self.load('pingpong', '0.2')['rounds']
        return self.cable_packets() - before > rounds / 2

    def cable_packets(self):
        return int(nodes.checked(self.lab.run(self.names[0], 'cat', f'/sys/class/net/{CABLE}/statistics/tx_packets')))

    def load(self, verb, *args):
        return json.loads(nodes.checked(self.lab.run(self.names[0], LOAD, verb, self.addresses[1], PORT, *args)))

    def set_offloads(self, on):
        """Off: as a common network card, both ways."""
        for name in self.names:
            nodes.checked(self.lab.run(name, LOAD, 'feature', CABLE, *(f'{feature}={"on" if on else "off"}' for feature in CUTTING),
                                       f'rx-gro={"off" if on else "on"}'))


class WireguardGo(Pair):
    name = 'wireguard-go'

    @staticmethod
    def lack(stock):
        return None if WIREGUARD_GO else 'no such program; WIREGUARD_GO may name it'

    def start(self):
        self.addresses = [address.replace('10.97.', '10.96.') for address in self.outer]
        for end, name in enumerate(self.names):
            interface = f'{self.lab.prefix}wg{end}'      # also the name of its socket, which all namespaces share
            process = self.lab.start(name, WIREGUARD_GO, '-f', interface, log=f'{name}.log', env={**os.environ, 'LOG_LEVEL': 'error'})
            self.processes.append(process)
            self.configure(interface, end)
            self.lab.ip(name, 'addr', 'add', f'{self.addresses[end]}/24', 'dev', interface)
            self.lab.ip(name, 'link', 'set', interface, 'mtu', str(MTU), 'up')

    def configure(self, interface, end):
        """By the program's socket (https://www.wireguard.com/xplatform/)."""
        path = f'/var/run/wireguard/{interface}.sock'
        interop.wait_for(f'socket of {interface}', lambda: os.path.exists(path))
        lines = ['set=1', f'private_key={KEYS[end][0]}', 'listen_port=51820', f'public_key={KEYS[1 - end][1]}',
                 f'endpoint={self.outer[1 - end]}:51820', f'allowed_ip={self.addresses[1 - end]}/32']
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(path)
            control.sendall('\n'.join([*lines, '', '']).encode())
            answer = control.recv(256).decode()
        if 'errno=0' not in answer:
            raise SystemExit(f'tun: {WIREGUARD_GO} says {answer!r}')


class Stock(Pair):
    name = bench.STOCK

    @staticmethod
    def lack(stock):
        return None if stock else 'no stock programs'

    def start(self):
        stock = [nodes.StockNode(self.lab, name, 'tailscale0') for name in self.names]
        for node in stock:
            node.up(self.lab.url, self.lab.key)
        self.processes = [node.process for node in stock]
        self.addresses = [node.address() for node in stock]


class Ours(Pair):
    name = bench.OURS

    def start(self):
        for name in self.names:
            process = self.lab.start(name, NODE, name, self.lab.url, self.lab.key, stdout=subprocess.PIPE,
                                     stderr=open(os.path.join(self.lab.folder, f'{name}.log'), 'ab'))
            self.processes.append(process)
        self.addresses = [interop.read_line(process.stdout).strip() for process in self.processes]


KINDS = Pair, WireguardGo, Stock, Ours
