# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network namespaces for tests with stock programs, and the little that a test in TAP needs.

The servers have a namespace of their own, and each node has one with a default route to it. Nodes do not reach each other unless
forwarding is on, so what they say goes through the relay."""

import atexit
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

SERVER_ADDRESS = '10.98.0.1'
PATIENCE = 60

# FOLDER PROGRAM...: a stock node may write its /etc/resolv.conf, so it gets an /etc of its own, which goes with its mount namespace.
PRIVATE_ETC = '''
mkdir -p "$0" && mount -t tmpfs tmpfs "$0" && mkdir "$0/up" "$0/work" &&
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$0/up,workdir=$0/work" /etc && exec "$@"
'''


class Skip(Exception):
    pass


def must_run():
    """Whether this test is one of those that TAILNET_TEST_MUST_RUN wants to run and not to skip: names as in "interop/NAME"."""
    name = os.path.basename(sys.argv[0]).removeprefix('test-').removesuffix('.py')
    return f'interop/{name}' in os.environ.get('TAILNET_TEST_MUST_RUN', '').split()


def require_program(variable):
    path = os.environ.get(variable)
    if not path:
        raise Skip(f'needs {variable}, the path of a stock program')
    if not os.access(path, os.X_OK):
        raise Skip(f'{variable}={path} is no program')
    return path


class Lab:
    """Namespaces and the processes in them; all gone with close()."""
    address = SERVER_ADDRESS

    def __init__(self):
        self.prefix = f'tnt{os.getpid()}'
        self.names = []
        self.processes = []
        self.folder = tempfile.mkdtemp(prefix='tailnet-interop-')
        atexit.register(self.close)
        self._require_namespaces()
        self._add('srv')
        self.ip('srv', 'addr', 'add', f'{self.address}/32', 'dev', 'lo')
        self.set_direct(False)

    def _require_namespaces(self):
        if os.geteuid() != 0:
            raise Skip('needs root, for network namespaces')
        if shutil.which('ip') is None:
            raise Skip('needs ip, of iproute2')
        try:
            probe = subprocess.run(['ip', 'netns', 'add', f'{self.prefix}-probe'], capture_output=True, text=True)
        finally:
            subprocess.run(['ip', 'netns', 'del', f'{self.prefix}-probe'], capture_output=True)
        if probe.returncode != 0:
            raise Skip(f'needs network namespaces: {probe.stderr.strip()}')

    def namespace(self, name):
        return f'{self.prefix}-{name}'

    def enter(self, name):
        """What to put before a command, for it to run in a namespace."""
        return ['ip', 'netns', 'exec', self.namespace(name)]

    def _run(self, *args):
        subprocess.run(args, check=True, capture_output=True, text=True)

    def ip(self, name, *args):
        self._run('ip', '-n', self.namespace(name), *args)

    def _add(self, name):
        self._run('ip', 'netns', 'add', self.namespace(name))
        self.names.append(name)
        self.ip(name, 'link', 'set', 'lo', 'up')

    def add_node(self, name):
        """A namespace with a default route to the servers."""
        number = len(self.names)
        self._add(name)
        self.add_link(name, 'eth0', number)
        self.ip(name, 'route', 'add', 'default', 'via', f'10.98.{number}.1')

    def add_link(self, name, device, number):
        """From a namespace to the servers: 10.98.NUMBER.2 to 10.98.NUMBER.1."""
        link = f'{self.prefix}n{number}'
        self.ip('srv', 'link', 'add', link, 'type', 'veth', 'peer', 'name', device, 'netns', self.namespace(name))
        self.ip('srv', 'addr', 'add', f'10.98.{number}.1/24', 'dev', link)
        self.ip('srv', 'link', 'set', link, 'up')
        self.ip(name, 'addr', 'add', f'10.98.{number}.2/24', 'dev', device)
        self.ip(name, 'link', 'set', device, 'up')

    def set_direct(self, direct):
        """Whether nodes reach each other without the relay."""
        self._run(*self.enter('srv'), 'sysctl', '-qw', f'net.ipv4.ip_forward={int(direct)}')

    def traffic(self, name):
        """Bytes that went to and from a namespace so far."""
        out = subprocess.run(['ip', '-n', self.namespace(name), '-s', '-j', 'link', 'show', 'eth0'], check=True, capture_output=True)
        statistics = json.loads(out.stdout)[0]['stats64']
        return statistics['rx']['bytes'] + statistics['tx']['bytes']

    def start(self, name, *args, log=None, **kwargs):
        """Runs a program in a namespace until the end of the test."""
        if log:
            kwargs['stdout'] = kwargs['stderr'] = open(os.path.join(self.folder, log), 'ab')
        kwargs.setdefault('stdin', subprocess.DEVNULL)
        process = subprocess.Popen([*self.enter(name), *args], start_new_session=True, **kwargs)
        self.processes.append(process)
        return process

    def run(self, name, *args, timeout=PATIENCE, **kwargs):
        """Runs a program in a namespace to its end."""
        if 'input' not in kwargs:
            kwargs['stdin'] = subprocess.DEVNULL
        return subprocess.run([*self.enter(name), *args], capture_output=True, text=True, timeout=timeout, **kwargs)

    def start_testkit(self):
        """The servers; gives control URL and auth key."""
        process = self.start('srv', require_program('TAILNET_TEST_TESTKIT'), '--address', self.address,
                             stdout=subprocess.PIPE, text=True)
        access = json.loads(read_line(process.stdout))
        return access['control-url'], access['auth-key']

    def print_logs(self):
        for name in sorted(os.listdir(self.folder)):
            path = os.path.join(self.folder, name)
            if name.endswith('.log'):
                with open(path, errors='replace') as log:
                    for line in log.readlines()[-40:]:
                        print(f'# {name}: {line.rstrip()}')

    def close(self):
        atexit.unregister(self.close)
        for process in reversed(self.processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.processes = []
        for name in self.names:
            subprocess.run(['ip', 'netns', 'del', self.namespace(name)], capture_output=True)
        self.names = []
        shutil.rmtree(self.folder, ignore_errors=True)


class Loopback(Lab):
    """The same without root and namespaces, for our own programs alone: all are on this machine's loopback."""
    address = '127.0.0.1'

    def enter(self, name):
        return []

    def set_direct(self, direct):
        pass

    def _require_namespaces(self):
        pass

    def ip(self, name, *args):
        pass

    def _add(self, name):
        pass

    def add_node(self, name):
        pass


