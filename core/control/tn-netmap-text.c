/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netmap-text.h"

#include "tn-error.h"
#include "tn-json-put.h"
#include "tn-netmap-private.h"
#include "tn-netmap-update.h"

#define PIECE_LEN (32 << 10)

/* Peers are nearly all of it, and immutable. */
struct _TnNetmapText
{
  GString   *head;       /* all but the peers, without the brace at the end */
  GPtrArray *peers;
};

/* --- All but the peers --- */

static int
compare_users (gconstpointer a,
               gconstpointer b)
{
  gint64 id_a = ((const TnNetmapUser *) a)->id;
  gint64 id_b = ((const TnNetmapUser *) b)->id;

  return (id_a > id_b) - (id_a < id_b);
}

static void
put_users (GString        *out,
           const TnNetmap *netmap)
{
  g_autoptr (GList) users = g_list_sort (g_hash_table_get_values (netmap->users), compare_users);

  if (users == NULL)
    return;
  tn_json_put_key (out, "UserProfiles");
  for (const GList *l = users; l != NULL; l = l->next)
    {
      const TnNetmapUser *user = l->data;

      g_string_append (out, l == users ? "[{" : ",{");
      tn_json_put_member_int (out, "ID", user->id);
      tn_json_put_member_string (out, "LoginName", user->login_name);
      tn_json_put_member_string (out, "DisplayName", user->display_name);
      tn_json_put_member_string (out, "ProfilePicURL", user->picture_url);
      tn_json_put_member_strv (out, "Groups", (const char *const *) user->groups);
      g_string_append_c (out, '}');
    }
  g_string_append_c (out, ']');
}

static void
put_filters (GString        *out,
             const TnNetmap *netmap)
{
  if (netmap->filters->len == 0)
    return;
  tn_json_put_key (out, "PacketFilters");
  g_string_append_c (out, '{');
  for (guint i = 0; i < netmap->filters->len; i++)
    {
      const TnWireFilter *filter = g_ptr_array_index (netmap->filters, i);

      tn_json_put_key (out, filter->name);
      tn_wire_filter_append (out, filter);
    }
  g_string_append_c (out, '}');
}

static void
put_message (GString               *out,
             const TnNetmapMessage *message)
{
  tn_json_put_key (out, message->id);
  g_string_append_c (out, '{');
  tn_json_put_member_string (out, "Title", message->title);
  tn_json_put_member_string (out, "Text", message->text);
  tn_json_put_member_string (out, "Severity", message->severity);
  if (message->impacts_connectivity)
    tn_json_put_member_bool (out, "ImpactsConnectivity", TRUE);
  tn_json_put_key (out, "PrimaryAction");
  g_string_append_c (out, '{');
  tn_json_put_member_string (out, "URL", message->action_url);
  tn_json_put_member_string (out, "Label", message->action_label);
  g_string_append (out, "}}");
}

static void
put_health (GString        *out,
            const TnNetmap *netmap)
{
  tn_json_put_member_strv (out, "Health", (const char *const *) netmap->health);
  if (netmap->messages->len == 0)
    return;
  tn_json_put_key (out, "DisplayMessages");
  g_string_append_c (out, '{');
  for (guint i = 0; i < netmap->messages->len; i++)
    put_message (out, g_ptr_array_index (netmap->messages, i));
  g_string_append_c (out, '}');
}

static void
put_key_authority (GString        *out,
                   const TnNetmap *netmap)
{
  if (!netmap->key_authority_enabled && netmap->key_authority_head == NULL)
    return;
  tn_json_put_key (out, "TKAInfo");
  g_string_append_c (out, '{');
  tn_json_put_member_string (out, "Head", netmap->key_authority_head);
  tn_json_put_member_bool (out, "Disabled", !netmap->key_authority_enabled);
  g_string_append_c (out, '}');
}

static void
put_head (GString        *out,
          const TnNetmap *netmap)
{
  g_string_append_c (out, '{');
  tn_json_put_key (out, "Node");
  tn_netmap_node_append_json (out, netmap->self);
  put_users (out, netmap);
  if (netmap->relays != NULL)
    {
      tn_json_put_key (out, "DERPMap");
      tn_wire_relay_map_append (out, netmap->relays, netmap->omit_default_relays);
    }
  put_filters (out, netmap);
  tn_json_put_member_raw (out, "DNSConfig", netmap->dns);
  put_health (out, netmap);
  put_key_authority (out, netmap);
  tn_json_put_member_string (out, "Domain", netmap->domain);
  tn_json_put_member_string (out, "DomainDataPlaneAuditLogID", netmap->audit_log_id);
  if (netmap->collect_services >= 0)
    tn_json_put_member_bool (out, "CollectServices", netmap->collect_services == 1);
  tn_json_put_member_raw (out, "SSHPolicy", netmap->ssh_policy);
}

TnNetmapText *
tn_netmap_text_new (const TnNetmap *netmap)
{
  TnNetmapText *self = g_new (TnNetmapText, 1);

  self->head = g_string_new (NULL);
  put_head (self->head, netmap);
  self->peers = g_ptr_array_new_full (netmap->peers->len, (GDestroyNotify) tn_netmap_node_unref);
  for (guint i = 0; i < netmap->peers->len; i++)
    g_ptr_array_add (self->peers, tn_netmap_node_ref (g_ptr_array_index (netmap->peers, i)));
  return self;
}

void
tn_netmap_text_free (TnNetmapText *self)
{
  g_string_free (self->head, TRUE);
  g_ptr_array_unref (self->peers);
  g_free (self);
}

/* --- The text --- */

typedef struct
{
  GOutputStream *stream;
  GCancellable  *cancellable;      /* nullable */
  GString       *piece;
  gsize          left;             /* bytes that the text may still have */
} Writer;

static gboolean
write_out (Writer        *writer,
           const GString *text,
           GError       **error)
{
  if (text->len > writer->left)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "network map is too big");
      return FALSE;
    }
  writer->left -= text->len;
  return g_output_stream_write_all (writer->stream, text->str, text->len, NULL, writer->cancellable, error);
}

static gboolean
write_piece (Writer  *writer,
             GError **error)
{
  gboolean ok = write_out (writer, writer->piece, error);

  g_string_truncate (writer->piece, 0);
  return ok;
}

gboolean
tn_netmap_text_write (const TnNetmapText  *self,
                      gsize                max_len,
                      GOutputStream       *stream,
                      GCancellable        *cancellable,
                      GError             **error)
{
  g_autoptr (GString) piece = g_string_sized_new (PIECE_LEN + PIECE_LEN / 4);
  Writer writer = { stream, cancellable, piece, max_len };

  if (!write_out (&writer, self->head, error))
    return FALSE;
  for (guint i = 0; i < self->peers->len; i++)
    {
      g_string_append (piece, i > 0 ? "," : ",\"Peers\":[");
      tn_netmap_node_append_json (piece, g_ptr_array_index (self->peers, i));
      if (piece->len >= PIECE_LEN && !write_piece (&writer, error))
        return FALSE;
    }
  g_string_append (piece, self->peers->len > 0 ? "]}" : "}");
  return write_piece (&writer, error);
}

TnNetmap *
tn_netmap_text_read (const char  *json,
                     gsize        len,
                     GError     **error)
{
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_auto (TnMapMessage) message = { 0 };

  if (!tn_netmap_update (netmap, json, len, 0, &message, changes, error))
    return NULL;
  if (netmap->self == NULL)
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "no map, but a sign of life");
      return NULL;
    }
  return g_steal_pointer (&netmap);
}
