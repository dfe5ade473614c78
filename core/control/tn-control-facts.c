/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"

/* What a client shows, and what it says of this node. */

TnControlState
tn_control_client_get_state (TnControlClient *self)
{
  return self->state;
}

const char *
tn_control_client_get_auth_url (TnControlClient *self)
{
  return self->login.auth_url;
}

const GError *
tn_control_client_get_error (TnControlClient *self)
{
  return self->error;
}

const char *
tn_control_client_get_open_url (TnControlClient *self)
{
  return self->open_url;
}

gboolean
tn_control_client_is_key_expired (TnControlClient *self)
{
  return self->key_expired;
}

gboolean
tn_control_client_may_show (TnControlClient *self,
                            const char      *page)
{
  return tn_control_url_may_show (self->url, page);
}

const char *
tn_control_client_get_login_name (TnControlClient *self)
{
  return self->login.login_name;
}

const TnNodePrivateKey *
tn_control_client_get_node_key (TnControlClient *self)
{
  return self->node_key;
}

void
tn_control_client_take_old_netmap (TnControlClient *self,
                                   TnNetmap        *netmap)
{
  self->accepted = TRUE;      /* or there would be none */
  if (self->netmap == NULL)
    self->netmap = netmap;
  else
    tn_netmap_free (netmap);
}

const TnNetmap *
tn_control_client_get_netmap (TnControlClient *self)
{
  return self->netmap;
}

static void
say (TnControlClient *self)
{
  self->wanted_generation++;
  tn_control_client_advance (self);
}

void
tn_control_client_set_endpoints (TnControlClient     *self,
                                 const TnOwnEndpoint *endpoints,
                                 gsize                n_endpoints)
{
  gboolean same = self->endpoints->len == n_endpoints;

  for (guint i = 0; same && i < n_endpoints; i++)
    {
      const TnOwnEndpoint *old = &g_array_index (self->endpoints, TnOwnEndpoint, i);

      same = old->type == endpoints[i].type && old->endpoint.port == endpoints[i].endpoint.port &&
             tn_ip_address_equal (&old->endpoint.address, &endpoints[i].endpoint.address);
    }
  if (same)
    return;
  g_array_set_size (self->endpoints, 0);
  g_array_append_vals (self->endpoints, endpoints, (guint) n_endpoints);
  say (self);
}

void
tn_control_client_set_hostinfo (TnControlClient  *self,
                                const TnHostinfo *hostinfo)
{
  TnHostinfo *copy = tn_hostinfo_copy (hostinfo);
  g_autoptr (GString) before = g_string_new (NULL);
  g_autoptr (GString) after = g_string_new (NULL);

  tn_net_info_clear (&copy->net_info);
  tn_net_info_copy (&copy->net_info, &self->hostinfo->net_info);
  copy->have_net_info = self->hostinfo->have_net_info;
  tn_hostinfo_append (before, self->hostinfo);
  tn_hostinfo_append (after, copy);
  tn_hostinfo_free (self->hostinfo);
  self->hostinfo = copy;
  if (!g_string_equal (before, after))
    say (self);
}

void
tn_control_client_set_net_info (TnControlClient *self,
                                const TnNetInfo *net_info)
{
  gboolean news = !self->hostinfo->have_net_info || tn_net_info_is_news (&self->hostinfo->net_info, net_info);

  tn_net_info_clear (&self->hostinfo->net_info);
  tn_net_info_copy (&self->hostinfo->net_info, net_info);
  self->hostinfo->have_net_info = TRUE;
  if (news)
    say (self);
}

void
tn_control_client_set_disco_key (TnControlClient        *self,
                                 const TnDiscoPublicKey *disco_key)
{
  if (tn_disco_public_key_equal (&self->disco_key, disco_key))
    return;
  self->disco_key = *disco_key;
  say (self);
}
