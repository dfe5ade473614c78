# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes Tailnet feel at home in Python: every pair of _async and _finish is a coroutine, properties are attributes, a device is
an asynchronous context manager, a listener an asynchronous iterator, and a connection gives asyncio's own streams.

Everything happens in the thread of the asyncio loop, whichever loop that is: one that knows nothing of GLib (asyncio.run(), uvloop)
is made to watch the descriptors of a GMainContext, and turns it when one is ready. So nothing here needs a lock or a hop."""

import asyncio
import ctypes
import inspect
import socket
import weakref

from gi.repository import Gio, GLib

from ..module import get_introspection_module
from ..overrides import override

Tailnet = get_introspection_module("Tailnet")

__all__ = ["EmbeddedDevice", "SystemDevice"]


# --- A main context inside of a loop ---

class _PollFD(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_ushort), ("revents", ctypes.c_ushort)]


# Bindings cannot call g_main_context_query(): its array is the caller's.
_glib = ctypes.CDLL("libglib-2.0.so.0")
_query = _glib.g_main_context_query
_query.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(_PollFD), ctypes.c_int]
_query.restype = ctypes.c_int

_TURNS_AT_ONCE = 64      # then the loop's other work has its turn


class _Pump:
    """A main context whose descriptors and timers an asyncio loop watches.

    Nobody owns it between turns, and it was made for that (OWNERLESS_POLLING): whatever is attached to it, from any thread, writes to
    its wake-up descriptor, which the loop watches as well."""

    def __init__(self, loop):
        self._loop = weakref.ref(loop)
        self._watched = {}
        self._timer = None
        self._fds = (_PollFD * 16)()
        self.context = GLib.MainContext.new_with_flags(GLib.MainContextFlags.OWNERLESS_POLLING)
        self._turn()

    def call(self, function, *args):
        """Calls a function that starts something; its callbacks come in this context."""
        self.context.push_thread_default()
        try:
            return function(*args)
        finally:
            self.context.pop_thread_default()

    def _turn(self):
        loop = self._loop()
        if loop is None or loop.is_closed():
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

        for _ in range(_TURNS_AT_ONCE):
            if not self.context.iteration(False):
                break
        self._watch(loop)

    def _watch(self, loop):
        self.context.acquire()
        try:
            ready, priority = self.context.prepare()
            timeout_ms = ctypes.c_int(-1)
            while True:
                count = _query(hash(self.context), priority, ctypes.byref(timeout_ms), self._fds, len(self._fds))
                if count <= len(self._fds):
                    break
                self._fds = (_PollFD * count)()
        finally:
            self.context.release()

        wanted = {}
        for poll in self._fds[:count]:
            wanted[poll.fd] = wanted.get(poll.fd, 0) | poll.events
        if wanted != self._watched:
            self._unwatch(loop, [fd for fd, events in self._watched.items() if wanted.get(fd) != events])
            for fd, events in wanted.items():
                if self._watched.get(fd) != events:
                    if events & ~GLib.IOCondition.OUT:
                        loop.add_reader(fd, self._turn)
                    if events & GLib.IOCondition.OUT:
                        loop.add_writer(fd, self._turn)
            self._watched = wanted
        if ready or timeout_ms.value == 0:
            self._timer = loop.call_later(0, self._turn)
        elif timeout_ms.value > 0:
            self._timer = loop.call_later(timeout_ms.value / 1000, self._turn)

    @staticmethod
    def _unwatch(loop, fds):
        for fd in fds:
            loop.remove_reader(fd)
            loop.remove_writer(fd)


_pumps = weakref.WeakKeyDictionary()


def _pump(loop):
    """The pump of a loop; None where the loop drives GLib's main context by itself."""
    if any(c.__module__ in ("gi.events", "asyncio_glib", "gbulb.glib_events") for c in type(loop).__mro__):
        return None
    if loop not in _pumps:
        _pumps[loop] = _Pump(loop)
    return _pumps[loop]


# --- Coroutines ---

_DEFAULTS = {"address": None, "default_port": 0, "kind": Tailnet.PingKind.DISCO, "protocol": None, "size": 0}


def _signature(start):
    """The arguments of an _async function before its cancellable, with defaults where a caller seldom cares."""
    names = [argument.get_name() for argument in start.get_arguments()]
    names = names[:names.index("cancellable")]
    parameters, default = [], None
    for name in reversed(names):
        if default is not inspect.Parameter.empty:      # only the last ones can be left out
            default = _DEFAULTS.get(name, inspect.Parameter.empty)
        parameters.insert(0, inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default))
    return inspect.Signature([inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *parameters])


def _check_loop(self, pump):
    """A device whose main context is not the running loop's would never answer."""
    if pump is not None and isinstance(self, (Tailnet.EmbeddedDevice, Tailnet.SystemDevice)) and self.get_property("main-context") != pump.context:
        raise RuntimeError(f"this {type(self).__name__} does not belong to the running loop: make it inside of a coroutine")


def _to_bytes(payload):
    """GLib.Bytes of whatever Python has for bytes."""
    return GLib.Bytes.new(bytes(payload)) if isinstance(payload, (bytes, bytearray, memoryview)) else payload


