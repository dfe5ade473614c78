# SPDX-License-Identifier: LGPL-2.1-or-later
"""What "meson install" puts into place works from there: as a system has it, in a mount namespace of this test alone.

    test_installed.py BUILD PREFIX SOURCE"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, PREFIX, SOURCE = sys.argv[1:4]
INSIDE = 'TAILNET_TEST_INSTALLED_IN'      # set in the namespace: the folder to install to
NOBODY = 65534
LIMIT_S = 60
ENV = {name: value for name, value in os.environ.items()
       if name in ('PATH', 'HOME', 'TMPDIR')} | {'LC_ALL': 'C.UTF-8', 'LANGUAGE': '', 'PYTHONDONTWRITEBYTECODE': '1'}


def run(*args, **kwargs):
    return subprocess.run(args, capture_output=True, text=True, timeout=LIMIT_S, **{'env': ENV} | kwargs)


def checked(*args, **kwargs):
    result = run(*args, **kwargs)
    if result.returncode != 0:
        raise AssertionError(f'{args} ended with {result.returncode}: {result.stdout}{result.stderr}')
    return result.stdout


def install(folder):
    """In the namespace: what is in FOLDER becomes what the system has below PREFIX, and the dynamic linker knows of it."""
    checked('meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet', '--destdir', folder)
    os.makedirs(PREFIX, exist_ok=True)
    checked('mount', '--bind', folder + PREFIX, PREFIX)
    cache = os.path.join(folder, 'ld.so.cache')
    checked('ldconfig', '-C', cache, '-f', '/etc/ld.so.conf')
    checked('mount', '--bind', cache, '/etc/ld.so.cache')


class Installed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.chmod(self.folder, 0o755)

    def start_tailnet(self):
        process = subprocess.Popen([f'{PREFIX}/bin/tailnet-testkit'], stdout=subprocess.PIPE, env=ENV)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        access = json.loads(process.stdout.readline())
        return ['-e', '-l', access['control-url'], '-k', access['auth-key']]

    def test_demo(self):
        """Libraries, both programs and the plugins find each other, with nothing in the environment."""
        self.assertIn('same checksum', checked(f'{PREFIX}/bin/tailnet', 'demo'))

    def test_plugin_folder_of_the_environment(self):
        """It counts for a program as it is, and not for one that runs with raised privileges."""
        if os.statvfs(self.folder).f_flag & os.ST_NOSUID:
            self.skipTest(f'needs a folder for temporary files where privileges can be raised; {self.folder} is mounted nosuid')
        os.makedirs(f'{self.folder}/broken')
        with open(f'{self.folder}/broken/libtailnet-broken.so', 'w') as file:
            file.write('no ELF')
        raised = f'{self.folder}/raised'
        shutil.copy(f'{PREFIX}/bin/tailnet', raised)
        os.chown(raised, 0, NOBODY)
        os.chmod(raised, 0o2755)
        access = self.start_tailnet()
        env = ENV | {'TAILNET_PLUGIN_DIR': self.folder}
        self.assertIn('libtailnet-broken.so', checked(f'{PREFIX}/bin/tailnet', *access, 'status', env=env))
        as_other = ['setpriv', '--reuid=1', '--regid=1', '--clear-groups']
        self.assertNotIn('libtailnet-broken.so', checked(*as_other, raised, *access, 'status', env=env))

    def test_german(self):
        self.assertIn('Befehle:', checked(f'{PREFIX}/bin/tailnet', '--help', env=ENV | {'LANGUAGE': 'de'}))

    def test_c(self):
        flags = checked('pkg-config', '--cflags', '--libs', 'libtailnet-1').split()
        program = f'{self.folder}/fetch'
        checked('cc', '-o', program, f'{SOURCE}/examples/fetch.c', *flags)
        result = run(program, 'name', 'host', 'none')
        self.assertEqual((result.returncode, 'none' in result.stderr), (2, True), result.stderr)

    def test_documented_program(self):
        """The program and the test that the reference shows."""
        with open(f'{SOURCE}/docs/reference/first.md') as file:
            blocks = re.findall('```c\n(.*?)```', file.read(), re.S)
        self.assertEqual(len(blocks), 2)
        programs = []
        for block, package in zip(blocks, ('libtailnet-1', 'libtailnet-testkit-1'), strict=True):
            programs.append(f'{self.folder}/{package}')
            flags = checked('pkg-config', '--cflags', '--libs', package).split()
            checked('cc', '-Wall', '-Werror', '-o', programs[-1], '-x', 'c', '-', *flags, input=block)
        self.assertIn('ok 1 /hello/joins', checked(programs[1]))

    def test_python(self):
        typelibs = glob.glob(f'{PREFIX}/lib/**/girepository-1.0', recursive=True)
        if not typelibs:
            self.skipTest('built without introspection')
        env = ENV | {'GI_TYPELIB_PATH': typelibs[0], 'PYTHONPATH': f'{PREFIX}/lib/python3/dist-packages'}
        program = 'from gi.repository import Tailnet; print(Tailnet.EmbeddedDevice(hostname="ada").wait_for_peer.__name__)'
        self.assertEqual(checked('/usr/bin/python3', '-c', program, env=env), 'wait_for_peer\n')

    def test_manual(self):
        for name in 'tailnet', 'tailnet-testkit':
            self.assertTrue(os.path.exists(f'{PREFIX}/share/man/man1/{name}.1'), name)


def main():
    if INSIDE in os.environ:
        install(os.environ[INSIDE])
        unittest.main(argv=sys.argv[:1], verbosity=2)
    if os.geteuid() != 0:
        print('installed: skipped, needs root for a mount namespace')
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        sys.exit(subprocess.run(['unshare', '--mount', '--propagation', 'private', sys.executable, *sys.argv],
                                env=os.environ | {INSIDE: folder}).returncode)


main()
