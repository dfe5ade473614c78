/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dial-plan.h"

static gboolean
read_seconds (TnJsonText  value,
              guint      *ms)
{
  double seconds = 0;

  if (!tn_json_text_get_double (value, &seconds) || seconds < 0)
    return FALSE;
  *ms = (guint) (MIN (seconds * 1000, TN_DIAL_LIMIT_MAX_MS));
  return TRUE;
}

/* One that has an ACEHost is reached through yet another server, which we do not do. One without a limit has none for the reference,
 * whose dial to it ends before it begins: here it gets the time that DNS has, and no more, as the address may lead nowhere. */
static gboolean
read_candidate (TnDialCandidate *candidate,
                TnJsonText       object)
{
  g_autofree char *address = tn_json_text_dup_string (tn_json_text_member (object, "IP"));
  g_autofree char *through = tn_json_text_dup_string (tn_json_text_member (object, "ACEHost"));

  *candidate = (TnDialCandidate) { 0 };
  if (address == NULL || !tn_ip_address_parse (address, &candidate->address) || (through != NULL && *through != '\0') ||
      !read_seconds (tn_json_text_member (object, "DialStartDelaySec"), &candidate->delay_ms) ||
      !read_seconds (tn_json_text_member (object, "DialTimeoutSec"), &candidate->limit_ms))
    return FALSE;
  if (candidate->limit_ms == 0)
    candidate->limit_ms = TN_DIAL_LIMIT_MS;
  return TRUE;
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

guint
tn_dial_plan_limit_ms (const TnDialPlan *plan)
{
  guint limit_ms = 0;

  for (guint i = 0; i < plan->n_candidates; i++)
    limit_ms = MAX (limit_ms, plan->candidates[i].delay_ms + plan->candidates[i].limit_ms);
  return MIN (limit_ms, TN_DIAL_LIMIT_MAX_MS - TN_DIAL_LIMIT_MORE_MS);
}

gboolean
tn_dial_plan_equal (const TnDialPlan *a,
                    const TnDialPlan *b)
{
  if (a->n_candidates != b->n_candidates)
    return FALSE;
  for (guint i = 0; i < a->n_candidates; i++)
    {
      const TnDialCandidate *one = &a->candidates[i], *other = &b->candidates[i];

      if (!tn_ip_address_equal (&one->address, &other->address) || one->delay_ms != other->delay_ms || one->limit_ms != other->limit_ms)
        return FALSE;
    }
  return TRUE;
}
