/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-derp-private.h"

/* Trouble that a test makes: what a relay says of itself, connections that end, bytes that are no frames. */

/* To everybody who is in. */
void
tn_testkit_derp_send_to_all (TnTestkitDerp   *self,
                             TnDerpFrameType  type,
                             const void      *payload,
                             gsize            len)
{
  for (guint i = 0; i < self->connections->len; i++)
    {
      TnTestkitRelayLink *link = tn_testkit_derp_connection_get_link (g_ptr_array_index (self->connections, i));

      if (link != NULL && tn_testkit_relay_get_peer (link) != NULL)
        tn_testkit_relay_send (link, type, payload, len);
    }
}

/**
 * tn_testkit_derp_disconnect:
 * @self: a relay
 * @node_key: (nullable): text form of a node key; %NULL: of everybody
 *
 * Closes connections, in the middle of whatever they do.
 *
 * Returns: how many it closed
 *
 * Since: 0.1
 */
guint
tn_testkit_derp_disconnect (TnTestkitDerp *self,
                            const char    *node_key)
{
  guint n = 0;

  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), 0);

  for (guint i = self->connections->len; i-- > 0;)
    {
      g_autofree char *peer = tn_testkit_derp_dup_peer (g_ptr_array_index (self->connections, i));

      if (node_key != NULL && g_strcmp0 (peer, node_key) != 0)
        continue;
      g_ptr_array_remove_index (self->connections, i);
      n++;
    }
  return n;
}

/**
 * tn_testkit_derp_send_health:
 * @self: a relay
 * @problem: (nullable): what is wrong; %NULL: nothing any more
 *
 * Tells every client about a problem.
 *
 * Since: 0.1
 */
void
tn_testkit_derp_send_health (TnTestkitDerp *self,
                             const char    *problem)
{
  g_return_if_fail (TN_TESTKIT_IS_DERP (self));

  tn_testkit_derp_send_to_all (self, TN_DERP_HEALTH, problem, problem != NULL ? strlen (problem) : 0);
}

/**
 * tn_testkit_derp_send_restarting:
 * @self: a relay
 * @reconnect_in_ms: how long clients should wait before they come back
 * @try_for_ms: how long they should try
 *
 * Tells every client that it is about to restart; it does not by itself.
 *
 * Since: 0.1
 */
void
tn_testkit_derp_send_restarting (TnTestkitDerp *self,
                                 guint          reconnect_in_ms,
                                 guint          try_for_ms)
{
  guint8 payload[8];

  g_return_if_fail (TN_TESTKIT_IS_DERP (self));

  tn_put_u32be (payload, reconnect_in_ms);
  tn_put_u32be (payload + 4, try_for_ms);
  tn_testkit_derp_send_to_all (self, TN_DERP_RESTARTING, payload, sizeof payload);
}

/**
 * tn_testkit_derp_send_bytes:
 * @self: a relay
 * @bytes: anything
 *
 * Writes @bytes to every client where a frame should be, whether they are one or not.
 *
 * Since: 0.1
 */
void
tn_testkit_derp_send_bytes (TnTestkitDerp *self,
                            GBytes        *bytes)
{
  g_return_if_fail (TN_TESTKIT_IS_DERP (self));
  g_return_if_fail (bytes != NULL);

  for (guint i = 0; i < self->connections->len; i++)
    {
      TnTestkitRelayLink *link = tn_testkit_derp_connection_get_link (g_ptr_array_index (self->connections, i));

      if (link != NULL)
        tn_testkit_relay_send_bytes (link, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    }
}
