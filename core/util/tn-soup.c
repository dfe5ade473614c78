/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-soup.h"

#define INTERIM_MAX 8
#define KEY "tn-soup-interim"

typedef struct
{
  GCancellable *cancellable;
  guint         n;
} Interim;

static void
interim_free (gpointer data)
{
  Interim *interim = data;

  g_object_unref (interim->cancellable);
  g_free (interim);
}

static void
got_informational_cb (SoupMessage *message,
                      gpointer     user_data)
{
  Interim *interim = user_data;

  if (++interim->n > INTERIM_MAX)
    g_cancellable_cancel (interim->cancellable);
}

void
tn_soup_limit_interim (SoupMessage  *message,
                       GCancellable *cancellable)
{
  Interim *interim = g_new0 (Interim, 1);

  interim->cancellable = g_object_ref (cancellable);
  g_object_set_data_full (G_OBJECT (message), KEY, interim, interim_free);
  g_signal_connect (message, "got-informational", G_CALLBACK (got_informational_cb), interim);
}

void
tn_soup_explain (SoupMessage  *message,
                 GError      **error)
{
  const Interim *interim = message != NULL ? g_object_get_data (G_OBJECT (message), KEY) : NULL;

  if (interim == NULL || interim->n <= INTERIM_MAX)
    return;
  g_clear_error (error);
  *error = g_error_new (G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "more than %d interim responses", INTERIM_MAX);
}
