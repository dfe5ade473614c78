# SPDX-License-Identifier: LGPL-2.1-or-later
"""A GMainContext in a loop that knows nothing of GLib."""

import asyncio
import gc
import os
import threading
import unittest

import tap
from tap import GLib, Tailnet

from gi.overrides import Tailnet as overrides
from gi.repository import Gio


def attached(context, source, callback):
    source.set_callback(callback)
    source.attach(context)
    return source


class Pump(unittest.TestCase):
    def run_with_pump(self, body):
        async def main():
            loop = asyncio.get_running_loop()
            pump = overrides._pump(loop)
            self.assertIs(overrides._pump(loop), pump)
            await asyncio.wait_for(body(loop, pump.context), tap.PATIENCE_S)

        asyncio.run(main())

    def test_idle_from_the_own_thread(self):
        async def body(loop, context):
            done = loop.create_future()
            attached(context, GLib.idle_source_new(), lambda *a: done.set_result(threading.current_thread()) or False)
            self.assertIs(await done, threading.current_thread())

        self.run_with_pump(body)

    def test_idle_from_another_thread(self):
        async def body(loop, context):
            done = loop.create_future()
            threading.Thread(target=lambda: attached(context, GLib.idle_source_new(),
                                                     lambda *a: done.set_result(threading.current_thread()) or False)).start()
            self.assertIs(await done, threading.current_thread())

        self.run_with_pump(body)

    def test_timers_come_when_they_are_due(self):
        async def body(loop, context):
            start_us, late_us, done = GLib.get_monotonic_time(), [], loop.create_future()

            def fired(ms):
                late_us.append(GLib.get_monotonic_time() - start_us - ms * 1000)
                if len(late_us) == 3:
                    done.set_result(None)
                return False

            for ms in (30, 10, 20):
                attached(context, GLib.timeout_source_new(ms), lambda *a, ms=ms: fired(ms))
            await done
            self.assertGreaterEqual(min(late_us), -1000)      # a busy machine may make them late, and all at once

        self.run_with_pump(body)

    def test_a_busy_source_leaves_the_loop_its_turn(self):
        async def body(loop, context):
            source = attached(context, GLib.idle_source_new(), lambda *a: True)
            for _ in range(100):
                await asyncio.sleep(0)
            source.destroy()

        self.run_with_pump(body)

    def test_many_descriptors(self):
        async def body(loop, context):
            count, seen, done = 40, set(), loop.create_future()
            pipes = [os.pipe() for _ in range(count)]

            def readable(number):
                seen.add(number)
                if len(seen) == count:
                    done.set_result(None)
                return False

            for number, (fd, _) in enumerate(pipes):
                stream = Gio.UnixInputStream.new(fd, False)
                attached(context, stream.create_source(None), lambda *a, number=number: readable(number))
            for _, fd in pipes:
                os.write(fd, b"x")
            await done
            for pipe in pipes:
                for fd in pipe:
                    os.close(fd)

        self.run_with_pump(body)


class Loops(tap.TailnetCase):
    async def ping_once(self, suffix):
        async with self.device(f"alice{suffix}") as alice, self.device(f"bob{suffix}"):
            return (await tap.answered(alice, f"bob{suffix}")).node.name

    def test_loop_after_loop(self):
        for suffix in range(3):
            self.assertEqual(self.run_async(self.ping_once(suffix)), f"bob{suffix}")
        gc.collect()
        self.assertEqual(len(overrides._pumps), 0)

    def test_loop_in_another_thread(self):
        names = []
        thread = threading.Thread(target=lambda: names.append(self.run_async(self.ping_once(1))))
        thread.start()
        self.assertEqual(self.run_async(self.ping_once(2)), "bob2")
        thread.join()
        self.assertEqual(names, ["bob1"])

    def test_device_of_no_loop(self):
        device = self.device("alice")

        async def main():
            with self.assertRaisesRegex(RuntimeError, "EmbeddedDevice does not belong to the running loop"):
                await device.start()

        self.run_async(main())

    def test_fifty_calls_at_once(self):
        async def main():
            async with self.device("alice") as alice, self.device("bob"):
                await tap.answered(alice, "bob")
                pongs = await asyncio.gather(*(alice.ping("bob", Tailnet.PingKind.TSMP) for _ in range(50)))
                self.assertEqual({pong.node.name for pong in pongs}, {"bob"})

        self.run_async(main())


if __name__ == "__main__":
    tap.main()
