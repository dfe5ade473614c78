/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-path-private.h"

/**
 * TnPath:
 *
 * How packets travel to a node, as it was at one moment. Immutable, and good for every thread.
 *
 * Since: 0.1
 */
struct _TnPath
{
  gatomicrefcount     ref_count;
  TnPathData          data;
  GInetSocketAddress *endpoint;     /* nullable */
  GDateTime          *since;        /* nullable */
};

G_DEFINE_BOXED_TYPE (TnPath, tn_path, tn_path_ref, tn_path_unref)

gboolean
tn_path_data_equal (const TnPathData *a,
                    const TnPathData *b)
{
  return a->kind == b->kind && a->endpoint.port == b->endpoint.port &&
         tn_ip_address_equal (&a->endpoint.address, &b->endpoint.address) && a->region == b->region &&
         g_str_equal (a->region_code, b->region_code) && a->latency_us == b->latency_us && a->since_us == b->since_us &&
         g_strcmp0 (a->reason, b->reason) == 0;
}

TnPath *
tn_path_new (const TnPathData *data)
{
  TnPath *self = g_new0 (TnPath, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->data = *data;
  self->data.reason = g_intern_string (data->reason);
  if (data->endpoint.address.version != 0)
    {
      g_autoptr (GInetAddress) address = tn_ip_address_to_inet (&data->endpoint.address);

      self->endpoint = G_INET_SOCKET_ADDRESS (g_inet_socket_address_new (address, data->endpoint.port));
    }
  if (data->since_us != 0)
    self->since = g_date_time_new_from_unix_utc (data->since_us / G_USEC_PER_SEC);
  return self;
}

const TnPathData *
tn_path_get_data (const TnPath *self)
{
  return &self->data;
}

/**
 * tn_path_ref:
 * @self: a path
 *
 * Takes a reference.
 *
 * Returns: (transfer full): @self
 *
 * Since: 0.1
 */
TnPath *
tn_path_ref (TnPath *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * tn_path_unref:
 * @self: (transfer full): a path
 *
 * Drops a reference.
 *
 * Since: 0.1
 */
void
tn_path_unref (TnPath *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_object (&self->endpoint);
  g_clear_pointer (&self->since, g_date_time_unref);
  g_free (self);
}

/**
 * tn_path_get_kind:
 * @self: a path
 *
 * Tells whether packets go straight to the node or through somebody else.
 *
 * Returns: the kind
 *
 * Since: 0.1
 */
TnPathKind
tn_path_get_kind (const TnPath *self)
{
  g_return_val_if_fail (self != NULL, TN_PATH_KIND_NONE);

  return self->data.kind;
}

/**
 * tn_path_get_endpoint:
 * @self: a path
 *
 * Gets the UDP address that datagrams go to.
 *
 * Returns: (nullable) (transfer none): the address, or %NULL for a path through a relay
 *
 * Since: 0.1
 */
GInetSocketAddress *
tn_path_get_endpoint (const TnPath *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->endpoint;
}

/**
 * tn_path_get_region:
 * @self: a path
 *
 * Gets the code of the relay region that packets go through, such as `fra`.
 *
 * Returns: (nullable): the code, or %NULL if no relay is used
 *
 * Since: 0.1
 */
const char *
tn_path_get_region (const TnPath *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->data.region_code[0] != '\0' ? self->data.region_code : NULL;
}

/**
 * tn_path_get_latency_us:
 * @self: a path
 *
 * Gets the last measured round trip.
 *
 * Returns: microseconds, or -1 if it was not measured
 *
 * Since: 0.1
 */
gint64
tn_path_get_latency_us (const TnPath *self)
{
  g_return_val_if_fail (self != NULL, -1);

  return self->data.latency_us;
}

/**
 * tn_path_get_since:
 * @self: a path
 *
 * Gets since when it is this path.
 *
 * Returns: (nullable) (transfer none): the time, or %NULL if there is none yet
 *
 * Since: 0.1
 */
GDateTime *
tn_path_get_since (const TnPath *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->since;
}

/**
 * tn_path_get_reason:
 * @self: a path
 *
 * Gets why it is this path and no better one, in words.
 *
 * Returns: (nullable): the reason, or %NULL if there is nothing to say
 *
 * Since: 0.1
 */
const char *
tn_path_get_reason (const TnPath *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->data.reason;
}

/**
 * tn_path_to_string:
 * @self: a path
 *
 * Says it in a few words: `direct 192.0.2.1:41641`, `relay fra`, `none`.
 *
 * Returns: (transfer full): the text
 *
 * Since: 0.1
 */
char *
tn_path_to_string (const TnPath *self)
{
  char endpoint[TN_IP_ENDPOINT_TEXT_MAX] = "";

  g_return_val_if_fail (self != NULL, NULL);

  if (self->endpoint != NULL)
    tn_ip_endpoint_print (&self->data.endpoint, endpoint);

  switch (self->data.kind)
    {
    case TN_PATH_KIND_DIRECT:
      return g_strdup_printf ("direct %s", endpoint);
    case TN_PATH_KIND_RELAY:
      if (self->data.region_code[0] != '\0')
        return g_strdup_printf ("relay %s", self->data.region_code);
      return g_strdup_printf ("relay %u", self->data.region);
    case TN_PATH_KIND_PEER_RELAY:
      return g_strdup_printf ("peer relay %s", endpoint);
    case TN_PATH_KIND_NONE:
    default:
      return g_strdup ("none");
    }
}
