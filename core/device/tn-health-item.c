/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-health-item-private.h"

#include "tn-enum-types.h"

/**
 * TnHealthItem:
 *
 * Something about a device that is not as it should be. It is in [property@Tailnet.Device:health] for as long as it lasts.
 * Immutable.
 *
 * Since: 0.1
 */
struct _TnHealthItem
{
  GObject          parent_instance;
  char            *code;
  char            *title;
  char            *text;
  TnHealthSeverity severity;
};

enum { PROP_0, PROP_CODE, PROP_SEVERITY, PROP_TITLE, PROP_TEXT, N_PROPS };

G_DEFINE_FINAL_TYPE (TnHealthItem, tn_health_item, G_TYPE_OBJECT)
static GParamSpec *properties[N_PROPS];

static void
tn_health_item_finalize (GObject *object)
{
  TnHealthItem *self = TN_HEALTH_ITEM (object);

  g_free (self->code);
  g_free (self->title);
  g_free (self->text);
  G_OBJECT_CLASS (tn_health_item_parent_class)->finalize (object);
}

static void
tn_health_item_get_property (GObject    *object,
                             guint       prop_id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  TnHealthItem *self = TN_HEALTH_ITEM (object);

  switch (prop_id)
    {
    case PROP_CODE:
      g_value_set_string (value, self->code);
      break;
    case PROP_SEVERITY:
      g_value_set_enum (value, (int) self->severity);
      break;
    case PROP_TITLE:
      g_value_set_string (value, self->title);
      break;
    case PROP_TEXT:
      g_value_set_string (value, self->text);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_health_item_class_init (TnHealthItemClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = tn_health_item_finalize;
  object_class->get_property = tn_health_item_get_property;

  /**
   * TnHealthItem:code: (getter get_code)
   *
   * Name of the condition for programs, such as `no-relay`. Those of the control server are `control` for its plain sentences, and
   * `control-message-ID` for each message that it gave an ID.
   *
   * Since: 0.1
   */
  properties[PROP_CODE] = g_param_spec_string ("code", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * TnHealthItem:severity: (getter get_severity)
   *
   * How bad it is.
   *
   * Since: 0.1
   */
  properties[PROP_SEVERITY] = g_param_spec_enum ("severity", NULL, NULL, TN_TYPE_HEALTH_SEVERITY, TN_HEALTH_SEVERITY_LOW,
                                                 G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * TnHealthItem:title: (getter get_title)
   *
   * A headline for people.
   *
   * Since: 0.1
   */
  properties[PROP_TITLE] = g_param_spec_string ("title", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * TnHealthItem:text: (getter get_text)
   *
   * What is the matter, in full.
   *
   * Since: 0.1
   */
  properties[PROP_TEXT] = g_param_spec_string ("text", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_health_item_init (TnHealthItem *self)
{
}

TnHealthItem *
tn_health_item_new (const char      *code,
                    TnHealthSeverity severity,
                    const char      *title,
                    const char      *text)
{
  TnHealthItem *self = g_object_new (TN_TYPE_HEALTH_ITEM, NULL);

  self->code = g_strdup (code);
  self->severity = severity;
  self->title = g_strdup (title);
  self->text = g_strdup (text);
  return self;
}

gboolean
tn_health_item_equal (TnHealthItem *a,
                      TnHealthItem *b)
{
  return a == b || (a->severity == b->severity && g_str_equal (a->code, b->code) && g_str_equal (a->title, b->title) &&
                    g_str_equal (a->text, b->text));
}

/**
 * tn_health_item_get_code: (get-property code)
 * @self: a health item
 *
 * Gets the name of the condition for programs.
 *
 * Returns: the code
 *
 * Since: 0.1
 */
const char *
tn_health_item_get_code (TnHealthItem *self)
{
  g_return_val_if_fail (TN_IS_HEALTH_ITEM (self), NULL);

  return self->code;
}

/**
 * tn_health_item_get_severity: (get-property severity)
 * @self: a health item
 *
 * Gets how bad it is.
 *
 * Returns: the severity
 *
 * Since: 0.1
 */
TnHealthSeverity
tn_health_item_get_severity (TnHealthItem *self)
{
  g_return_val_if_fail (TN_IS_HEALTH_ITEM (self), TN_HEALTH_SEVERITY_LOW);

  return self->severity;
}

/**
 * tn_health_item_get_title: (get-property title)
 * @self: a health item
 *
 * Gets a headline for people.
 *
 * Returns: the title
 *
 * Since: 0.1
 */
const char *
tn_health_item_get_title (TnHealthItem *self)
{
  g_return_val_if_fail (TN_IS_HEALTH_ITEM (self), NULL);

  return self->title;
}

/**
 * tn_health_item_get_text: (get-property text)
 * @self: a health item
 *
 * Gets what is the matter, in full.
 *
 * Returns: the text
 *
 * Since: 0.1
 */
const char *
tn_health_item_get_text (TnHealthItem *self)
{
  g_return_val_if_fail (TN_IS_HEALTH_ITEM (self), NULL);

  return self->text;
}
