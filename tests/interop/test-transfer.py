# SPDX-License-Identifier: LGPL-2.1-or-later
"""Much data by the stock relay, both ways and with a checksum: between two of our nodes, and between ours and a stock one. Then the
servers restart in the middle of it. TAILNET_TEST_TRANSFER_BYTES says how much; the default is 1 GiB."""

import json
import os
import subprocess
import sys
import time

import lab as interop
import nodes
import perf
import servers
from nodes import checked

BYTES = int(os.environ.get('TAILNET_TEST_TRANSFER_BYTES', 1 << 30))
MOVE_BYTES = 64 << 10       # less than this in a minute is what keeps connections alive, and no transfer


class Transfer:
    """There and back between our node, which runs for as long as it takes, and another. It can be watched."""

    def __init__(self, lab, target, length):
        self.lab, self.target, self.length = lab, target, length
        self.before = lab.traffic('ours')
        self.process = lab.ours.start('perf', '--json', '--bytes', str(length), target, stderr=subprocess.PIPE)

    def moved(self):
        return self.lab.traffic('ours') - self.before

    def wait_until(self, condition):
        """For as long as it moves: a busy machine may be slow."""
        last, end = 0, time.monotonic() + interop.PATIENCE
        while not condition():
            moved = self.moved()
            if moved > last + MOVE_BYTES:
                last, end = moved, time.monotonic() + interop.PATIENCE
            elif time.monotonic() > end:
                raise AssertionError(f'{self.target}: stalled, {moved} bytes on the wire for {2 * self.length}')
            time.sleep(0.02)

    def wait_for_share(self, share):
        """Until so much of all that goes there and back went by."""
        self.wait_until(lambda: self.process.poll() is not None or self.moved() > 2 * self.length * share)
        if self.process.poll() is not None:
            raise AssertionError(f'{self.target}: ended too early: {self.process.stderr.read()}')

    def finish(self):
        self.wait_until(lambda: self.process.poll() is not None)
        out, err = self.process.communicate()
        if self.process.returncode != 0:
            raise AssertionError(f'{self.target}: {err}')
        report = json.loads(out)
        for way in 'upload', 'download':
            assert report[way]['bytes'] == self.length and report[way]['verified'], report
            print(f"# {self.target}, {way}: {report[way]['bits_per_second'] / 1e6:.0f} Mbit/s", flush=True)
        assert servers.REGION in report['path'], report


def start(lab):
    servers.start_servers(lab)
    lab.stock = nodes.StockNode(lab, 'stock')
    lab.stock.up(lab.url, lab.key)
    server = lab.start('stock', sys.executable, perf.__file__, 'serve', '127.0.0.1', '5209', stdout=subprocess.PIPE)
    assert interop.read_line(server.stdout) == 'ready\n'
    lab.other = nodes.OurNode(lab, 'other', lab.url, '-k', lab.key)
    lab.other.up('perf', '-l')
    lab.ours = nodes.OurNode(lab, 'ours', lab.url, '-k', lab.key)
    for name in 'other', 'stock':
        nodes.answered(lab.ours, name)


def between_ours(lab):
    Transfer(lab, 'other', BYTES).finish()


def with_stock(lab):
    Transfer(lab, 'stock', BYTES).finish()


def restart_relay(lab, target, length):
    transfer = Transfer(lab, target, length)
    transfer.wait_for_share(0.2)
    lab.relay.stop()
    lab.relay.start()
    transfer.wait_for_share(0.6)
    lab.relay.kill()
    lab.relay.start()
    transfer.finish()


def relay_restarts(lab):
    restart_relay(lab, 'other', BYTES)


def relay_restarts_with_stock(lab):
    restart_relay(lab, 'stock', BYTES // 8)


def control_restarts(lab):
    """What goes on goes on, and afterwards changes come through again."""
    transfer = Transfer(lab, 'other', BYTES)
    transfer.wait_for_share(0.3)
    lab.control.stop()
    transfer.wait_for_share(0.6)
    lab.control.start()
    transfer.finish()
    late = nodes.OurNode(lab, 'late', lab.url, '-k', lab.key)
    late.up()
    nodes.answered(late, 'other')
    interop.wait_for('late is there for stock', lambda: lab.stock.peer('late'))
    checked(lab.stock.run('ping', '--c=3', '--until-direct=false', 'other'))


if __name__ == '__main__':
    interop.run_tests([start, between_ours, with_stock, relay_restarts, relay_restarts_with_stock, control_restarts], servers.require)
