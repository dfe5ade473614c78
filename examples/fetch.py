#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Joins a tailnet, finds out who has a name, and fetches a page from there.

    fetch.py NAME HOST PORT

The control server and the key to join with come from TS_CONTROL_URL (Tailscale's, if there is none) and TS_AUTHKEY. Without a key
somebody has to log in, at a URL that is printed."""

import asyncio
import os
import sys

import gi

gi.require_version("Tailnet", "1")

from gi.repository import GLib, Tailnet      # noqa: E402


async def main(name, host, port):
    device = Tailnet.EmbeddedDevice(hostname=name, control_url=os.environ.get("TS_CONTROL_URL"), auth_key=os.environ.get("TS_AUTHKEY"))
    device.connect("login-required", lambda device, url: print(f"To log in, visit {url}", file=sys.stderr))
    async with device:
        node, capabilities = await device.whois(host)
        print(f"{host} is {node.fqdn}, a node of {node.user.login_name}", flush=True)
        reader, writer = await device.open_connection(host, int(port))
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        print(body.decode(), end="")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: fetch.py NAME HOST PORT")
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (GLib.Error, ValueError) as error:
        sys.exit(f"fetch.py: {getattr(error, 'message', error)}")
