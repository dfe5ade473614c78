#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Do the manual pages, and does the completion of each shell, know each command and option that the program tells of? And nothing else?"""
import os
import re
import subprocess
import sys

TAILNET, MANUAL, TESTKIT, TESTKIT_MANUAL, *COMPLETIONS = sys.argv[1:]


def help_of(*command, program=TAILNET):
    env = os.environ | {'LC_ALL': 'C.UTF-8', 'LANGUAGE': ''}
    return subprocess.run([program, *command, '--help'], check=True, capture_output=True, text=True, env=env).stdout


def options(text):
    return set(re.findall(r'^ +(?:-\w, )?(--[\w-]+)', text, re.M))


general = help_of()
commands = re.findall(r'^  ([\w-]+) .*', general.split('Commands:\n')[1], re.M)
known = options(general)
for name in commands:
    known |= options(help_of(name))
known -= {'--help-all', '--help-node'}      # GLib's


def read_manual(path):
    with open(path) as file:
        return re.sub(r'\\f.', '', file.read().replace('\\-', '-'))


manual = read_manual(MANUAL)
missing = [f'{what} is not in the manual page' for what in known if not re.search(re.escape(what) + r'\b', manual)]
missing += [f'{name} is not in the manual page' for name in commands if not re.search(r'^\.(B|BR|BI) "? ?' + name + r'\b', manual, re.M)]
missing += [f'the program has no {what}, but the manual page tells of it' for what in set(re.findall(r'--[a-z][\w-]+', manual)) - known]
testkit_manual, testkit_known = read_manual(TESTKIT_MANUAL), options(help_of(program=TESTKIT))
missing += [f'{what} of tailnet-testkit is not in its manual page' for what in testkit_known if what not in testkit_manual]
missing += [f'tailnet-testkit has no {what}, but its manual page tells of it'
            for what in set(re.findall(r'"?--[a-z][\w-]+', testkit_manual.split('.SH OPTIONS')[1].split('.SH EXIT')[0])) - testkit_known]
for path in COMPLETIONS:
    shell = os.path.basename(path)
    with open(path) as file:
        completion = re.sub(r'(?m)^(complete .*) -l ', r'\1 --', file.read())      # fish
    missing += [f'{what} is not in {shell}' for what in known if not re.search(re.escape(what) + r'\b', completion)]
    missing += [f'{name} is not in {shell}' for name in commands if not re.search(r'\bcommands[= ].*\b' + name + r'\b', completion)]
    missing += [f'the program has no {what}, but {shell} tells of it' for what in set(re.findall(r'--[a-z][\w-]+', completion)) - known]
print('\n'.join(sorted(missing)))
sys.exit(1 if missing or not commands else 0)
