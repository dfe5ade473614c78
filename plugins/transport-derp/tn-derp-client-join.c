/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-derp-client-private.h"
#include "tn-derp-upgrade.h"
#include "tn-derp-verify.h"

/* ClientInfo, and what every new connection of the home relay begins with. */
static gboolean
append_hello (TnDerpClient          *self,
              GByteArray            *out,
              const TnNodePublicKey *server_key)
{
  TnDerpClientInfo info = {
    .version = TN_DERP_PROTOCOL_VERSION, .can_ack_pings = TRUE, .app_name = self->app_name,
  };
  guint8 nonce[TN_DERP_NONCE_LEN];
  TnNodePublicKey public_key;

  if (!tn_box_precompute (self->secrets->shared, self->secrets->node_key.bytes, server_key->bytes))
    return FALSE;

  tn_node_private_key_get_public (&self->secrets->node_key, &public_key);
  tn_random (nonce, sizeof nonce);
  tn_derp_client_info_append (out, &public_key, self->secrets->shared, nonce, &info);
  if (self->is_home)
    tn_derp_note_preferred_append (out, TRUE);
  return TRUE;
}

/* From here on the private key has done its work. */
static void
go_up (TnDerpClient *self)
{
  self->state = TN_DERP_CLIENT_UP;
  self->deadline_us = g_get_monotonic_time () + self->times.read_us;
  tn_node_private_key_clear (&self->secrets->node_key);
  self->events->up (self->user_data);
}

/* One record: GnuTLS holds what the socket does not take now. FALSE: failed, and told. */
static gboolean
write_record (TnDerpClient *self,
              GByteArray   *bytes)
{
  g_autoptr (GError) error = NULL;
  TnDerpIo io;

  if (bytes->len > TN_DERP_TLS_RECORD_MAX)
    {
      tn_derp_client_fail (self, g_error_new (G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "greeting of %u bytes is too long", bytes->len));
      return FALSE;
    }
  io = tn_derp_tls_flush (self->tls, &error);
  if (io == TN_DERP_IO_DONE)
    io = tn_derp_tls_write (self->tls, bytes->data, bytes->len, &error);
  else if (io == TN_DERP_IO_AGAIN)
    io = TN_DERP_IO_END;     /* a server that answers what it has not read */
  if (io == TN_DERP_IO_DONE || io == TN_DERP_IO_AGAIN)
    return TRUE;

  tn_derp_client_fail_io (self, io, g_steal_pointer (&error));
  return FALSE;
}

static void
begin_upgrade (TnDerpClient *self,
               GPtrArray    *chain)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  const TnRelayNode *first = g_ptr_array_index (self->region->nodes, 0);
  const TnRelayNode *ideal = self->node != first ? first : NULL;
  TnNodePublicKey server_key;
  gboolean fast_start = tn_derp_tls_is_13 (self->tls) && tn_derp_verify_find_key (chain, &server_key);

  if (!tn_derp_upgrade_append_request (bytes, self->node, ideal, fast_start))
    {
      tn_derp_client_fail_malformed (self, "relay's name is not fit for a request");
      return;
    }
  if (fast_start && !append_hello (self, bytes, &server_key))
    {
      tn_derp_client_fail_malformed (self, "relay's key is of low order");
      return;
    }
  if (!write_record (self, bytes))
    return;

  if (fast_start)
    go_up (self);
  else
    self->state = TN_DERP_CLIENT_UPGRADE;
}

void
tn_derp_client_handshake (TnDerpClient *self)
{
  g_autoptr (GPtrArray) chain = NULL;
  GError *error = NULL;
  TnDerpIo io = tn_derp_tls_handshake (self->tls, &error);

  if (io == TN_DERP_IO_AGAIN)
    return;
  if (io != TN_DERP_IO_DONE)
    {
      tn_derp_client_fail_io (self, io, error);
      return;
    }

  chain = tn_derp_tls_dup_chain (self->tls);
  if (tn_derp_verify (chain, self->node, self->tls_database, &error))
    begin_upgrade (self, chain);
  else
    tn_derp_client_fail (self, error);
}

gboolean
tn_derp_client_parse_upgrade (TnDerpClient *self,
                              TnReader     *r)
{
  GError *error = NULL;
  gsize head_len = 0;

  if (tn_derp_upgrade_parse_response (r->pos, r->left, &head_len, &error) == TN_DERP_PARSED)
    {
      self->state = TN_DERP_CLIENT_GREETING;
      return tn_reader_skip (r, head_len);
    }
  if (error != NULL)
    tn_derp_client_fail (self, error);
  return FALSE;
}

gboolean
tn_derp_client_parse_greeting (TnDerpClient *self,
                               TnReader     *r)
{
  g_autoptr (GByteArray) hello = NULL;
  TnNodePublicKey server_key;
  TnDerpFrame frame;
  TnDerpParse parsed = tn_derp_frame_next (r, TN_DERP_SERVER_KEY_MAX, &frame);

  if (parsed == TN_DERP_INCOMPLETE)
    return FALSE;

  hello = g_byte_array_new ();
  if (parsed == TN_DERP_TOO_LONG || !tn_derp_greeting_parse (&frame, &server_key) || !append_hello (self, hello, &server_key))
    {
      tn_derp_client_fail_malformed (self, "relay's greeting is malformed");
      return FALSE;
    }
  if (!write_record (self, hello))
    return FALSE;

  go_up (self);
  return self->state == TN_DERP_CLIENT_UP;
}
