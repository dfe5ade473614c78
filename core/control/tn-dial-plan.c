/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dial-plan.h"

#define SECONDS_MAX 60.0      /* tailscale control/controlhttp/client.go: no dial takes longer */

static gboolean
read_seconds (TnJsonText  value,
              guint      *ms)
{
  double seconds = 0;

  if (!tn_json_text_get_double (value, &seconds) || seconds < 0)
    return FALSE;
  *ms = (guint) (MIN (seconds, SECONDS_MAX) * 1000);
  return TRUE;
}

/* One that has an ACEHost is reached through yet another server, which we do not do. */
static gboolean
read_candidate (TnDialCandidate *candidate,
                TnJsonText       object)
{
  g_autofree char *address = tn_json_text_dup_string (tn_json_text_member (object, "IP"));
  g_autofree char *through = tn_json_text_dup_string (tn_json_text_member (object, "ACEHost"));

  *candidate = (TnDialCandidate) { 0 };
  return address != NULL && tn_ip_address_parse (address, &candidate->address) && (through == NULL || *through == '\0') &&
         read_seconds (tn_json_text_member (object, "DialStartDelaySec"), &candidate->delay_ms) &&
         read_seconds (tn_json_text_member (object, "DialTimeoutSec"), &candidate->limit_ms);
}

void
tn_dial_plan_read (TnDialPlan *plan,
                   TnJsonText  object)
{
  TnJsonText list = tn_json_text_member (object, "Candidates");
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText value;

  plan->n_candidates = 0;
  if (tn_json_text_kind (list) != TN_JSON_ARRAY)
    return;
  while (plan->n_candidates < TN_DIAL_PLAN_MAX && tn_json_array_next (&iter, &value))
    if (read_candidate (&plan->candidates[plan->n_candidates], value))
      plan->n_candidates++;
}
