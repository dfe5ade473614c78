/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-preferences-private.h"

#include "tn-json-writer.h"

/**
 * TnPreferences:
 *
 * How a device is set up. Immutable: when something is set, the device gets new ones.
 *
 * Since: 0.1
 */
struct _TnPreferences
{
  GObject  parent_instance;
  char    *control_url;
  char    *hostname;
  char   **tags;
  gboolean want_running;
};

enum { PROP_0, PROP_CONTROL_URL, PROP_HOSTNAME, PROP_TAGS, PROP_WANT_RUNNING, N_PROPS };

G_DEFINE_FINAL_TYPE (TnPreferences, tn_preferences, G_TYPE_OBJECT)
static GParamSpec *properties[N_PROPS];

static void
tn_preferences_finalize (GObject *object)
{
  TnPreferences *self = TN_PREFERENCES (object);

  g_free (self->control_url);
  g_free (self->hostname);
  g_strfreev (self->tags);
  G_OBJECT_CLASS (tn_preferences_parent_class)->finalize (object);
}

static void
tn_preferences_get_property (GObject    *object,
                             guint       prop_id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  TnPreferences *self = TN_PREFERENCES (object);

  switch (prop_id)
    {
    case PROP_CONTROL_URL:
      g_value_set_string (value, self->control_url);
      break;
    case PROP_HOSTNAME:
      g_value_set_string (value, self->hostname);
      break;
    case PROP_TAGS:
      g_value_set_boxed (value, self->tags);
      break;
    case PROP_WANT_RUNNING:
      g_value_set_boolean (value, self->want_running);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_preferences_class_init (TnPreferencesClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = tn_preferences_finalize;
  object_class->get_property = tn_preferences_get_property;

  /**
   * TnPreferences:control-url: (getter get_control_url)
   *
   * URL of the control server.
   *
   * Since: 0.1
   */
  properties[PROP_CONTROL_URL] = g_param_spec_string ("control-url", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * TnPreferences:hostname: (getter get_hostname)
   *
   * Name that the node asks for.
   *
   * Since: 0.1
   */
  properties[PROP_HOSTNAME] = g_param_spec_string ("hostname", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * TnPreferences:tags: (getter get_tags)
   *
   * Tags that the node asks for, such as `tag:server`.
   *
   * Since: 0.1
   */
  properties[PROP_TAGS] = g_param_spec_boxed ("tags", NULL, NULL, G_TYPE_STRV, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * TnPreferences:want-running: (getter get_want_running)
   *
   * Whether the node is meant to be on the tailnet.
   *
   * Since: 0.1
   */
  properties[PROP_WANT_RUNNING] =
    g_param_spec_boolean ("want-running", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_preferences_init (TnPreferences *self)
{
}

TnPreferences *
tn_preferences_new (const char         *control_url,
                    const char         *hostname,
                    const char * const *tags,
                    gboolean            want_running)
{
  static const char * const none[] = { NULL };
  TnPreferences *self = g_object_new (TN_TYPE_PREFERENCES, NULL);

  self->control_url = g_strdup (control_url);
  self->hostname = g_strdup (hostname);
  self->tags = g_strdupv ((char **) (guintptr) (tags != NULL ? tags : none));
  self->want_running = want_running;
  return self;
}

gboolean
tn_preferences_equal (TnPreferences *a,
                      TnPreferences *b)
{
  if (a == b)
    return TRUE;
  if (a == NULL || b == NULL)
    return FALSE;
  return g_strcmp0 (a->control_url, b->control_url) == 0 && g_strcmp0 (a->hostname, b->hostname) == 0 &&
         a->want_running == b->want_running && g_strv_equal ((const char * const *) a->tags, (const char * const *) b->tags);
}

/**
 * tn_preferences_get_control_url: (get-property control-url)
 * @self: preferences
 *
 * Gets the URL of the control server.
 *
 * Returns: (nullable): the URL, or %NULL if none is set
 *
 * Since: 0.1
 */
const char *
tn_preferences_get_control_url (TnPreferences *self)
{
  g_return_val_if_fail (TN_IS_PREFERENCES (self), NULL);

  return self->control_url;
}

/**
 * tn_preferences_get_hostname: (get-property hostname)
 * @self: preferences
 *
 * Gets the name that the node asks for.
 *
 * Returns: (nullable): the name, or %NULL for the host's own
 *
 * Since: 0.1
 */
const char *
tn_preferences_get_hostname (TnPreferences *self)
{
  g_return_val_if_fail (TN_IS_PREFERENCES (self), NULL);

  return self->hostname;
}

/**
 * tn_preferences_get_tags: (get-property tags)
 * @self: preferences
 *
 * Gets the tags that the node asks for.
 *
 * Returns: (array zero-terminated=1) (transfer none): the tags
 *
 * Since: 0.1
 */
const char * const *
tn_preferences_get_tags (TnPreferences *self)
{
  g_return_val_if_fail (TN_IS_PREFERENCES (self), NULL);

  return (const char * const *) self->tags;
}

/**
 * tn_preferences_get_want_running: (get-property want-running)
 * @self: preferences
 *
 * Tells whether the node is meant to be on the tailnet.
 *
 * Returns: %TRUE if it is
 *
 * Since: 0.1
 */
gboolean
tn_preferences_get_want_running (TnPreferences *self)
{
  g_return_val_if_fail (TN_IS_PREFERENCES (self), FALSE);

  return self->want_running;
}

/**
 * tn_preferences_to_json:
 * @self: preferences
 *
 * Writes them as a JSON object with the field names of the stock client.
 *
 * Returns: (transfer full): the text
 *
 * Since: 0.1
 */
char *
tn_preferences_to_json (TnPreferences *self)
{
  TnJsonWriter writing = TN_JSON_WRITER_INIT;
  TnJsonWriter *writer = &writing;

  g_return_val_if_fail (TN_IS_PREFERENCES (self), NULL);

  tn_json_writer_begin_object (writer);
  tn_json_writer_string (writer, "ControlURL", self->control_url);
  tn_json_writer_boolean (writer, "WantRunning", self->want_running);
  tn_json_writer_string (writer, "Hostname", self->hostname);
  tn_json_writer_strv (writer, "AdvertiseTags", (const char *const *) self->tags);
  tn_json_writer_end_object (writer);
  return tn_json_writer_free (writer);
}