def _coroutine(name, start, finish):
    signature = _signature(start)

    async def method(self, *args, **kwargs):
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        if "payload" in bound.arguments:
            bound.arguments["payload"] = _to_bytes(bound.arguments["payload"])
        loop = asyncio.get_running_loop()
        future, cancellable = loop.create_future(), Gio.Cancellable()
        pump = _pump(loop)
        _check_loop(self, pump)

        def settle(value, error):
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

        def done(source, result):
            try:
                outcome = finish(source, result), None
            except GLib.Error as error:
                outcome = None, error
            # Not at once: GLib's loop may turn in another thread, or be inside of a callback.
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, *outcome)

        begin = start if pump is None else lambda *a: pump.call(start, *a)
        begin(*bound.args, cancellable, done)
        try:
            return await future
        except asyncio.CancelledError:
            cancellable.cancel()
            raise

    method.__name__ = name
    method.__signature__ = signature
    method.__doc__ = f"Coroutine of {start.__name__}() and {finish.__name__}()."
    return method


def _add_coroutines(cls):
    for name in [n.removesuffix("_async") for n in vars(cls) if n.endswith("_async")]:
        finish = getattr(cls, f"{name}_finish", None)
        if finish is not None and not hasattr(cls, name):
            setattr(cls, name, _coroutine(name, getattr(cls, f"{name}_async"), finish))


def _add_properties(cls):
    for prop in cls.__info__.get_properties():
        name = prop.get_name()
        attribute = name.replace("-", "_")
        if not hasattr(cls, attribute):
            setattr(cls, attribute, property(lambda self, name=name: self.get_property(name), doc=f"The property “{name}”."))


# What sends at once or not at all keeps a name for it, so that the plain one can wait, as everything does here.
def _nowait(send):
    def method(self, *args):
        return send(self, *args[:-1], _to_bytes(args[-1]))

    method.__doc__ = f"{send.__name__}() in C: raises Gio.IOErrorEnum.WOULD_BLOCK where there is no room."
    return method


for _name in ("send_to", "send_to_host"):
    setattr(Tailnet.DatagramSocket, f"{_name}_nowait", _nowait(getattr(Tailnet.DatagramSocket, _name)))
    delattr(Tailnet.DatagramSocket, _name)
for _cls in (Tailnet.Device, Tailnet.Listener, Tailnet.DatagramSocket, Tailnet.Connection, Tailnet.StateStore):
    _add_coroutines(_cls)
for _cls in (Tailnet.Device, Tailnet.Listener, Tailnet.DatagramSocket, Tailnet.Connection, Tailnet.Node, Tailnet.User,
             Tailnet.PingResult, Tailnet.HealthItem, Tailnet.Preferences, Tailnet.DnsConfig):
    _add_properties(_cls)
for _name in ("kind", "endpoint", "region", "latency_us", "since", "reason"):
    if hasattr(Tailnet.Path, f"get_{_name}"):
        setattr(Tailnet.Path, _name, property(getattr(Tailnet.Path, f"get_{_name}")))


# --- Device ---

async def _open_connection(self, host, port, **kwargs):
    """A connection to a peer as asyncio's (reader, writer); keyword arguments go to asyncio.open_connection()."""
    if not isinstance(host, str):
        raise TypeError(f"host is a name or an address, not {host!r}")
    connection = await self.connect_to_host(f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host, port)
    return await connection.open_streams(**kwargs)


_open_connection.__name__ = _open_connection.__qualname__ = "open_connection"


async def _enter_device(self):
    await self.start()
    return self


async def _exit_device(self, *exc):
    await self.stop()


Tailnet.Device.open_connection = _open_connection
Tailnet.Device.__aenter__ = _enter_device
Tailnet.Device.__aexit__ = _exit_device


def _own_loop(kwargs):
    """The arguments of a device that is made: inside of a coroutine it belongs to the running loop."""
    try:
        pump = _pump(asyncio.get_running_loop())
    except RuntimeError:
        pump = None
    if pump is not None:
        kwargs.setdefault("main_context", pump.context)
    return kwargs


@override
class EmbeddedDevice(Tailnet.EmbeddedDevice):
    """A node in this process. Made inside of a coroutine it belongs to the running loop: everything about it happens there."""

    def __init__(self, **kwargs):
        super().__init__(**_own_loop(kwargs))


@override
class SystemDevice(Tailnet.SystemDevice):
    """A node of another process, which runs it with the state in a folder. It belongs to the running loop, too."""

    def __init__(self, **kwargs):
        super().__init__(**_own_loop(kwargs))


# --- Listener, connection ---

async def _next_connection(self):
    try:
        return await self.accept()
    except GLib.Error as error:
        if self.is_closed() and error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CLOSED):
            raise StopAsyncIteration from None
        raise


async def _exit_listener(self, *exc):
    self.close()


async def _self(self):
    return self


Tailnet.Listener.__aiter__ = lambda self: self
Tailnet.Listener.__anext__ = _next_connection
Tailnet.Listener.__aenter__ = _self
Tailnet.Listener.__aexit__ = _exit_listener


async def _open_streams(self, **kwargs):
    """asyncio's (reader, writer) over this connection, which is spent then."""
    sock = socket.socket(fileno=self.steal_fd())
    return await asyncio.open_connection(sock=sock, **kwargs)


Tailnet.Connection.open_streams = _open_streams
