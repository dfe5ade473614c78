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

/* --- Text of others --- */

/* What moves a terminal's cursor, or the order of what it shows (Unicode Bidirectional Algorithm, 2.1 to 2.5). */
static gboolean
is_harmful (gunichar c)
{
  return g_unichar_iscntrl (c) || c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static char *
dup_escaped (const char *text,
             gboolean    keep_lines)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *escaped = g_string_new (NULL);

  for (char *at = valid; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      if (is_harmful (c) && !(keep_lines && c == '\n'))
        g_string_append_printf (escaped, "\\u%04x", c);      /* in JSON this is the same character */
      else
        g_string_append_unichar (escaped, c);
    }
  return g_string_free (escaped, FALSE);
}

char *
tn_cli_dup_line (const char *text)
{
  return text != NULL ? dup_escaped (text, FALSE) : g_strdup ("-");
}

char *
tn_cli_dup_line_v (const char *format,
                   va_list     args)
{
  g_autofree char *text = g_strdup_vprintf (format, args);

  if (g_str_has_suffix (text, "\n"))
    text[strlen (text) - 1] = '\0';
  return dup_escaped (text, FALSE);
}

void
tn_cli_say (const char *format,
            ...)
{
  g_autofree char *line = NULL;
  va_list args;

  va_start (args, format);
  line = tn_cli_dup_line_v (format, args);
  va_end (args);
  g_print ("%s\n", line);
}

void
tn_cli_complain (const char *format,
                 ...)
{
  g_autofree char *line = NULL;
  va_list args;

  va_start (args, format);
  line = tn_cli_dup_line_v (format, args);
  va_end (args);
  g_printerr ("%s\n", line);
}

/* --- Standard output and error --- */

/* Whatever names and reasons are in it that a server or a peer chose. */
static void
print_cb (const char *text)
{
  g_autofree char *escaped = dup_escaped (text, TRUE);

  if (output_errno == 0 && (fputs (escaped, stdout) == EOF || fflush (stdout) != 0))
    output_errno = errno;
}

static void
print_error_cb (const char *text)
{
  g_autofree char *escaped = dup_escaped (text, TRUE);

  fputs (escaped, stderr);
  fflush (stderr);
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
    tn_cli_complain (_("tailnet: warning: %s\n"), message);
  g_free (last);
  last = g_strdup (message);
  return G_LOG_WRITER_HANDLED;
}

void
tn_cli_watch_output (void)
{
  signal (SIGPIPE, SIG_IGN);      /* a reader that leaves is an error of that write */
  g_set_print_handler (print_cb);
  g_set_printerr_handler (print_error_cb);
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
