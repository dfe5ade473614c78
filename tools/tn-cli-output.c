/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tn-cli.h"

static int output_errno;      /* of the first failure */

static void
print_cb (const char *text)
{
  if (output_errno == 0 && (fputs (text, stdout) == EOF || fflush (stdout) != 0))
    output_errno = errno;
}

/* After everything else: a program whose words were lost has not done what it was asked to. Where nobody reads any more there is nobody to
 * tell, either. */
static void
end_cb (void)
{
  if (output_errno == 0)
    return;
  if (output_errno != EPIPE)
    fprintf (stderr, _("tailnet: cannot write to standard output: %s\n"), g_strerror (output_errno));
  fflush (stderr);
  _exit (TN_CLI_FAILED);
}

/* What is not as it should be, on one line as errors are, and only once in a row. */
static GLogWriterOutput
log_cb (GLogLevelFlags   level,
        const GLogField *fields,
        gsize            n_fields,
        gpointer         user_data)
{
  static char *last;
  const char *message = NULL;

  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      message = fields[i].value;
  if ((level & (G_LOG_FLAG_FATAL | G_LOG_FLAG_RECURSION)) != 0 || (level & G_LOG_LEVEL_WARNING) == 0 || message == NULL)
    return g_log_writer_default (level, fields, n_fields, user_data);
  if (g_strcmp0 (message, last) != 0)
    g_printerr (_("tailnet: warning: %s\n"), message);
  g_free (last);
  last = g_strdup (message);
  return G_LOG_WRITER_HANDLED;
}

void
tn_cli_watch_output (void)
{
  signal (SIGPIPE, SIG_IGN);      /* a reader that leaves is an error of that write */
  g_set_print_handler (print_cb);
  atexit (end_cb);
  /* GLib sends debug messages to standard output, where they would be among what a command prints. */
  g_log_writer_default_set_use_stderr (TRUE);
  g_log_set_writer_func (log_cb, NULL, NULL);
}

gboolean
tn_cli_output_lost (void)
{
  return output_errno != 0;
}
