/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"
#include "tn-json-text.h"

G_BEGIN_DECLS

#define TN_DIAL_PLAN_MAX 16u      /* candidates; those beyond are left out */

/* Addresses at which the control server wants to be reached, without asking DNS (tailscale tailcfg: ControlDialPlan). */
typedef struct
{
  TnIpAddress address;
  guint       delay_ms;      /* before it is tried */
  guint       limit_ms;      /* then it has so long; 0: as long as the others */
} TnDialCandidate;

typedef struct
{
  TnDialCandidate candidates[TN_DIAL_PLAN_MAX];
  guint           n_candidates;      /* 0: no plan */
} TnDialPlan;

/* Candidates that make no sense to us are left out. */
void tn_dial_plan_read (TnDialPlan *plan, TnJsonText object);

G_END_DECLS
