# SPDX-License-Identifier: LGPL-2.1-or-later
"""State stores from Python: the library's, and one of the program's own."""

import tap
from gi.repository import Gio, GLib, GObject
from tap import Tailnet


class DictStore(GObject.Object, Tailnet.StateStore):
    """What a program writes on top of its keyring or database."""

    def __init__(self):
        super().__init__()
        self.values = {}
        self.acquired = False

    def _answer(self, callback, user_data, value):
        task = Gio.Task.new(self, None, lambda store, result, *args: callback(store, result))
        task.value = value
        task.return_boolean(True)

    def do_acquire_async(self, cancellable, callback, *user_data):
        busy, self.acquired = self.acquired, True
        self._answer(callback, user_data, not busy)

    def do_acquire_finish(self, result):
        if not result.value:
            raise GLib.Error.new_literal(Gio.io_error_quark(), "the dictionary is taken", Gio.IOErrorEnum.BUSY)
        return True

    def do_release(self):
        self.acquired = False

    def do_load_async(self, key, cancellable, callback, *user_data):
        self._answer(callback, user_data, self.values.get(key))

    def do_load_finish(self, result):
        return result.value

    def do_save_async(self, key, value, cancellable, callback, *user_data):
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value
        self._answer(callback, user_data, True)

    def do_save_finish(self, result):
        return True


class State(tap.TailnetCase):
    def test_coroutines(self):
        async def main():
            folder = GLib.Dir.make_tmp("tailnet-python-XXXXXX")
            store, other = Tailnet.FileStateStore.new(folder), Tailnet.FileStateStore.new(folder)
            await store.acquire()
            with self.assertRaises(GLib.Error) as caught:
                await other.acquire()
            self.assertTrue(caught.exception.matches(Gio.io_error_quark(), Gio.IOErrorEnum.BUSY), caught.exception.message)
            self.assertIsNone(await store.load("greeting"))
            await store.save("greeting", GLib.Bytes.new(b"hello"))
            self.assertEqual((await store.load("greeting")).get_data(), b"hello")
            await store.save("greeting", None)
            self.assertIsNone(await store.load("greeting"))
            with self.assertRaises(GLib.Error):
                await store.load("../greeting")
            store.release()
            await other.acquire()
            other.release()

        self.run_async(main())

    def test_a_store_of_the_program(self):
        store = DictStore()

        async def join(**kwargs):
            async with self.device("alice", state_store=store, ephemeral=False, **kwargs) as device:
                self.assertTrue(store.acquired)
                with self.assertRaises(GLib.Error) as caught:
                    await self.device("bob", state_store=store).start()
                self.assertTrue(caught.exception.matches(Gio.io_error_quark(), Gio.IOErrorEnum.BUSY), caught.exception.message)
                return device.self_node.stable_id

        first = self.run_async(join())
        self.assertFalse(store.acquired)
        self.assertIn("node-key", store.values)
        self.assertTrue(store.values["machine-key"].get_data().startswith(b"privkey:"))
        self.assertEqual(self.run_async(join(auth_key=None)), first)


if __name__ == "__main__":
    tap.main()
