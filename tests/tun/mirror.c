/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mirror.h"

#include <string.h>

#include "kernel.h"
#include "tn-tun-transport.h"

/* The sum of a pseudo header stays the same. */
static void
exchange (guint8 *a, guint8 *b, gsize len)
{
  guint8 kept[16];

  memcpy (kept, a, len);
  memcpy (a, b, len);
  memcpy (b, kept, len);
}

static void
receive (gpointer user_data, TnOverlayTransport *transport, TnPacketBatch *batch)
{
  Mirror *mirror = user_data;

  g_assert_cmpuint (batch->n_packets, >, 0);
  mirror->n_packets += batch->n_packets;
  mirror->longest = MAX (mirror->longest, batch->n_packets);
  for (guint i = 0; i < batch->n_packets; i++)
    {
      guint8 *packet = batch->packets[i].data;

      g_assert_cmpuint (batch->packets[i].segment_size, ==, 0);
      g_assert_cmpuint (batch->packets[i].len, <=, MIRROR_MTU);
      if (packet[0] >> 4 == 4)
        exchange (packet + 12, packet + 16, 4);
      else
        exchange (packet + 8, packet + 24, 16);
    }
  if (!mirror->holds)
    TN_OVERLAY_TRANSPORT_GET_IFACE (transport)->write (transport, batch);
}

static void
failed (gpointer user_data, TnOverlayTransport *transport, const GError *error)
{
  Mirror *mirror = user_data;

  g_assert_null (mirror->failed);
  mirror->failed = g_error_copy (error);
}

/* The kernel does the last of it later: until then what comes for an IPv6 address is not for this host. */
static void
wait_address (Mirror *mirror)
{
  g_autoptr (GSource) watch = kernel_watch ();
  g_autofree char *route = g_strdup_printf ("local " MIRROR_OWN6 " dev %s ", mirror->interface);
  g_autofree char *routes = kernel_show ("-6 route show table local");

  while (strstr (routes, route) == NULL)
    {
      g_main_context_iteration (NULL, TRUE);
      g_free (routes);
      routes = kernel_show ("-6 route show table local");
    }
  g_source_destroy (watch);
}

void
mirror_start (Mirror *mirror, const char *interface)
{
  static const TnOverlayCallbacks callbacks = { .receive = receive, .failed = failed };
  const TnOverlayConfig config = { .context = g_main_context_default (), .mtu = MIRROR_MTU, .interface = interface };
  g_autoptr (GError) error = NULL;

  *mirror = (Mirror) { .overlay = g_object_new (TN_TYPE_TUN_TRANSPORT, NULL) };
  g_assert_true (TN_OVERLAY_TRANSPORT_GET_IFACE (mirror->overlay)->start (mirror->overlay, &config, &callbacks, mirror, &error));
  g_assert_no_error (error);
  mirror->interface = g_strdup (TN_OVERLAY_TRANSPORT_GET_IFACE (mirror->overlay)->get_interface (mirror->overlay));
  kernel_ip ("addr add " MIRROR_OWN4 "/24 dev %s", mirror->interface);
  kernel_ip ("addr add " MIRROR_OWN6 "/64 dev %s nodad", mirror->interface);
  wait_address (mirror);
}

void
mirror_stop (Mirror *mirror)
{
  TN_OVERLAY_TRANSPORT_GET_IFACE (mirror->overlay)->stop (mirror->overlay);
  g_assert_finalize_object (mirror->overlay);
  g_free (mirror->interface);
  g_clear_error (&mirror->failed);
}
