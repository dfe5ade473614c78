/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netmap-private.h"

#include <string.h>

/* What the server says of the health of this node: plain sentences, and messages with titles that replace each other by their ids. None of
 * it can be refused. */

enum
{
  ID_MAX = 256,              /* bytes. One that is longer cannot be cut: it would be another */
  TITLE_MAX = 500,
  TEXT_MAX = 4000,
  URL_MAX = 2000,
};

/* People read it: what is longer than any of them would is cut. NULL: no text. */
static char *
dup_words (TnJsonText value,
           gsize      max)
{
  g_autofree char *text = tn_json_text_dup_string (value);

  if (text == NULL || strlen (text) <= max)
    return g_steal_pointer (&text);
  return g_strdup_printf ("%.*s…", (int) (g_utf8_find_prev_char (text, text + max + 1) - text), text);
}

/* For a program: what is too long is none. NULL: no text, or an empty one. */
static char *
dup_short (TnJsonText value,
           gsize      max)
{
  g_autofree char *text = tn_netmap_dup_text (value);

  return text != NULL && strlen (text) <= max ? g_steal_pointer (&text) : NULL;
}

/* --- Messages --- */

static const char *
message_id (gconstpointer message)
{
  return ((const TnNetmapMessage *) message)->id;
}

static TnNetmapMessage *
parse_display_message (const char *id,
                       TnJsonText  object)
{
  TnNetmapMessage *message = g_new0 (TnNetmapMessage, 1);
  TnJsonText action = tn_json_text_member (object, "PrimaryAction");
  gboolean impacts = FALSE;

  message->id = g_strdup (id);
  message->title = dup_words (tn_json_text_member (object, "Title"), TITLE_MAX);
  message->text = dup_words (tn_json_text_member (object, "Text"), TEXT_MAX);
  message->severity = dup_words (tn_json_text_member (object, "Severity"), TITLE_MAX);
  message->action_url = dup_short (tn_json_text_member (action, "URL"), URL_MAX);
  message->action_label = dup_short (tn_json_text_member (action, "Label"), TITLE_MAX);
  message->impacts_connectivity = tn_json_text_get_bool (tn_json_text_member (object, "ImpactsConnectivity"), &impacts) && impacts;
  if (message->title == NULL)
    message->title = g_strdup ("");
  if (message->text == NULL)
    message->text = g_strdup ("");
  if (message->severity == NULL)
    message->severity = g_strdup ("");
  return message;
}

static gboolean
message_equal (const TnNetmapMessage *a,
               const TnNetmapMessage *b)
{
  return g_str_equal (a->id, b->id) && g_str_equal (a->title, b->title) && g_str_equal (a->text, b->text) &&
         g_str_equal (a->severity, b->severity) && g_strcmp0 (a->action_url, b->action_url) == 0 &&
         g_strcmp0 (a->action_label, b->action_label) == 0 && a->impacts_connectivity == b->impacts_connectivity;
}

static gboolean
messages_equal (const GPtrArray *a,
                const GPtrArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (!message_equal (g_ptr_array_index (a, i), g_ptr_array_index (b, i)))
      return FALSE;
  return TRUE;
}

/* TRUE: it differs from the one before. */
static gboolean
set_display_message (TnNetmap   *netmap,
                     const char *id,
                     TnJsonText  object)
{
  TnNetmapMessage *message = tn_json_text_is_null (object) ? NULL : parse_display_message (id, object);
  guint at;
  gboolean there = tn_netmap_find_name (netmap->messages, message_id, id, &at);

  if (message != NULL && (there ? message_equal (g_ptr_array_index (netmap->messages, at), message)
                                : netmap->messages->len >= TN_NETMAP_MESSAGES_MAX))
    {
      tn_netmap_message_free (message);
      return FALSE;
    }
  if (there)
    g_ptr_array_remove_index (netmap->messages, at);
  if (message != NULL)
    g_ptr_array_insert (netmap->messages, (int) at, message);
  return there || message != NULL;
}

static gboolean
update_messages (TnNetmap   *netmap,
                 TnJsonText  messages)
{
  g_autoptr (GPtrArray) before = NULL;
  TnJsonIter iter = TN_JSON_ITER_INIT (messages);
  TnJsonText key, value;
  gboolean changed = FALSE;

  if (tn_json_text_kind (messages) != TN_JSON_OBJECT)
    return FALSE;
  if (tn_json_text_kind (tn_json_text_member (messages, "*")) == TN_JSON_NULL)
    {
      before = netmap->messages;
      netmap->messages = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_netmap_message_free);
    }
  while (tn_json_object_next (&iter, &key, &value))
    {
      g_autofree char *id = tn_json_text_dup_string (key);

      if (!g_str_equal (id, "*") && strlen (id) <= ID_MAX && set_display_message (netmap, id, value))
        changed = TRUE;
    }
  return before != NULL ? !messages_equal (before, netmap->messages) : changed;
}

/* --- Sentences --- */

/* NULL: not an array. */
static GStrv
dup_sentences (TnJsonText array)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  TnJsonIter iter = TN_JSON_ITER_INIT (array);
  TnJsonText item;
  guint n = 0;

  if (tn_json_text_kind (array) != TN_JSON_ARRAY)
    return NULL;
  while (n < TN_NETMAP_MESSAGES_MAX && tn_json_array_next (&iter, &item))
    {
      g_autofree char *sentence = dup_words (item, TEXT_MAX);

      if (sentence != NULL)
        {
          g_strv_builder_add (builder, sentence);
          n++;
        }
    }
  return g_strv_builder_end (builder);
}

static gboolean
health_equal (const char *const *a,
              const char *const *b)
{
  const char *const none[] = { NULL };

  return g_strv_equal (a != NULL ? a : none, b != NULL ? b : none);
}

/* Servers repeat these as well, and empty ones. */
void
tn_netmap_update_health (TnNetmap          *netmap,
                         const TnMapFields *fields,
                         TnNetmapChanges   *changes)
{
  changes->health = update_messages (netmap, fields->text[MAP_DISPLAY_MESSAGES]) ? 1 : 0;
  if (fields->text[MAP_HEALTH].text != NULL)
    {
      g_auto (GStrv) before = g_steal_pointer (&netmap->health);

      netmap->health = dup_sentences (fields->text[MAP_HEALTH]);
      if (!health_equal ((const char *const *) before, (const char *const *) netmap->health))
        changes->health = TRUE;
    }
}
