# SPDX-License-Identifier: LGPL-2.1-or-later
"""The other end of "tailnet perf" for a stock node: a server that listens behind it, and a client that goes through its SOCKS5 proxy.
What they say is in tools/tn-cli-perf.h.

    perf.py serve ADDRESS PORT
    perf.py run PROXY_PORT HOST PORT [--streams N] [--time SECONDS] [--pingpong]      prints JSON
"""

import argparse
import hashlib
import json
import os
import resource
import socket
import socketserver
import statistics
import struct
import threading
import time

REQUEST_LEN = 64
BUFFER_LEN = 256 * 1024


def own_cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def read_exactly(connection, length):
    data = bytearray()
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            raise EOFError(f'{len(data)} of {length} bytes')
        data += piece
    return bytes(data)


def send(connection, length, duration_ms):
    noise = os.urandom(BUFFER_LEN)
    checksum = hashlib.sha256() if length else None
    begin = time.monotonic()
    sent = 0
    while sent < length if length else time.monotonic() < begin + duration_ms / 1000:
        piece = noise[:min(BUFFER_LEN, length - sent)] if length else noise
        connection.sendall(piece)
        sent += len(piece)
        if checksum:
            checksum.update(piece)
    return {'bytes': sent, 'seconds': time.monotonic() - begin, **({'sha256': checksum.hexdigest()} if checksum else {})}


def receive(connection, length):
    checksum = hashlib.sha256() if length else None
    buffer = memoryview(bytearray(BUFFER_LEN))
    begin = None
    received = 0
    while True:
        count = connection.recv_into(buffer[:min(BUFFER_LEN, length - received)] if length else buffer)
        if count == 0:
            break
        begin = begin or time.monotonic()
        received += count
        if checksum:
            checksum.update(buffer[:count])
        if received == length:
            break
    return {'bytes': received, 'seconds': time.monotonic() - (begin or time.monotonic()),
            **({'sha256': checksum.hexdigest()} if checksum else {})}


class Call(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        word, verb, length, duration_ms = read_exactly(self.request, REQUEST_LEN).rstrip(b'\0').decode().split()
        if word != 'tailnet-perf/1':
            raise ValueError(word)
        getattr(self, verb)(int(length), int(duration_ms))

    def answer(self, values):
        self.request.sendall(json.dumps(values).encode() + b'\n')

    def send(self, length, _):
        self.answer(receive(self.request, length))

    def receive(self, length, duration_ms):
        count = send(self.request, length, duration_ms)
        if length:
            self.answer(count)

    def echo(self, *_):
        while data := self.request.recv(2048):
            self.request.sendall(data)

    def usage(self, *_):
        self.answer({'cpu_seconds': own_cpu()})


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve(options):
    with Server((options.address, options.port), Call) as server:
        print('ready', flush=True)
        server.serve_forever()


def connect(options, verb):
    """Through the proxy (RFC 1928), with the question already asked."""
    connection = socket.create_connection(('127.0.0.1', options.proxy_port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b'\5\1\0')
    if read_exactly(connection, 2) != b'\5\0':
        raise OSError('the proxy wants a login')
    connection.sendall(b'\5\1\0\1' + socket.inet_aton(options.host) + struct.pack('>H', options.port))
    head = read_exactly(connection, 4)
    if head[1] != 0:
        raise OSError(f'the proxy says {head[1]}')
    read_exactly(connection, {1: 4, 4: 16}[head[3]] + 2)
    connection.sendall(f'tailnet-perf/1 {verb} 0 {int(options.time * 1000)}\n'.encode().ljust(REQUEST_LEN, b'\0'))
    return connection


def download(options, counts):
    counts.append(receive(connect(options, 'receive'), 0))


def run_download(options):
    """Not there but back: the proxy takes the end of one direction for the end of both."""
    counts = []
    threads = [threading.Thread(target=download, args=(options, counts)) for _ in range(options.streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) < options.streams:
        raise SystemExit('a stream failed')
    length, seconds = sum(c['bytes'] for c in counts), max(c['seconds'] for c in counts)
    return {'download': {'bytes': length, 'seconds': seconds, 'bits_per_second': length * 8 / seconds}}


def run_pingpong(options):
    connection = connect(options, 'echo')
    rounds = []
    end = time.monotonic() + options.time
    while (begin := time.monotonic()) < end:
        connection.sendall(b'x')
        connection.recv(1)
        rounds.append((time.monotonic() - begin) * 1e6)
    return {'pingpong': {'count': len(rounds), 'p50_us': statistics.median(rounds)}}


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    serving = commands.add_parser('serve')
    serving.add_argument('address')
    serving.add_argument('port', type=int)
    serving.set_defaults(run=serve)
    running = commands.add_parser('run')
    running.add_argument('proxy_port', type=int)
    running.add_argument('host')
    running.add_argument('port', type=int)
    running.add_argument('--streams', type=int, default=1)
    running.add_argument('--time', type=float, default=5)
    running.add_argument('--pingpong', action='store_true')
    running.set_defaults(run=lambda options: print(json.dumps((run_pingpong if options.pingpong else run_download)(options))))
    options = parser.parse_args()
    options.run(options)


if __name__ == '__main__':
    main()
