# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library through introspection: two nodes, from Python."""

import asyncio
import base64
import hashlib
import json
import os

import tap
from gi.repository import Gio
from tap import GLib, Tailnet


class Life(tap.TailnetCase):
    def test_join_and_leave(self):
        async def main():
            device = self.device("alice")
            self.assertEqual(device.state, Tailnet.DeviceState.STOPPED)
            async with device as entered:
                self.assertIs(entered, device)
                self.assertEqual(device.state, Tailnet.DeviceState.RUNNING)
                self.assertEqual(device.self_node.name, "alice")
                self.assertTrue(device.self_node.fqdn.startswith("alice."))
                self.assertEqual(len(device.self_node.addresses), 2)
            self.assertEqual(device.state, Tailnet.DeviceState.STOPPED)

        self.run_async(main())

    def test_wrong_key_is_an_error(self):
        async def main():
            with self.assertRaises(GLib.Error) as caught:
                await self.device("alice", auth_key="tskey-auth-wrong").start()
            self.assertTrue(caught.exception.matches(Tailnet.error_quark(), Tailnet.Error.AUTH_REJECTED), caught.exception.message)

        self.run_async(main())

    def test_state_arrives_in_the_thread_of_the_loop(self):
        seen = []

        async def main():
            here = asyncio.get_running_loop()
            device = self.device("alice")
            device.connect("notify::state", lambda d, p: seen.append((d.state, asyncio.get_running_loop() is here)))
            await device.start()
            await device.stop()

        self.run_async(main())
        self.assertEqual([s for s, _ in seen], [Tailnet.DeviceState.STARTING, Tailnet.DeviceState.RUNNING, Tailnet.DeviceState.STOPPED])
        self.assertTrue(all(same for _, same in seen))

    def test_a_file_keeps_the_node(self):
        folder = GLib.Dir.make_tmp("tailnet-python-XXXXXX")

        async def join(**kwargs):
            store = Tailnet.FileStateStore.new(folder)
            async with self.device("alice", state_store=store, ephemeral=False, **kwargs) as device:
                return device.self_node.stable_id

        first = self.run_async(join())
        self.assertEqual(self.run_async(join(auth_key=None)), first)


class Talk(tap.TailnetCase):
    def pair(self, body):
        async def main():
            async with self.device("alice") as alice, self.device("bob") as bob:
                await tap.answered(alice, "bob")
                await tap.answered(bob, "alice")
                await body(alice, bob)

        self.run_async(main())

    def test_ping(self):
        async def body(alice, bob):
            for kind in (Tailnet.PingKind.DISCO, Tailnet.PingKind.TSMP, Tailnet.PingKind.ICMP):
                pong = await tap.answered(alice, "bob", kind)
                self.assertEqual(pong.node.name, "bob")
                self.assertGreater(pong.latency_us, 0)
                self.assertIn(pong.node.name, [peer.name for peer in alice.peers])

        self.pair(body)

    def test_streams_carry_a_megabyte_and_know_who_calls(self):
        payload = os.urandom(1 << 20)

        async def body(alice, bob):
            listener = await bob.listen(80)

            async def serve():
                async with listener:
                    async for connection in listener:
                        caller = connection.peer
                        reader, writer = await connection.open_streams()
                        writer.write(hashlib.sha256(await reader.read()).digest())
                        writer.close()
                        await writer.wait_closed()
                        return caller

            task = asyncio.create_task(serve())
            reader, writer = await alice.open_connection("bob", 80)
            writer.write(payload)
            await writer.drain()
            writer.write_eof()
            self.assertEqual(await reader.read(), hashlib.sha256(payload).digest())
            writer.close()
            caller = await task
            self.assertEqual(caller.name, "alice")
            self.assertEqual(caller.stable_id, alice.self_node.stable_id)
            self.assertEqual(caller.user.login_name, "user@example.test")

        self.pair(body)

    def test_datagrams_keep_their_boundaries(self):
        async def body(alice, bob):
            here, there = await alice.bind_datagram(0), await bob.bind_datagram(5353)
            for payload in (b"one", b"", b"three" * 200):
                await here.send_to_host("bob", 5353, payload)
                data, source = await there.receive_from()
                self.assertEqual(data.get_data() or b"", payload)
                await there.send_to(source, GLib.Bytes.new(payload[::-1]))
                data, source = await here.receive_from()
                self.assertEqual(data.get_data() or b"", payload[::-1])
                here.send_to_host_nowait("bob", 5353, memoryview(payload))      # the tunnel is there now
                self.assertEqual((await there.receive_from())[0].get_data() or b"", payload)

        self.pair(body)

    def test_whois(self):
        async def body(alice, bob):
            node, capabilities = await alice.whois(bob.self_node.addresses[0])
            self.assertEqual(node.stable_id, bob.self_node.stable_id)

        self.pair(body)

    def test_id_token(self):
        async def body(alice, bob):
            claims = (await alice.fetch_id_token("https://sts.example")).split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
            self.assertEqual((claims["aud"], claims["sub"]), ("https://sts.example", alice.self_node.fqdn))
            with self.assertRaises(GLib.Error) as caught:
                await alice.fetch_id_token("")
            self.assertTrue(caught.exception.matches(Gio.io_error_quark(), Gio.IOErrorEnum.INVALID_ARGUMENT), caught.exception.message)

        self.pair(body)

    def test_publish_txt(self):
        async def body(alice, bob):
            self.assertTrue(await alice.publish_txt("_acme-challenge." + alice.self_node.fqdn.rstrip("."), "challenge"))
            with self.assertRaises(GLib.Error) as caught:
                await alice.publish_txt("_acme-challenge." + bob.self_node.fqdn.rstrip("."), "challenge")
            self.assertTrue(caught.exception.matches(Tailnet.error_quark(), Tailnet.Error.CONTROL), caught.exception.message)

        self.pair(body)

    def test_unknown_peer_is_an_error(self):
        async def body(alice, bob):
            with self.assertRaises(GLib.Error) as caught:
                await alice.open_connection("carol", 80)
            self.assertTrue(caught.exception.matches(Tailnet.error_quark(), Tailnet.Error.NO_SUCH_PEER), caught.exception.message)
            self.assertIn("carol", caught.exception.message)

        self.pair(body)

    def test_a_closed_listener_ends_the_iteration(self):
        async def body(alice, bob):
            listener = await bob.listen(80)
            asyncio.get_running_loop().call_soon(listener.close)
            self.assertEqual([connection async for connection in listener], [])

        self.pair(body)

    def test_cancelling_a_task_cancels_the_call(self):
        async def body(alice, bob):
            listener = await bob.listen(80)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(listener.accept(), 0.05)
            # The call that was cancelled does not take the connection of the next one.
            waiting = asyncio.create_task(listener.accept())
            await alice.open_connection("bob", 80)
            self.assertIsInstance(await waiting, Tailnet.Connection)

        self.pair(body)


class Arguments(tap.TailnetCase):
    def test_names_and_defaults(self):
        async def main():
            async with self.device("alice") as device:
                listener = await device.listen(port=0, address=None)
                self.assertGreater(listener.port, 0)
                with self.assertRaises(TypeError):
                    await device.listen()
                with self.assertRaises(TypeError):
                    await device.listen(1, None, "more")

        self.run_async(main())


if __name__ == "__main__":
    tap.main()
