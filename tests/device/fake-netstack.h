/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* Just enough of a netstack to stand under TnConnection, TnListener and TnDatagramSocket. */

#define FAKE_TYPE_STREAM (fake_stream_get_type ())
G_DECLARE_FINAL_TYPE (FakeStream, fake_stream, FAKE, STREAM, TnNetstackStream)

/* @other_end: what the node at the other end reads and writes; resetting it is closing its socket with SO_LINGER 0. */
FakeStream *fake_stream_new (const char *remote, GSocketConnection **other_end);

#define FAKE_TYPE_LISTENER (fake_listener_get_type ())
G_DECLARE_FINAL_TYPE (FakeListener, fake_listener, FAKE, LISTENER, TnNetstackListener)

FakeListener *fake_listener_new       (guint16 port);
void          fake_listener_push      (FakeListener *self, const char *remote);     /* somebody connects */
void          fake_listener_fail      (FakeListener *self, GIOErrorEnum code);          /* of the accept that waits */
gboolean      fake_listener_is_accepting (FakeListener *self);
gboolean      fake_listener_is_closed (FakeListener *self);

#define FAKE_TYPE_DATAGRAM (fake_datagram_get_type ())
G_DECLARE_FINAL_TYPE (FakeDatagram, fake_datagram, FAKE, DATAGRAM, TnNetstackDatagram)

/* What is sent comes back from where it went. */
FakeDatagram *fake_datagram_new (const char *local);

G_END_DECLS
