/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "breakable-udp.h"

#include "tailnet-plugin.h"

static int broken;      /* atomic, as the next one: devices have threads */
static int n_sent;

#define TYPE_BREAKABLE (breakable_get_type ())
G_DECLARE_FINAL_TYPE (Breakable, breakable, TEST, BREAKABLE, GObject)

struct _Breakable
{
  GObject              parent_instance;
  TnUnderlayTransport *udp;
  TnUnderlayCallbacks  callbacks;
  gpointer             user_data;
};

static void breakable_iface_init (TnUnderlayTransportInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (Breakable, breakable, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_UNDERLAY_TRANSPORT, breakable_iface_init))

static void
receive_cb (gpointer             user_data,
            TnUnderlayTransport *udp,
            TnPacketBatch       *batch,
            const TnPathAddress *from)
{
  Breakable *self = user_data;

  if (!g_atomic_int_get (&broken))
    self->callbacks.receive (self->user_data, TN_UNDERLAY_TRANSPORT (self), batch, from);
}

static void
writable_cb (gpointer             user_data,
             TnUnderlayTransport *udp,
             const TnPathAddress *to)
{
  Breakable *self = user_data;

  self->callbacks.writable (self->user_data, TN_UNDERLAY_TRANSPORT (self), to);
}

static gboolean
breakable_start (TnUnderlayTransport        *transport,
                 const TnUnderlayConfig     *config,
                 const TnUnderlayCallbacks  *callbacks,
                 gpointer                    user_data,
                 GError                    **error)
{
  static const TnUnderlayCallbacks own = { .receive = receive_cb, .writable = writable_cb };
  Breakable *self = TEST_BREAKABLE (transport);

  self->callbacks = *callbacks;
  self->user_data = user_data;
  return TN_UNDERLAY_TRANSPORT_GET_IFACE (self->udp)->start (self->udp, config, &own, self, error);
}

static void
breakable_stop (TnUnderlayTransport *transport)
{
  Breakable *self = TEST_BREAKABLE (transport);

  TN_UNDERLAY_TRANSPORT_GET_IFACE (self->udp)->stop (self->udp);
}

static guint
breakable_send (TnUnderlayTransport *transport,
                const TnPathAddress *to,
                const TnPacketBatch *batch,
                guint                first,
                TnSendFlags          flags)
{
  Breakable *self = TEST_BREAKABLE (transport);
  guint n;

  if (g_atomic_int_get (&broken))
    return batch->n_packets - first;
  n = TN_UNDERLAY_TRANSPORT_GET_IFACE (self->udp)->send (self->udp, to, batch, first, flags);
  g_atomic_int_add (&n_sent, (int) n);
  return n;
}

static void
breakable_rebind (TnUnderlayTransport *transport)
{
  Breakable *self = TEST_BREAKABLE (transport);

  TN_UNDERLAY_TRANSPORT_GET_IFACE (self->udp)->rebind (self->udp);
}

static guint16
breakable_get_port (TnUnderlayTransport *transport,
                    guint8               version)
{
  Breakable *self = TEST_BREAKABLE (transport);

  return TN_UNDERLAY_TRANSPORT_GET_IFACE (self->udp)->get_port (self->udp, version);
}

static void
breakable_iface_init (TnUnderlayTransportInterface *iface)
{
  iface->kind = TN_PATH_ADDRESS_UDP;
  iface->start = breakable_start;
  iface->stop = breakable_stop;
  iface->send = breakable_send;
  iface->rebind = breakable_rebind;
  iface->get_port = breakable_get_port;
}

static void
breakable_finalize (GObject *object)
{
  g_object_unref (TEST_BREAKABLE (object)->udp);
  G_OBJECT_CLASS (breakable_parent_class)->finalize (object);
}

static void
breakable_class_init (BreakableClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = breakable_finalize;
}

static void
breakable_init (Breakable *self)
{
  GIOExtensionPoint *point = g_io_extension_point_lookup (TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME);

  self->udp = g_object_new (g_io_extension_get_type (g_io_extension_point_get_extension_by_name (point, "udp")), NULL);
}

void
breakable_udp_register (void)
{
  g_io_extension_point_implement (TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME, TYPE_BREAKABLE, "breakable-udp", -20);
}

void
breakable_udp_set_broken (gboolean to)
{
  g_atomic_int_set (&broken, to);
}

guint
breakable_udp_get_sent (void)
{
  return (guint) g_atomic_int_get (&n_sent);
}
