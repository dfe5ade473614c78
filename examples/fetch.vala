/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A node in Vala: what fetch.c does.
 *
 *   fetch-vala NAME HOST PORT */

async void fetch (Tn.Device device, string host, uint16 port) throws Error {
    yield device.start_async (null);

    Variant capabilities;
    var node = yield device.whois_async (host, null, null, out capabilities);
    print ("%s is %s, a node of %s\n", host, node.fqdn, node.user.login_name);

    var connection = yield device.connect_to_host_async (host, port, null);
    yield connection.output_stream.write_all_async (@"GET / HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n\r\n".data, Priority.DEFAULT, null, null);
    var page = new MemoryOutputStream.resizable ();
    yield page.splice_async (connection.input_stream, OutputStreamSpliceFlags.CLOSE_SOURCE);
    page.write ({ 0 });
    page.close ();

    var parts = ((string) page.steal_data ()).split ("\r\n\r\n", 2);
    if (parts.length == 2)
        print ("%s", parts[1]);
}

int main (string[] args) {
    if (args.length != 4) {
        printerr ("usage: fetch-vala NAME HOST PORT\n");
        return 2;
    }

    var loop = new MainLoop ();
    var device = new Tn.EmbeddedDevice (args[1], Environment.get_variable ("TS_CONTROL_URL"), null);
    var code = 0;

    uint port;
    if (!uint.try_parse (args[3], out port) || port == 0 || port > uint16.MAX) {
        printerr ("fetch-vala: “%s” is no port\n", args[3]);
        return 2;
    }
    device.auth_key = Environment.get_variable ("TS_AUTHKEY");
    device.login_required.connect ((url) => printerr ("To log in, visit %s\n", url));
    fetch.begin (device, args[2], (uint16) port, (object, result) => {
        try {
            fetch.end (result);
        } catch (Error error) {
            printerr ("fetch-vala: %s\n", error.message);
            code = 1;
        }
        device.stop_async.begin (null, (object, result) => loop.quit ());
    });
    loop.run ();
    return code;
}
