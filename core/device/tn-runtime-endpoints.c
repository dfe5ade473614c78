/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-own-addresses.h"

/* Where this node can be reached straight, for the control server, and where its peers are, for the data path. */

/* What the machine has of addresses, each with the port of its family. */
void
tn_runtime_tell_endpoints (TnRuntime *runtime)
{
  g_autoptr (GArray) addresses = tn_own_addresses_get ();
  g_autoptr (GArray) endpoints = g_array_new (FALSE, FALSE, sizeof (TnOwnEndpoint));
  gboolean only_loopback = TRUE;

  for (guint i = 0; i < addresses->len; i++)
    {
      const TnIpAddress *address = &g_array_index (addresses, TnIpAddress, i);
      TnOwnEndpoint endpoint = { { *address, runtime->ports[address->version == 6 ? 1 : 0] }, TN_ENDPOINT_LOCAL };

      only_loopback = only_loopback && tn_ip_address_is_loopback (address);
      if (endpoint.endpoint.port != 0)
        g_array_append_val (endpoints, endpoint);
    }
  tn_netmap_bridge_set_loopback (runtime->bridge, only_loopback);
  if (runtime->client != NULL)
    tn_control_client_set_endpoints (runtime->client, (const TnOwnEndpoint *) (gconstpointer) endpoints->data, endpoints->len);
}

/* --- From the data thread --- */

static gboolean
bound_cb (gpointer data)
{
  TnRuntimeCall *call = data;
  guint ports = GPOINTER_TO_UINT (call->data);

  call->runtime->ports[0] = (guint16) (ports >> 16);
  call->runtime->ports[1] = (guint16) ports;
  if (!call->runtime->closing)
    tn_runtime_tell_endpoints (call->runtime);
  return G_SOURCE_REMOVE;
}

void
tn_runtime_bound (gpointer user_data,
                  guint16  port4,
                  guint16  port6)
{
  tn_runtime_call (user_data, bound_cb, GUINT_TO_POINTER ((guint) port4 << 16 | port6));
}

typedef struct
{
  gint64   id;
  gboolean wanted;
} Wish;

static gboolean
wish_cb (gpointer data)
{
  TnRuntimeCall *call = data;
  g_autofree Wish *wish = call->data;
  TnDataPathEndpoints *endpoints = tn_netmap_bridge_watch (call->runtime->bridge, wish->id, wish->wanted);

  if (endpoints != NULL)
    tn_data_path_take_endpoints (call->runtime->data, endpoints);
  return G_SOURCE_REMOVE;
}

void
tn_runtime_wants_endpoints (gpointer user_data,
                            gint64   id,
                            gboolean wanted)
{
  Wish *wish = g_new (Wish, 1);

  *wish = (Wish) { id, wanted };
  tn_runtime_call (user_data, wish_cb, wish);
}
