/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-testkit-registry.h"

G_BEGIN_DECLS

/* What a server says, as JSON: tailscale tailcfg/tailcfg.go. */
JsonNode *tn_testkit_wire_node         (const TnTestkitRegistry *registry, const TnTestkitRecord *record, gint64 now_s);

/* What changed after generation @since; NULL where only a whole node can tell it. */
JsonNode *tn_testkit_wire_peer_change  (const TnTestkitRecord *record, guint64 since);
JsonNode *tn_testkit_wire_profiles     (const TnTestkitRegistry *registry);

/* @login_url: page of the pending login, if @verdict has one. */
JsonNode *tn_testkit_wire_registration (const TnTestkitVerdict *verdict, const char *login_url);

/* The first message of a stream, and what is newer than generation @since: NULL if nothing is. */
JsonNode *tn_testkit_wire_map          (const TnTestkitRegistry *registry, const TnTestkitRecord *viewer, gint64 now_s);
JsonNode *tn_testkit_wire_map_delta    (const TnTestkitRegistry *registry, const TnTestkitRecord *viewer, guint64 since, gint64 now_s);

JsonNode *tn_testkit_wire_default      (const TnTestkitRegistry *registry, TnTestkitSetting setting);

G_END_DECLS
