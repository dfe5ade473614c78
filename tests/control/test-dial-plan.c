/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-dial-plan.h"

/* Plans of a server as they are taken, and how long they may take. */

static void
read_plan (TnDialPlan *plan,
           const char *candidates)
{
  g_autofree char *json = g_strdup_printf ("{\"Candidates\":[%s]}", candidates);
  TnJsonText text;

  g_assert_true (tn_json_text_parse (json, strlen (json), &text, NULL));
  tn_dial_plan_read (plan, text);
}

static void
test_limits (void)
{
  static const struct { const char *candidates; guint limit_ms, n, last_ms; } cases[] = {
    { "", 0, 0, 0 },
    { "{\"IP\":\"192.0.2.1\"}", 5000, 1, 5000 },
    { "{\"IP\":\"192.0.2.1\",\"DialTimeoutSec\":0}", 5000, 1, 5000 },
    { "{\"IP\":\"192.0.2.1\",\"DialTimeoutSec\":null}", 5000, 1, 5000 },
    { "{\"IP\":\"192.0.2.1\",\"DialTimeoutSec\":0.00001}", 5000, 1, 5000 },
    { "{\"IP\":\"192.0.2.1\",\"DialTimeoutSec\":0.25}", 250, 1, 250 },
    { "{\"IP\":\"192.0.2.1\",\"DialTimeoutSec\":10},{\"IP\":\"2001:db8::1\",\"DialStartDelaySec\":3}", 10000, 2, 5000 },
    { "{\"IP\":\"192.0.2.1\",\"DialTimeoutSec\":10},{\"IP\":\"2001:db8::1\",\"DialStartDelaySec\":7}", 12000, 2, 5000 },
    /* However long they want: DNS has the last of the minute. */
    { "{\"IP\":\"192.0.2.1\",\"DialTimeoutSec\":60}", 55000, 1, 60000 },
    { "{\"IP\":\"192.0.2.1\",\"DialStartDelaySec\":1e300,\"DialTimeoutSec\":1e300}", 55000, 1, 60000 },
    { "{\"IP\":\"192.0.2.1\",\"DialTimeoutSec\":-1},{\"IP\":\"192.0.2.1\",\"DialStartDelaySec\":\"1\"}", 0, 0, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TnDialPlan plan;

      g_test_message ("%s", cases[i].candidates);
      read_plan (&plan, cases[i].candidates);
      g_assert_cmpuint (plan.n_candidates, ==, cases[i].n);
      g_assert_cmpuint (tn_dial_plan_limit_ms (&plan), ==, cases[i].limit_ms);
      if (cases[i].n > 0)
        g_assert_cmpuint (plan.candidates[plan.n_candidates - 1].limit_ms, ==, cases[i].last_ms);
    }
}

static void
test_equal (void)
{
  static const char *const plans[] = {
    "", "{\"IP\":\"192.0.2.1\"}", "{\"IP\":\"192.0.2.2\"}", "{\"IP\":\"192.0.2.1\",\"DialTimeoutSec\":1}",
    "{\"IP\":\"192.0.2.1\",\"DialStartDelaySec\":1}", "{\"IP\":\"192.0.2.1\"},{\"IP\":\"192.0.2.1\"}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (plans); i++)
    for (guint k = 0; k < G_N_ELEMENTS (plans); k++)
      {
        TnDialPlan a, b;

        read_plan (&a, plans[i]);
        read_plan (&b, plans[k]);
        g_assert_true (tn_dial_plan_equal (&a, &b) == (i == k));
      }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/dial-plan/limits", test_limits);
  g_test_add_func ("/control/dial-plan/equal", test_equal);
  return g_test_run ();
}
