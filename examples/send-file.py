#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A node in Python: joins a tailnet, finds a peer by name, pings it and sends it a file; then serves that file to whoever calls.

    send-file.py NAME PEER PORT FILE      serves until it is interrupted

The control server and the key to join with come from TS_CONTROL_URL (Tailscale's, if there is none) and TS_AUTHKEY. Without a key
somebody has to log in, at a URL that is printed."""

import asyncio
import hashlib
import os
import sys

import gi

gi.require_version("Tailnet", "1")

from gi.repository import GLib, Tailnet      # noqa: E402


async def send(device, say, host, port, data):
    reader, writer = await device.open_connection(host, port)
    writer.write(data)
    await writer.drain()
    writer.write_eof()
    answer = (await reader.read()).decode().strip()
    writer.close()
    same = answer == hashlib.sha256(data).hexdigest()
    say(f"sent {len(data)} bytes to {host}; {'it got' if same else 'but it got something else:'} SHA-256 {answer[:16]}...")
    return same


async def serve(device, say, port, data):
    async with await device.listen(port) as listener:
        say(f"serves the file on port {listener.port}")
        async for connection in listener:
            say(f"call from {connection.peer.name}, a node of {connection.peer.user.login_name}")
            _, writer = await connection.open_streams()
            writer.write(data)
            await writer.drain()
            writer.close()
            await writer.wait_closed()


async def main(name, peer, port, path):
    def say(text):
        print(f"{name}: {text}", flush=True)

    with open(path, "rb") as file:
        data = file.read()
    device = Tailnet.EmbeddedDevice(hostname=name, control_url=os.environ.get("TS_CONTROL_URL"), auth_key=os.environ.get("TS_AUTHKEY"))
    device.connect("login-required", lambda device, url: print(f"To log in, visit {url}", file=sys.stderr))
    async with device:
        say(f"joined as {device.self_node.fqdn}, {device.self_node.addresses[0]}")
        node = await device.wait_for_peer(peer)
        say(f"found {node.name}: {node.fqdn}, {node.addresses[0]}")
        pong = await device.ping(peer)
        say(f"pinged {node.name}: {pong.latency_us / 1000:.1f} ms via relay {pong.path.region}")
        if not await send(device, say, peer, int(port), data):
            return "the peer got something else"
        await serve(device, say, int(port), data)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: send-file.py NAME PEER PORT FILE")
    try:
        sys.exit(asyncio.run(main(*sys.argv[1:])))
    except (GLib.Error, OSError, ValueError) as error:
        sys.exit(f"send-file.py: {getattr(error, 'message', error)}")
    except KeyboardInterrupt:
        pass
