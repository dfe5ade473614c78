# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device of another process does what one's own does: the other one is “tailnet up”."""

import asyncio
import os
import subprocess
import sys
import tempfile

import tap
from gi.repository import Gio, TailnetTestkit
from tap import GLib, Tailnet

TAILNET = sys.argv[2]


class Sharing(tap.TailnetCase):
    def shared(self, body, key=None):
        """Runs @body with the node of another process, and a peer of it."""
        async def main():
            with tempfile.TemporaryDirectory() as folder:
                program = subprocess.Popen([TAILNET, "-s", folder, "-l", self.tailnet.dup_control_url(), "-k", key or self.tailnet.get_auth_key(),
                                            "-n", "own", "up"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.addCleanup(self.end, program)
                self.program = program
                self.folder = folder
                try:
                    self.assertIn("own.", program.stdout.readline())
                    async with self.device("peer") as peer:
                        device = Tailnet.SystemDevice(directory=folder)
                        await device.start()
                        await tap.answered(device, "peer")
                        await tap.appeared(peer, "own")
                        await body(device, peer)
                finally:
                    program.kill()      # it writes to the folder until its end
                    program.wait()

        self.run_async(main())

    @staticmethod
    def end(program):
        program.kill()
        program.communicate()

    def test_facts(self):
        async def body(device, peer):
            self.assertEqual(device.state, Tailnet.DeviceState.RUNNING)
            self.assertEqual((device.tailnet_name, device.dns_suffix, device.home_region),
                             (peer.tailnet_name, peer.dns_suffix, peer.home_region))
            self.assertEqual(device.self_node.fqdn, "own.tail.test")
            dns = device.dns_config
            self.assertEqual((dns.magic_dns, dns.suffix, dns.resolvers, dns.search_domains), (True, "tail.test", [], ["tail.test"]))
            self.assertEqual((dns.routes.unpack(), dns.extra_records.unpack()), (peer.dns_config.routes.unpack(), {}))

        self.shared(body)

    def test_the_reason_of_an_end_arrives(self):
        async def body(device, peer):
            stopped = asyncio.Event()
            device.connect("notify::state", lambda *args: device.state == Tailnet.DeviceState.STOPPED and stopped.set())
            self.assertIsNone(device.error)
            key = os.path.join(self.folder, "node-key.state")
            os.remove(key)
            os.mkdir(key)      # no key can be saved there
            expired = asyncio.Event()
            device.connect("notify::state", lambda *args: device.state == Tailnet.DeviceState.NEEDS_LOGIN and expired.set())
            self.tailnet.get_control().set_node_expiry("own", 1)
            await expired.wait()
            with self.assertRaises(GLib.Error):
                await device.login()
            await stopped.wait()
            self.assertIn("cannot save the node key", device.error.message)
            self.assertNotIn("GDBus", device.error.message)
            self.assertEqual(self.program.wait(), 1)
            self.assertIn(device.error.message, self.program.stderr.read())

        self.shared(body)

    def test_another_up_after_the_key_expired(self):
        """The first one says what is wrong, the second logs in for it."""
        async def body(device, peer):
            control, loop = self.tailnet.get_control(), asyncio.get_running_loop()
            control.set_node_expiry("own", 1)
            said = await loop.run_in_executor(None, self.program.stderr.readline)
            self.assertIn("The key of this node has expired", said)
            second = subprocess.Popen([TAILNET, "-s", self.folder, "up"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.addCleanup(self.end, second)
            said = [await loop.run_in_executor(None, second.stderr.readline) for _ in range(4)]
            self.assertIn("it logs in again", said[0])
            control.approve(said[3].strip(), "ada@example.test")
            out, err = await loop.run_in_executor(None, second.communicate)
            self.assertEqual((second.returncode, out), (0, "own is up already as own.tail.test.\n"), err)
            self.assertEqual(device.state, Tailnet.DeviceState.RUNNING)

        once = self.tailnet.get_control().create_auth_key("ada@example.test", TailnetTestkit.AuthKeyFlags.DEFAULT, None)
        self.shared(body, once)

    def test_a_program_that_goes_without_a_word(self):
        async def body(device, peer):
            stopped = asyncio.Event()
            device.connect("notify::state", lambda *args: device.state == Tailnet.DeviceState.STOPPED and stopped.set())
            self.program.kill()
            await stopped.wait()
            self.assertTrue(device.error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CLOSED), device.error)

        self.shared(body)

    def test_stopping_is_no_error(self):
        async def body(device, peer):
            stopped = asyncio.Event()
            device.connect("notify::state", lambda *args: device.state == Tailnet.DeviceState.STOPPED and stopped.set())
            await device.stop()
            await stopped.wait()
            self.assertIsNone(device.error)

        self.shared(body)

    def test_questions(self):
        async def body(device, peer):
            node, capabilities = await device.whois("peer")
            self.assertEqual(node.stable_id, peer.self_node.stable_id)
            for kind in (Tailnet.PingKind.DISCO, Tailnet.PingKind.TSMP, Tailnet.PingKind.ICMP):
                self.assertEqual((await device.ping("peer", kind)).node.name, "peer")
            self.assertEqual([a.to_string() for a in await device.resolve("peer")], peer.self_node.addresses)

        self.shared(body)

    def test_errors_keep_their_domain_and_code(self):
        async def body(device, peer):
            for call, code in ((lambda d: d.connect_to_host("nobody", 80), Tailnet.Error.NO_SUCH_PEER),
                               (lambda d: d.connect_to_host("1.2.3.4", 80), Tailnet.Error.NO_ROUTE),
                               (lambda d: d.connect_to_host("no name", 80), Tailnet.Error.MALFORMED),
                               (lambda d: d.whois("nobody"), Tailnet.Error.NO_SUCH_PEER),
                               (lambda d: d.ping("own"), Tailnet.Error.UNSUPPORTED),
                               (lambda d: d.ping("peer", Tailnet.PingKind.PEERAPI), Tailnet.Error.UNSUPPORTED)):
                with self.assertRaises(GLib.Error) as caught:
                    await call(device)
                self.assertTrue(caught.exception.matches(Tailnet.error_quark(), code), caught.exception)
                self.assertNotIn("GDBus", caught.exception.message)

        self.shared(body)

    def test_datagrams(self):
        async def body(device, peer):
            here, there = await device.bind_datagram(5353), await peer.bind_datagram(0)
            self.assertEqual(here.local_address.get_port(), 5353)
            for payload in (b"one", b"", b"three" * 200):
                await there.send_to_host("own", 5353, GLib.Bytes.new(payload))
                data, source = await here.receive_from()
                self.assertEqual(data.get_data() or b"", payload)
                await here.send_to(source, GLib.Bytes.new(payload[::-1]))
                data, source = await there.receive_from()
                self.assertEqual(data.get_data() or b"", payload[::-1])
            with self.assertRaises(GLib.Error):
                await device.bind_datagram(5353)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(here.receive_from(), 0.05)
            asyncio.get_running_loop().call_soon(here.close)
            with self.assertRaises(GLib.Error):
                await here.receive_from()

        self.shared(body)

    def test_datagrams_wait_for_room(self):
        async def body(device, peer):
            here, there = await device.bind_datagram(0), await peer.bind_datagram(5353)
            payload = GLib.Bytes.new(bytes(1000))

            received = asyncio.Event()

            async def receive():
                for _ in range(600):
                    await there.receive_from()
                received.set()

            async def send():
                await asyncio.gather(*(here.send_to_host("peer", 5353, payload) for _ in range(600)))
                while not received.is_set():      # what waited too long in front of its reader, on a busy machine, was dropped
                    await here.send_to_host("peer", 5353, payload)

            await asyncio.gather(receive(), send())

        self.shared(body)

    def test_a_cancelled_listen_leaves_no_port(self):
        async def body(device, peer):
            async def listen_when_free(port):
                """A cancelled call ends in the node a moment after it ended here; who calls meanwhile finds the port taken."""
                while True:
                    try:
                        return await device.listen(port)
                    except GLib.Error as error:
                        if not error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.ADDRESS_IN_USE):
                            raise

            for _ in range(3):
                call = asyncio.create_task(device.listen(90))
                await asyncio.sleep(0)
                call.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await call
                (await listen_when_free(90)).close()
                await device.whois(device.self_node.addresses[0])

        self.shared(body)

    def test_streams(self):
        async def body(device, peer):
            listener = await device.listen(7)

            async def echo():
                async for connection in listener:
                    self.assertEqual(connection.peer.name, "peer")
                    reader, writer = await connection.open_streams()
                    writer.write((await reader.read())[::-1])
                    writer.close()
                    return await writer.wait_closed()

            serving = asyncio.create_task(echo())
            reader, writer = await peer.open_connection("own", 7)
            writer.write(b"there")
            writer.write_eof()
            self.assertEqual(await reader.read(), b"ereht")
            await serving

        self.shared(body)

    def test_peers_come_and_go(self):
        async def body(device, peer):
            async with self.device("other"):
                await tap.appeared(device, "other")
                node = device.lookup_peer("other")
                changed = asyncio.Event()
                node.connect("notify::online", lambda *args: changed.set())
                device.peers.connect("items-changed", lambda *args: changed.set())
            while device.lookup_peer("other") is not None and node.online:
                changed.clear()
                await changed.wait()

        self.shared(body)


if __name__ == "__main__":
    tap.main()
