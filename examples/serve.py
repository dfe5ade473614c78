#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A web page that knows who looks at it: joins a tailnet, answers HTTP on a port, and greets each caller by name.

    serve.py NAME PORT      until it is interrupted

The control server and the key to join with come from TS_CONTROL_URL (Tailscale's, if there is none) and TS_AUTHKEY. Without a key
somebody has to log in, at a URL that is printed."""

import asyncio
import os
import sys

import gi

gi.require_version("Tailnet", "1")

from gi.repository import GLib, Tailnet      # noqa: E402

PATIENCE_S = 30      # for one caller


async def greet(connection):
    reader, writer = await connection.open_streams()
    try:
        await reader.readuntil(b"\r\n\r\n")
        text = f"Hello {connection.peer.user.login_name} on {connection.peer.name}\n".encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        await writer.drain()
    finally:
        writer.close()


async def answer(connection):
    """One caller, who may be slow, or ask nothing: others need not wait, and what goes wrong ends this call alone."""
    name = connection.peer.name
    print(f"{name} calls", flush=True)
    try:
        await asyncio.wait_for(greet(connection), PATIENCE_S)
    except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.TimeoutError) as error:
        print(f"{name} asked nothing: {error}", flush=True)


async def main(name, port):
    device = Tailnet.EmbeddedDevice(hostname=name, control_url=os.environ.get("TS_CONTROL_URL"), auth_key=os.environ.get("TS_AUTHKEY"))
    device.connect("login-required", lambda device, url: print(f"To log in, visit {url}", file=sys.stderr))
    calls = set()      # asyncio itself does not hold its tasks
    async with device, await device.listen(int(port)) as listener:
        print(f"http://{device.self_node.fqdn}:{listener.port}/", flush=True)
        async for connection in listener:
            call = asyncio.create_task(answer(connection))
            calls.add(call)
            call.add_done_callback(calls.discard)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: serve.py NAME PORT")
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (GLib.Error, OSError, ValueError) as error:
        sys.exit(f"serve.py: {getattr(error, 'message', error)}")
    except KeyboardInterrupt:
        pass
