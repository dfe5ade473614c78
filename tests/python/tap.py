# SPDX-License-Identifier: LGPL-2.1-or-later
"""unittest with its results in TAP, for Meson, which then counts each test; and what tests of a tailnet share."""

import asyncio
import sys
import traceback
import unittest

import gi

gi.require_version("Tailnet", "1")
gi.require_version("TailnetTestkit", "1")

from gi.repository import GLib, Tailnet, TailnetTestkit       # noqa: E402

PATIENCE_S = 30


class _Result(unittest.TestResult):
    count = 0

    def _line(self, test, ok, note="", detail=""):
        self.count += 1
        for line in detail.splitlines():
            print("#", line)
        print(f"{'ok' if ok else 'not ok'} {self.count} {test.id()}{note}", flush=True)

    def addSuccess(self, test):
        self._line(test, True)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line(test, True, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._line(test, False, detail="".join(traceback.format_exception(*err)))

    addError = addFailure

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._line(test, False, detail="was expected to fail")


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    print(f"1..{suite.countTestCases()}")
    result = _Result()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)


class TailnetCase(unittest.TestCase):
    """A fresh tailnet for each test."""

    def setUp(self):
        self.tailnet = TailnetTestkit.Tailnet.new()
        self.tailnet.start()
        self.addCleanup(self.tailnet.stop)

    def device(self, hostname, **kwargs):
        kwargs = {
            "control_url": self.tailnet.dup_control_url(),
            "auth_key": self.tailnet.get_auth_key(),
            "tls_database": self.tailnet.get_tls_database(),
            "ephemeral": True,
            **kwargs,
        }
        return Tailnet.EmbeddedDevice(hostname=hostname, **kwargs)

    def run_async(self, coroutine):
        return asyncio.run(asyncio.wait_for(coroutine, PATIENCE_S))


async def appeared(device, host):
    changed = asyncio.Event()
    handler = device.peers.connect("items-changed", lambda *args: changed.set())
    while device.lookup_peer(host) is None:
        changed.clear()
        await changed.wait()
    device.peers.disconnect(handler)


async def answered(device, host, kind=Tailnet.PingKind.DISCO):
    """Pings until there is an answer: a peer is on the map before it has told where it can be reached, and what it is asked until
    then is lost."""
    await appeared(device, host)
    while True:
        try:
            return await asyncio.wait_for(device.ping(host, kind), 0.25)
        except asyncio.TimeoutError:
            continue
        except GLib.Error as error:
            if not error.matches(Tailnet.error_quark(), Tailnet.Error.UNSUPPORTED):      # it has no key for this kind of ping yet
                raise
            await asyncio.sleep(0)
