# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmarks share: programs, a lab with servers, and how results are shown.

Our programs are those of TAILNET_BUILD_DIR (build). The peers are stock programs, by the variables of CONTRIBUTING.md; without them, or
without root for namespaces, there are our own values alone, beside the bars that the project sets itself."""

import argparse
import json
import os
import statistics
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get('TAILNET_BUILD_DIR', os.path.join(TOP, 'build')))
os.environ.setdefault('TAILNET_TEST_TOOL', os.path.join(BUILD, 'tools', 'tailnet'))
os.environ.setdefault('TAILNET_TEST_TESTKIT', os.path.join(BUILD, 'tools', 'tailnet-testkit'))
os.environ.setdefault('TAILNET_PLUGIN_DIR', os.path.join(BUILD, 'plugins'))
sys.path.insert(0, os.path.join(TOP, 'tests', 'interop'))
sys.dont_write_bytecode = True

import lab as interop       # noqa: E402
import nodes                # noqa: E402
import servers              # noqa: E402

STOCK = 'tailscaled'
OURS = 'ours'
options = argparse.Namespace(json=False)
PEERS = STOCK, 'wireguard-go', 'veth'


def arguments(metavar=None, kind=None):
    """Reads those of the command line before anything is measured: help is the text at the head of the program. metavar: what stands behind the
    options, of that kind; None where nothing may. What stands there."""
    parser = argparse.ArgumentParser(prog=os.path.basename(sys.argv[0]), description=sys.modules['__main__'].__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--json', action='store_true', help='for programs')
    if metavar:
        parser.add_argument('words', metavar=metavar, nargs='*', type=kind)
    parser.parse_args(namespace=options)
    return options.words if metavar else []


def missing(*programs):
    """Why a comparison with these cannot be; None where it can."""
    try:
        for program in programs:
            interop.require_program(f'TAILNET_TEST_{program}')
        if os.geteuid() != 0:
            raise interop.Skip('namespaces take root')
    except interop.Skip as skip:
        return str(skip)
    return None


def note(text):
    print(f'bench: {text}', file=sys.stderr, flush=True)


def make_lab(kind=None):
    """A lab with servers, and whether stock nodes can join it. The servers are stock ones if their programs are known. kind: of the lab;
    for none, namespaces only if there are stock nodes."""
    lack = missing('TAILSCALED', 'TAILSCALE')
    lab = kind() if kind else interop.Loopback() if lack else interop.Lab()
    no_servers = lack or missing('HEADSCALE', 'DERPER')
    try:
        if no_servers:
            lab.url, lab.key = lab.start_testkit()
        else:
            servers.start_servers(lab)
    except BaseException:
        lab.close()
        raise
    note(f'{STOCK} is not compared: {lack}' if lack else f'beside {STOCK}')
    note('control server and relay: ' + ('those of our test library' if no_servers else 'headscale, derper'))
    return lab, not lack


def cpu_seconds(process):
    """Processor time of a process so far."""
    with open(f'/proc/{process.pid}/stat') as stat:
        fields = stat.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def memory(process):
    """(resident, private and dirty) in MB of 2^20 bytes."""
    sums = {'Rss': 0, 'Private_Dirty': 0}
    with open(f'/proc/{process.pid}/smaps_rollup') as rollup:
        for line in rollup:
            name, _, rest = line.partition(':')
            if name in sums:
                sums[name] = int(rest.split()[0]) / 1024
    return sums['Rss'], sums['Private_Dirty']


def rounded(value):
    return None if value is None else round(value, 4)


def compare(name, unit, better, ours, peer_name, peer):
    """A row of what is shown; ours and peer: None where there is none."""
    ratio = round(ours / peer, 3) if ours is not None and peer else None
    return {'case': name, 'ours': rounded(ours), 'unit': unit, 'better': better, 'peer_name': peer_name, 'peer': rounded(peer), 'ratio': ratio}


def show(cases):
    """cases: name -> (unit, better, values of ours, values of the peer, bar or None). Medians; the peer is the bar where none was there."""
    rows = []
    for name, (unit, better, ours, theirs, bar) in cases.items():
        peer = statistics.median(theirs) if theirs else bar
        rows.append(compare(name, unit, better, statistics.median(ours), STOCK if theirs else 'bar' if bar else None, peer))
    print_rows(rows)


def show_beside(cases):
    """cases: name -> (unit, better, values of each by its name). Medians; ours are those of OURS, the peer is the first of the others in the
    order in which they are named there, and "others" has all of them."""
    rows = []
    for name, (unit, better, values) in cases.items():
        medians = {who: statistics.median(v) for who, v in values.items() if v}
        ours = medians.pop(OURS, None)
        peer_name = next((who for who in PEERS if who in medians), None)
        rows.append(compare(name, unit, better, ours, peer_name, medians.get(peer_name)) | {'others': {who: rounded(v) for who, v in medians.items()}})
    print_rows(rows)


def print_rows(rows):
    if options.json:
        print(json.dumps({'cases': rows}))
        return
    for row in rows:
        others = row.get('others') or ({} if row['peer'] is None else {row['peer_name']: row['peer']})
        beside = ''.join(f'   {name} {value:.3f}' for name, value in others.items())
        ratio = '' if row['ratio'] is None else f"   ratio {row['ratio']:.2f}"
        ours = '        -' if row['ours'] is None else f"{row['ours']:9.3f}"
        print(f"{row['case']:14} {ours} {row['unit']:8} ({row['better']} is better){beside}{ratio}")


def run(measure):
    """The whole of a program without arguments. measure: takes a lab and whether there are stock nodes; gives cases. Nothing of the lab stays."""
    arguments()
    lab, stock = make_lab()
    try:
        cases = measure(lab, stock)
    finally:
        lab.close()
    show(cases)


__all__ = ['OURS', 'TOP', 'cpu_seconds', 'interop', 'memory', 'nodes', 'run']
