/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* Two network stacks joined by a wire in memory, with a data thread. The wire may lose, double and swap packets, from a seed. */
typedef struct _TestWire TestWire;
typedef struct _TestHost TestHost;

typedef gboolean (*TestDropFunc) (TestHost *from, const guint8 *packet, gsize len, gpointer user_data);

struct _TestHost
{
  TestWire   *wire;
  TestHost   *peer;
  TnNetstack *stack;
  guint64     n_packets;     /* out of it; of the data thread */
};

struct _TestWire
{
  GThread      *thread;
  GMainContext *context;
  GMainLoop    *loop;
  TestHost      hosts[2];
  GRand        *rand;             /* of the data thread, as what follows */
  guint         loss_permille;
  guint         dup_permille;
  guint         swap_permille;
  TestDropFunc  drop;
  gpointer      drop_data;
  TnPacketBatch *out;
  TnPacketBatch *held;
  gboolean       stopped;
};

#define TEST_IP4_A "100.64.0.1"
#define TEST_IP4_B "100.64.0.2"
#define TEST_IP6_A "fd7a:115c:a1e0::1"
#define TEST_IP6_B "fd7a:115c:a1e0::2"

TestWire *test_wire_new       (guint mtu);
void      test_wire_free      (TestWire *wire);
void      test_wire_stop      (TestWire *wire);     /* both stacks */
void      test_wire_set_drop  (TestWire *wire, TestDropFunc drop, gpointer data);
void      test_wire_set_bad   (TestWire *wire, guint seed, guint loss_permille, guint dup_permille, guint swap_permille);
void      test_wire_block     (TestHost *host, const char *destination, gboolean blocked);
void      test_wire_configure (TestHost *host, const char *ip4, const char *ip6);
void      test_wire_call      (TestWire *wire, void (*func) (gpointer data), gpointer data);     /* on the data thread, waits */
void      test_wire_inject    (TestHost *to, const guint8 *packet, gsize len);

/* Calls that wait, in the thread-default context of the caller. */
GInetSocketAddress *test_address    (const char *ip, guint16 port);
TnNetstackStream   *test_connect    (TestHost *host, const char *ip, guint16 port, GCancellable *cancellable, GError **error);
TnNetstackListener *test_listen     (TestHost *host, const char *ip, guint16 port, guint backlog, GError **error);
guint16             test_port_of    (TnNetstackListener *listener);
TnNetstackStream   *test_accept     (TnNetstackListener *listener, GCancellable *cancellable, GError **error);
TnNetstackDatagram *test_bind       (TestHost *host, const char *ip, guint16 port, GError **error);
gboolean            test_send_to    (TnNetstackDatagram *datagram, const char *ip, guint16 port, GBytes *bytes, GError **error);
GBytes             *test_receive    (TnNetstackDatagram *datagram, GCancellable *cancellable, GSocketAddress **from, GError **error);
gint64              test_ping       (TestHost *host, const char *ip, guint size, GCancellable *cancellable, GError **error);
void                test_wait       (GAsyncResult **result);     /* until a callback has set it */
void                test_result_cb  (GObject *object, GAsyncResult *result, gpointer user_data);

/* A connection between the two hosts. */
void                test_pair       (TestWire *wire, gboolean ip6, TnNetstackStream **client, TnNetstackStream **server);

G_END_DECLS
