/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-user-private.h"

/**
 * TnUser:
 *
 * Whom a node belongs to. Immutable.
 *
 * Since: 0.1
 */
struct _TnUser
{
  GObject parent_instance;
  gint64  numeric_id;
  char   *id;
  char   *login_name;
  char   *display_name;
  char   *profile_picture_url;     /* nullable */
};

enum { PROP_0, PROP_ID, PROP_LOGIN_NAME, PROP_DISPLAY_NAME, PROP_PROFILE_PICTURE_URL, N_PROPS };

G_DEFINE_FINAL_TYPE (TnUser, tn_user, G_TYPE_OBJECT)
static GParamSpec *properties[N_PROPS];

static void
tn_user_finalize (GObject *object)
{
  TnUser *self = TN_USER (object);

  g_free (self->id);
  g_free (self->login_name);
  g_free (self->display_name);
  g_free (self->profile_picture_url);
  G_OBJECT_CLASS (tn_user_parent_class)->finalize (object);
}

static void
tn_user_get_property (GObject    *object,
                      guint       prop_id,
                      GValue     *value,
                      GParamSpec *pspec)
{
  TnUser *self = TN_USER (object);

  switch (prop_id)
    {
    case PROP_ID:
      g_value_set_string (value, self->id);
      break;
    case PROP_LOGIN_NAME:
      g_value_set_string (value, self->login_name);
      break;
    case PROP_DISPLAY_NAME:
      g_value_set_string (value, self->display_name);
      break;
    case PROP_PROFILE_PICTURE_URL:
      g_value_set_string (value, self->profile_picture_url);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_user_class_init (TnUserClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = tn_user_finalize;
  object_class->get_property = tn_user_get_property;

  /**
   * TnUser:id: (getter get_id)
   *
   * What identifies the user in this tailnet.
   *
   * Since: 0.1
   */
  properties[PROP_ID] = g_param_spec_string ("id", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * TnUser:login-name: (getter get_login_name)
   *
   * Name to log in with, often an e-mail address. `tagged-devices` for nodes that belong to a tag.
   *
   * Since: 0.1
   */
  properties[PROP_LOGIN_NAME] = g_param_spec_string ("login-name", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * TnUser:display-name: (getter get_display_name)
   *
   * Name to show.
   *
   * Since: 0.1
   */
  properties[PROP_DISPLAY_NAME] = g_param_spec_string ("display-name", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * TnUser:profile-picture-url: (getter get_profile_picture_url)
   *
   * Where a picture is, if there is one.
   *
   * Since: 0.1
   */
  properties[PROP_PROFILE_PICTURE_URL] =
    g_param_spec_string ("profile-picture-url", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_user_init (TnUser *self)
{
}

TnUser *
tn_user_new (gint64      id,
             const char *login_name,
             const char *display_name,
             const char *profile_picture_url)
{
  TnUser *self = g_object_new (TN_TYPE_USER, NULL);

  self->numeric_id = id;
  self->id = g_strdup_printf ("%" G_GINT64_FORMAT, id);
  self->login_name = g_strdup (login_name != NULL ? login_name : "");
  self->display_name = g_strdup (display_name != NULL && *display_name != '\0' ? display_name : self->login_name);
  if (profile_picture_url != NULL && *profile_picture_url != '\0')
    self->profile_picture_url = g_strdup (profile_picture_url);
  return self;
}

gint64
tn_user_get_numeric_id (TnUser *self)
{
  return self->numeric_id;
}

gboolean
tn_user_equal (TnUser *a,
               TnUser *b)
{
  if (a == b)
    return TRUE;
  if (a == NULL || b == NULL)
    return FALSE;
  return a->numeric_id == b->numeric_id && g_str_equal (a->login_name, b->login_name) &&
         g_str_equal (a->display_name, b->display_name) && g_strcmp0 (a->profile_picture_url, b->profile_picture_url) == 0;
}

/**
 * tn_user_get_id: (get-property id)
 * @self: a user
 *
 * Gets what identifies the user in this tailnet.
 *
 * Returns: the id
 *
 * Since: 0.1
 */
const char *
tn_user_get_id (TnUser *self)
{
  g_return_val_if_fail (TN_IS_USER (self), NULL);

  return self->id;
}

/**
 * tn_user_get_login_name: (get-property login-name)
 * @self: a user
 *
 * Gets the name to log in with, often an e-mail address.
 *
 * Returns: the name, empty if it is not known
 *
 * Since: 0.1
 */
const char *
tn_user_get_login_name (TnUser *self)
{
  g_return_val_if_fail (TN_IS_USER (self), NULL);

  return self->login_name;
}

/**
 * tn_user_get_display_name: (get-property display-name)
 * @self: a user
 *
 * Gets the name to show.
 *
 * Returns: the name; the login name where the user has no other
 *
 * Since: 0.1
 */
const char *
tn_user_get_display_name (TnUser *self)
{
  g_return_val_if_fail (TN_IS_USER (self), NULL);

  return self->display_name;
}

/**
 * tn_user_get_profile_picture_url: (get-property profile-picture-url)
 * @self: a user
 *
 * Gets where a picture of the user is.
 *
 * Returns: (nullable): the URL, or %NULL if there is none
 *
 * Since: 0.1
 */
const char *
tn_user_get_profile_picture_url (TnUser *self)
{
  g_return_val_if_fail (TN_IS_USER (self), NULL);

  return self->profile_picture_url;
}