def read_line(stream):
    """The next line, or what there was before the end. Byte by byte: what a stream has buffered, select() does not see."""
    line = bytearray()
    while not line.endswith(b'\n'):
        if not select.select([stream], [], [], PATIENCE)[0]:
            raise AssertionError(f'no line for {PATIENCE} s, but {bytes(line)}')
        byte = os.read(stream.fileno(), 1)
        if not byte:
            break
        line += byte
    return line.decode()


def wait_for(what, condition, patience=PATIENCE):
    """Asks again and again, for want of an event that stock programs would give."""
    end = time.monotonic() + patience
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f'gave up after {patience} s: {what}')
        time.sleep(0.05)


ECHO = '''
import socketserver, sys
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"echo " + line)
            self.wfile.flush()
socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(("0.0.0.0", int(sys.argv[1])), Echo) as server:
    print("ready", flush=True)
    server.serve_forever()
'''


def run_tests(tests, require):
    """tests: functions that take a Lab, in order, on one lab. require: raises Skip where something is missing. Prints TAP."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    lab = None
    try:
        require()
        lab = Lab()
        print(f'1..{len(tests)}', flush=True)
        for number, test in enumerate(tests, 1):
            test(lab)
            print(f'ok {number} {test.__name__}', flush=True)
    except Skip as skip:
        if must_run():
            print(f'Bail out! {skip}')
            sys.exit(1)
        print(f'1..0 # SKIP {skip}')
    except Exception:
        for line in traceback.format_exc().splitlines():
            print(f'# {line}')
        if lab:
            lab.print_logs()
        print('Bail out!')
        sys.exit(1)
    finally:
        if lab:
            lab.close()
