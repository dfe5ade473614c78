# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network maps of any size, of the kind of tests/vectors/netmap-1000.json.gz: the same members, as long and as often. Relays are none
that could be called: they are at a port of this machine where nobody listens."""

import ipaddress
import json
import random

REGIONS = 26
USERS = 60
SUFFIX = 'tail5f3c1.ts.net.'
WORDS = ['lab', 'edge', 'mail', 'prod', 'phone', 'nas', 'build', 'printer']
SYSTEMS = ['linux', 'linux', 'linux', 'windows', 'windows', 'macOS', 'macOS', 'android', 'android', 'iOS']


def write(value):
    return json.dumps(value, separators=(',', ':'))


class Generator:
    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.ids = []
        self.number = 0

    def key(self, kind):
        return f'{kind}:{self.random.randbytes(32).hex()}'

    def endpoint(self):
        if self.random.random() < 0.6:
            return f'{ipaddress.IPv4Address(self.random.randbytes(4))}:{self.random.randrange(1024, 65536)}'
        return f'[{ipaddress.IPv6Address(self.random.randbytes(16))}]:41641'

    def endpoints(self):
        last = f'192.168.{self.random.randrange(256)}.{self.random.randrange(1, 255)}:41641'
        return [self.endpoint() for _ in range(self.random.randrange(2, 6))] + [last]

    def time(self, year, fraction=False):
        text = f'{year}-{self.random.randrange(1, 13):02}-{self.random.randrange(1, 28):02}T{self.random.randrange(24):02}:00:00'
        return text + (f'.{self.random.randrange(10 ** 9):09}Z' if fraction else 'Z')

    def addresses(self, number):
        """Of the same number never twice."""
        low = number * 2654435761 % (1 << 22)
        address6 = ipaddress.IPv6Address(int(ipaddress.IPv6Address('fd7a:115c:a1e0::')) + number * 2654435761 % (1 << 32))
        return [str(ipaddress.IPv4Address((100 << 24) + (64 << 16) + low)), str(address6)]

    def hostinfo(self, name, route):
        info = {'OS': self.random.choice(SYSTEMS), 'Hostname': name}
        if route:
            info['RoutableIPs'] = [route]
        if self.random.random() < 0.62:
            ports = [('peerapi4', self.random.randrange(1024, 65536)), ('peerapi6', self.random.randrange(1024, 65536)), ('peerapi-dns-proxy', 1)]
            info['Services'] = [{'Proto': name, 'Port': port} for name, port in ports]
        return info

    def peer(self):
        self.number += 1
        number = self.number
        name = '-'.join(self.random.sample(WORDS, 2)) + f'-{number}'
        prefixes = [f'{address}/{bits}' for address, bits in zip(self.addresses(number), (32, 128), strict=True)]
        route = f'10.{number >> 8 & 255}.{number & 255}.0/24' if self.random.random() < 0.064 else None
        node = {'ID': 3 * 10 ** 15 + number * 11987654321 % 10 ** 15, 'StableID': f'n{self.random.randbytes(5).hex()}CNTRL',
                'Name': f'{name}.{SUFFIX}', 'User': self.random.randrange(1, USERS + 1), 'Key': self.key('nodekey')}
        if self.random.random() < 0.63:
            node['KeyExpiry'] = self.time(2126)
        node |= {'Machine': self.key('mkey'), 'DiscoKey': self.key('discokey'), 'Addresses': prefixes,
                 'AllowedIPs': prefixes + ([route] if route else []), 'Endpoints': self.endpoints(),
                 'HomeDERP': self.random.randrange(1, REGIONS + 1), 'Hostinfo': self.hostinfo(name, route),
                 'Created': self.time(2025, True), 'Cap': self.random.randrange(100, 142)}
        if self.random.random() < 0.2:
            node['Tags'] = [self.random.choice(['tag:server', 'tag:prod', 'tag:ci'])]
        if route:
            node['PrimaryRoutes'] = [route]
        online = self.random.random() < 0.55
        if not online:
            node['LastSeen'] = self.time(2026)
        node |= {'Online': online, 'MachineAuthorized': True}
        if self.random.random() < 0.16:
            node['CapMap'] = {'funnel': None, 'https://tailscale.com/cap/is-owner': None}
        self.ids.append(node['ID'])
        return node

    def rules(self, n_peers):
        rules = []
        for _ in range(20):
            sources = [address for number in range(self.random.randrange(3, 28))
                       for address in self.addresses(self.random.randrange(1, n_peers + 1))]
            rule = {'SrcIPs': sources, 'DstPorts': [{'IP': '*', 'Ports': {'First': 0, 'Last': 65535}}]}
            if self.random.random() < 0.4:
                rule['IPProto'] = [6]
            rules.append(rule)
        return rules

    def region(self, number):
        nodes = [{'Name': f'{number}{letter}', 'RegionID': number, 'HostName': '127.0.0.1', 'IPv4': '127.0.0.1', 'IPv6': 'none',
                  'DERPPort': 9, 'STUNPort': -1, 'CanPort80': True} for letter in 'abc']
        return {'RegionID': number, 'RegionCode': f'r{number:02}', 'RegionName': f'Region {number}', 'Latitude': self.random.uniform(-90, 90),
                'Longitude': self.random.uniform(-180, 180), 'Nodes': nodes}

    def user(self, number):
        return {'ID': number, 'LoginName': f'user{number}@example.com', 'DisplayName': f'User {number}'}

    def write_map(self, n_peers, out):
        """What the server puts into the map of a node besides the node itself."""
        rest = {'DERPMap': {'Regions': {str(number): self.region(number) for number in range(1, REGIONS + 1)}},
                'DNSConfig': {'Routes': {'corp.example.': [{'Addr': '10.0.0.53'}]}, 'Domains': [SUFFIX[:-1]], 'Proxied': True},
                'Domain': 'example.com', 'PacketFilter': None, 'PacketFilters': {name: self.rules(n_peers) for name in ('base', 'grants', 'ssh')},
                'UserProfiles': [self.user(number) for number in range(1, USERS + 1)]}
        out.write(write(rest)[:-1] + ',"Peers":[')
        for number in range(n_peers):
            out.write((',' if number else '') + write(self.peer()))
        out.write(']}')

    # One peer each. What one of them adds, the next of its kind may take away.

    def online(self):
        return {'PeersChangedPatch': [{'NodeID': self.random.choice(self.ids), 'Online': self.random.random() < 0.5,
                                       'LastSeen': self.time(2026)}]}

    def moved(self):
        return {'PeersChangedPatch': [{'NodeID': self.random.choice(self.ids), 'Endpoints': self.endpoints(),
                                       'DERPRegion': self.random.randrange(1, REGIONS + 1), 'DiscoKey': self.key('discokey')}]}

    def added(self):
        return {'PeersChanged': [self.peer()]}

    def removed(self):
        return {'PeersRemoved': [self.ids.pop(self.random.randrange(len(self.ids)))]}

    def joined(self):
        """By somebody new, and the others told again, as servers do."""
        peer = self.peer()
        peer['User'] = USERS + self.number
        return {'PeersChanged': [peer], 'UserProfiles': [self.user(number) for number in (1, 2, peer['User'])]}


KINDS = ('online', 'moved', 'added', 'removed', 'joined')
