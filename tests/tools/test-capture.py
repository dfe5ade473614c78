#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The packets of a node in a file."""
import os
import struct
import sys
import unittest

from program import TAILNET, Program, TailnetCase, run

ICMP = 1


def packets(data):
    """(direction, comment, packet) of each packet in a file of pcapng."""
    found, at = [], 0
    while at < len(data):
        kind, length = struct.unpack_from('<II', data, at)
        if kind == 6:
            size, = struct.unpack_from('<I', data, at + 20)
            option, direction, comment = at + 28 + (size + 3) // 4 * 4, None, None
            while True:
                code, n = struct.unpack_from('<HH', data, option)
                if code == 0:
                    break
                value = data[option + 4:option + 4 + n]
                direction = {1: 'in', 2: 'out'}[struct.unpack('<I', value)[0] & 3] if code == 2 else direction
                comment = value.decode() if code == 1 else comment
                option += 4 + (n + 3) // 4 * 4
            found.append((direction, comment, data[at + 28:at + 28 + size]))
        at += length
    return found


class Capture(TailnetCase):
    def test_ping(self):
        path = self.state('packets.pcapng')
        self.up('other')
        result = run(*self.node('own'), '--capture', path, 'ping', '--icmp', '-c', '1', 'other')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, 'rb') as file:
            found = packets(file.read())
        pings = [(direction, comment, packet[20]) for direction, comment, packet in found if packet[0] == 0x45 and packet[9] == ICMP]
        self.assertEqual(pings, [('out', None, 8), ('in', None, 0)])      # echo request, echo reply

    def test_no_file(self):
        self.refuse(1, '/nowhere/packets', *self.node('own'), '--capture', '/nowhere/packets', 'ip')
        pipe = self.state('pipe')
        os.mkfifo(pipe)
        self.refuse(1, pipe, *self.node('own'), '--capture', pipe, 'ip')      # that nobody reads

    def test_pipe_whose_reader_leaves(self):
        pipe = self.state('pipe')
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        program = Program(self, TAILNET, *self.node('own'), '--capture', pipe, 'up')
        self.assertIn('own', program.line())
        os.close(reader)
        other = self.node('other')
        self.assertEqual(run(*other, 'ping', '--icmp', '-c', '2', '-i', '0', 'own').returncode, 0)
        self.assertEqual(program.stop(), 0)

    def test_of_another_program(self):
        self.up('own')
        self.refuse(1, '/nowhere/packets', *self.node('own'), '--capture', '/nowhere/packets', 'ip')


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
