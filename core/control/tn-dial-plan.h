/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"
#include "tn-json-text.h"

G_BEGIN_DECLS

#define TN_DIAL_PLAN_MAX 16u      /* candidates; those beyond are left out */

/* tailscale control/controlhttp/client.go, control/controlclient/direct.go. */
enum
{
  TN_DIAL_LIMIT_MS = 5 * 1000,           /* of DNS, and of a candidate that has no limit of its own */
  TN_DIAL_LIMIT_MORE_MS = 5 * 1000,      /* then, of all */
  TN_DIAL_LIMIT_MAX_MS = 60 * 1000,
};

/* Addresses at which the control server wants to be reached, without asking DNS (tailscale tailcfg: ControlDialPlan). */
typedef struct
{
  TnIpAddress address;
  guint       delay_ms;      /* before it is tried */
  guint       limit_ms;      /* then it has so long, which is never 0 */
} TnDialCandidate;

typedef struct
{
  TnDialCandidate candidates[TN_DIAL_PLAN_MAX];
  guint           n_candidates;      /* 0: no plan */
} TnDialPlan;

/* Candidates that make no sense to us are left out; one without a limit gets ours. */
void     tn_dial_plan_read     (TnDialPlan *plan, TnJsonText object);

/* When the last of its candidates has had its time. No dial takes longer than a minute, and DNS has a part of that. */
guint    tn_dial_plan_limit_ms (const TnDialPlan *plan);

gboolean tn_dial_plan_equal    (const TnDialPlan *a, const TnDialPlan *b);

G_END_DECLS
