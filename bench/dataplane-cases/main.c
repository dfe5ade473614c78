/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The data plane without I/O, on one core: see CONTRIBUTING.md, “Benchmarks”. */

#include "config.h"

#include "cases.h"

#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>

static JsonBuilder *report;      /* NULL: for people */
static char **wanted;            /* names, or their beginnings; NULL: all */

static gboolean
is_wanted (const char *name)
{
  for (char **w = wanted; w != NULL && *w != NULL; w++)
    if (g_str_has_prefix (name, *w))
      return TRUE;
  return wanted == NULL || *wanted == NULL;
}

static int
compare (gconstpointer a,
         gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static double
median (double *values)
{
  qsort (values, CASES_ROUNDS, sizeof *values, compare);
  return values[CASES_ROUNDS / 2];
}

void
cases_say (const Case *c,
           double      ours,
           double      peer)
{
  if (report == NULL)
    {
      if (peer < 0)
        g_print ("%-18s %10.1f %s\n", c->name, ours, c->unit);
      else
        g_print ("%-18s %10.1f %-12s %s %.1f, ratio %.2f\n", c->name, ours, c->unit, c->peer_name, peer, ours / peer);
      return;
    }
  json_builder_begin_object (report);
  json_builder_set_member_name (report, "case");
  json_builder_add_string_value (report, c->name);
  json_builder_set_member_name (report, "ours");
  json_builder_add_double_value (report, ours);
  json_builder_set_member_name (report, "unit");
  json_builder_add_string_value (report, c->unit);
  json_builder_set_member_name (report, "better");
  json_builder_add_string_value (report, c->higher_is_better ? "higher" : "lower");
  json_builder_set_member_name (report, "peer_name");
  json_builder_add_string_value (report, peer < 0 ? NULL : c->peer_name);
  json_builder_set_member_name (report, "peer");
  if (peer < 0)
    json_builder_add_null_value (report);
  else
    json_builder_add_double_value (report, peer);
  json_builder_set_member_name (report, "ratio");
  if (peer < 0)
    json_builder_add_null_value (report);
  else
    json_builder_add_double_value (report, ours / peer);
  json_builder_end_object (report);
}

void
cases_measure (const Case *c,
               CaseFunc    ours,
               CaseFunc    peer,
               double      bar,
               gpointer    data)
{
  double our_values[CASES_ROUNDS], peer_values[CASES_ROUNDS];

  if (!is_wanted (c->name))
    return;
  ours (data);      /* warm */
  for (guint i = 0; i < CASES_ROUNDS; i++)
    {
      our_values[i] = ours (data);
      if (peer != NULL)
        peer_values[i] = peer (data);
    }
  cases_say (c, median (our_values), peer != NULL ? median (peer_values) : bar);
}

double
cases_time (void     (*func) (gpointer data),
            gpointer   data)
{
  gint64 begin_us = g_get_monotonic_time ();
  gint64 end_us = begin_us;
  guint64 n = 0;

  while (end_us < begin_us + 100 * G_TIME_SPAN_MILLISECOND)
    {
      for (guint i = 0; i < 16; i++)
        func (data);
      n += 16;
      end_us = g_get_monotonic_time ();
    }
  return (double) (end_us - begin_us) * 1000 / (double) n;
}

const char *
cases_peer_program (const char *variable)
{
  const char *program = g_getenv (variable);

  return program != NULL && *program != '\0' ? program : NULL;
}

int
main (int    argc,
      char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "for programs", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &wanted, NULL, "[CASE…]" },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- measure the data plane without I/O");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      g_printerr ("dataplane: %s\n", error->message);
      return 2;
    }
  if (json)
    {
      report = json_builder_new ();
      json_builder_begin_object (report);
      json_builder_set_member_name (report, "cases");
      json_builder_begin_array (report);
    }
  cases_crypto ();
  cases_pipeline ();
  cases_lookup ();
  cases_filter ();
  cases_handshake ();
  cases_memory ();
  if (json)
    {
      g_autoptr (JsonNode) root = NULL;
      g_autofree char *text = NULL;

      json_builder_end_array (report);
      json_builder_end_object (report);
      root = json_builder_get_root (report);
      text = json_to_string (root, FALSE);
      g_print ("%s\n", text);
      g_object_unref (report);
    }
  g_strfreev (wanted);
  return 0;
}
