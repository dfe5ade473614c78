# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples in Python, and the clients in C and Vala, do what they say."""

import asyncio
import os
import subprocess
import sys

import tap

EXAMPLES, FETCHERS = sys.argv[1], ["fetch.py", *sys.argv[3:]]


class Examples(tap.TailnetCase):
    def setUp(self):
        super().setUp()
        self.env = os.environ | {"TS_CONTROL_URL": self.tailnet.dup_control_url(), "TS_AUTHKEY": self.tailnet.get_auth_key()}

    def start(self, name, *args):
        program = [sys.executable, os.path.join(EXAMPLES, name)] if name.endswith(".py") else [name]
        process = subprocess.Popen([*program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=self.env)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.communicate()

    def test_serve_and_fetch(self):
        server = self.start("serve.py", "web", "80")
        self.assertEqual(server.stdout.readline(), "http://web.tail.test:80/\n")
        for program in FETCHERS:
            name = os.path.basename(program).removesuffix(".py")
            out, error = self.start(program, name, "web", "80").communicate(timeout=tap.PATIENCE_S)
            self.assertEqual((out, error), (f"web is web.tail.test, a node of user@example.test\nHello user@example.test on {name}\n", ""))
            self.assertEqual(server.stdout.readline(), f"{name} calls\n")

    def test_serve_goes_on_while_a_caller_is_silent(self):
        server = self.start("serve.py", "web", "80")
        server.stdout.readline()

        async def call():
            async with self.device("silent") as device:
                await tap.appeared(device, "web")
                _, writer = await device.open_connection("web", 80)
                self.assertEqual(await asyncio.to_thread(server.stdout.readline), "silent calls\n")
                out, error = await asyncio.to_thread(self.start("fetch.py", "reader", "web", "80").communicate, timeout=tap.PATIENCE_S)
                self.assertEqual((out.splitlines()[-1], error), ("Hello user@example.test on reader", ""))
                self.assertEqual(await asyncio.to_thread(server.stdout.readline), "reader calls\n")
                writer.close()
                self.assertIn("silent asked nothing", await asyncio.to_thread(server.stdout.readline))

        self.run_async(call())
        self.assertIsNone(server.poll())

    def test_fetch_from_nobody(self):
        for program in FETCHERS:
            process = self.start(program, "reader", "nobody", "80")
            out, error = process.communicate(timeout=tap.PATIENCE_S)
            self.assertEqual((process.returncode, out), (1, ""))
            self.assertIn("nobody", error)
            self.assertEqual(error.count("\n"), 1, error)      # a sentence, not a traceback


if __name__ == "__main__":
    tap.main()
